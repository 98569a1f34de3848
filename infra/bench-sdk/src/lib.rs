//! What an event costs the program that records it: the same operations by Framelake's SDK, by the crates that people would pick instead, and by
//! the least that could do it, the floor.
//!
//! - `cargo xtask bench sdk` measures nanoseconds, all subjects in turn, each in a process of its own (bin `sdk`).
//! - `cargo xtask instructions` counts instructions with callgrind, ours and the floor's only (bin `instructions`), and is a step of CI.
//!
//! A subject is a file in `subjects/`: a table from [`Kind`] to [`Operation`], how it is started, and how it is seen that it dropped nothing.
//! Links nothing of DataFusion, so that it builds in a minute.

#![allow(missing_docs, reason = "a harness for the two programs beside it, not an API")]

mod clock;
mod operation;
mod subject;
pub mod subjects;
mod work;

pub use clock::{counter, thread_cpu_ns};
pub use operation::{Kind, Operation};
pub use subject::{Nothing, Recorded, Running, Subject};
pub use work::{Work, compute};
