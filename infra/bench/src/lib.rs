//! Benchmarks, and what they share: the server and instrumented programs as processes of their own, so that each one's CPU time and memory can be
//! told apart, and what there is to know of the machine.
//!
//! `cargo xtask bench pipeline` measures the whole flow. Results with machine, command and commit are committed under `results/`.

#![allow(missing_docs, reason = "a harness for the benchmarks beside it, not an API")]

mod asking;
mod machine;
mod sample;
mod server;
mod usage;

pub use asking::Asking;
pub use machine::{Clock, Machine};
pub use sample::Sample;
pub use server::Server;
pub use usage::{cpu_of, memory_peak_of, own_cpu};
