//! The log: an ordered, partitioned, replayable record of everything that producers sent.
//!
//! [`EventLog`] is a small trait for implementers; every implementation runs [`contract`]. Here are the in-memory one ([`Memory`]) and the embedded
//! one on SQLite ([`Embedded`]); Kafka's is the crate `framelake-kafka`.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> framelake_log::Result<()> {
//! use framelake_log::{EventLog, Memory, NewRecord, ReadLimits};
//! use framelake_wire::Topic;
//!
//! let log = Memory::default();
//! let record = NewRecord { topic: Topic::Lake, key: "key".into(), value: "value".into(), headers: vec![] };
//! let appended = log.append(vec![record]).await?;
//! let limits = ReadLimits { bytes_max: 1 << 20, wait_max: std::time::Duration::ZERO };
//! let batch = log.read(appended[0].topic_partition, appended[0].offset, limits).await?;
//! assert_eq!(batch.records[0].value, "value");
//! # Ok(()) }
//! ```

mod embedded;
mod error;
mod local_consumer;
mod memory;
mod position;
mod record;
mod tails;
mod traits;

pub mod contract;

pub use embedded::{Embedded, Options as EmbeddedOptions};
pub use error::{Error, Result};
pub use memory::Memory;
pub use position::{Offset, TopicId, TopicPartition};
pub use record::{Appended, NewRecord, RECORD_BYTES_MAX, StoredRecord};
pub use traits::{
    Batch, Bounds, Consumer, ConsumerOptions, EventLog, Polled, ReadLimits, TopicDescription, partitions_of,
};
