//! The log: an ordered, partitioned, replayable record of everything that producers sent.
//!
//! [`EventLog`] is a small trait for implementers; every implementation runs [`contract`]. Here are the in-memory one ([`Memory`]) and the embedded
//! one on SQLite ([`Embedded`]); Kafka's is the crate `framelake-kafka`.

mod embedded;
mod error;
mod memory;
mod position;
mod record;
mod traits;

pub mod contract;

pub use embedded::{Embedded, Options as EmbeddedOptions};
pub use error::{Error, Result};
pub use memory::Memory;
pub use position::{Offset, TopicId, TopicPartition};
pub use record::{Appended, NewRecord, StoredRecord};
pub use traits::{Batch, Bounds, Consumer, ConsumerOptions, EventLog, Polled, ReadLimits, TopicDescription};
