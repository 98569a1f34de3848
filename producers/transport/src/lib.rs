//! Carries sealed blocks from a program to Framelake: over HTTP to a gateway, or straight to Kafka, with the same records.
//!
//! A [`Sender`] owns a bounded [`Queue`] and one thread. Records are kept until the other side has acknowledged them: in memory; when that is
//! used up, in a [spool] on disk, where there is one; when that is used up too, spans are shed before metrics before attachments before logs, and the
//! loss is counted where it happened. What a program could not deliver before its end its next run sends, or [`recover`]. Records are neither opened nor made
//! here: they come sealed from the SDK.
//!
//! A gateway's reply may carry a text that says what to record from now on: [`Sender::take_control`]. Kafka has none.
//!
//! ```no_run
//! use framelake_transport::{Endpoint, Outgoing, Sender, connect};
//! use std::time::Duration;
//!
//! let endpoint: Endpoint = "http://127.0.0.1:8650".parse()?;
//! let sender = Sender::start(connect(&endpoint)?, 32 * 1024 * 1024)?;
//! # let record: Outgoing = unimplemented!();
//! sender.push(record);
//! sender.dispatch();
//! sender.flush(Duration::from_secs(1));
//! # Ok::<(), framelake_transport::Error>(())
//! ```

#![forbid(unsafe_code)]

mod backoff;
mod deliver;
mod endpoint;
mod error;
#[cfg(feature = "http")]
mod http;
pub mod journal;
#[cfg(feature = "kafka")]
mod kafka;
mod outgoing;
mod queue;
mod recover;
mod sender;
pub mod spool;

pub use backoff::Backoff;
pub use deliver::{Deliver, Outcome, Refusal};
pub use endpoint::{ConnectOptions, Endpoint, connect, connect_with};
pub use error::{Error, Result};
#[cfg(feature = "http")]
pub use http::Http;
#[cfg(feature = "kafka")]
pub use kafka::Kafka;
pub use outgoing::{Hold, Outgoing, Place, Rows};
pub use queue::Queue;
pub use recover::{Recovered, recover};
pub use sender::{Losses, Options, Sender, Stats, Undelivered};
