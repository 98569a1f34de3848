//! Carries sealed blocks from a program to Framelake: over HTTP to a gateway, or straight to Kafka, with the same records.
//!
//! A [`Sender`] owns a bounded [`Queue`] and one thread. Records are kept until the other side has acknowledged them; when
//! memory is used up the queue sheds spans before metrics before logs, and says so, so that the loss is counted where it
//! happened. It neither opens nor makes records: those come sealed from the SDK.
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

mod backoff;
mod deliver;
mod endpoint;
mod error;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "kafka")]
mod kafka;
mod outgoing;
mod queue;
mod sender;

pub use backoff::Backoff;
pub use deliver::{Deliver, Outcome, Refusal};
pub use endpoint::{Endpoint, connect};
pub use error::{Error, Result};
#[cfg(feature = "http")]
pub use http::Http;
#[cfg(feature = "kafka")]
pub use kafka::Kafka;
pub use outgoing::{Outgoing, Rows};
pub use queue::Queue;
pub use sender::{Sender, Stats, Undelivered};
