//! Accepts records over HTTP and appends them to the log.
//!
//! The gateway checks what it is given and never changes it: what stands in the log is what the producer sealed. It answers 200 only
//! once the log has the records, and keeps nothing itself.
//!
//! - `POST /v1/records` takes a batch ([`framelake_wire::batch`]).
//! - `GET /v1/control` says what programs are told to record, `PUT /v1/control` says all of it anew: [`Texts`] as JSON. `PATCH /v1/control` changes
//!   some of it: [`Change`]. The text that applies to a batch's process goes back with the reply, as `"control"`. An empty one leaves it to the program.
//!   Programs that send straight to Kafka are told nothing.
//! - `GET /health` answers while the process lives, `GET /ready` while the log can be reached.
//!
//! ```no_run
//! # async fn serve() -> std::io::Result<()> {
//! use framelake_gateway::{Options, router};
//! use framelake_log::Memory;
//! use std::sync::Arc;
//!
//! let options = Options::default();
//! let stats = options.stats.clone();
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8650").await?;
//! axum::serve(listener, router(Arc::new(Memory::default()), options)).await?;
//! println!("{} records taken", stats.snapshot().records);
//! # Ok(()) }
//! ```

#![forbid(unsafe_code)]

mod check;
mod control;
mod options;
mod receive;
mod refusal;
mod routes;
mod stats;

pub use control::{Change, Control, NotSet, TEXT_BYTES_MAX, TEXTS_MAX, Texts};
pub use options::Options;
pub use refusal::Refusal;
pub use routes::router;
pub use stats::{Snapshot, Stats};
