//! The log on Apache Kafka, or anything that speaks its protocol.
//!
//! Records keep the key, value and headers they are given; the partition is murmur2 of the key, as Kafka's own clients have it. Nothing here
//! rests on Kafka's transactions or on committed group offsets: who reads says where to begin.
//!
//! ```no_run
//! # async fn example() -> framelake_log::Result<()> {
//! use framelake_kafka::{Kafka, Options};
//! use framelake_log::EventLog;
//!
//! let log = Kafka::connect(Options::new("127.0.0.1:9092")).await?;
//! for topic in log.topics().await? {
//!     println!("{} has {} partitions", topic.topic, topic.partitions);
//! }
//! # Ok(()) }
//! ```

mod client;
mod error;
mod group;
mod kafka;
mod native;
mod options;
mod producer;
mod reader;
mod topics;

pub use kafka::Kafka;
pub use options::Options;
