//! Why the log could not.

use crate::{Bounds, Offset, TopicPartition};

/// The result of asking the log.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the log could not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The offset is not there.
    #[error("{topic_partition} has offsets {} to {}, not {offset}", bounds.earliest, bounds.next)]
    OffsetOutOfRange {
        /// Where.
        topic_partition: TopicPartition,
        /// What was asked for.
        offset: Offset,
        /// What there is.
        bounds: Bounds,
    },
    /// No such partition.
    #[error("{topic_partition} does not exist; the topic has {partitions} partitions")]
    NoSuchPartition {
        /// What was asked for.
        topic_partition: TopicPartition,
        /// How many there are.
        partitions: u32,
    },
    /// A topic is missing and may not be made.
    #[error(
        "topic {topic} does not exist and may not be created; create it, or allow it with log.create_topics = true"
    )]
    MissingTopic {
        /// Its name.
        topic: String,
    },
    /// The record is larger than the log takes.
    #[error("a record of {bytes} bytes is over the log's limit of {limit}")]
    RecordTooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The log cannot be reached, or has no room for more at the moment.
    #[error("the log is unavailable: {reason}")]
    Unavailable {
        /// What is known of it.
        reason: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The log's own storage is damaged, or was written by a newer version.
    #[error("the log cannot be used: {reason}")]
    Unusable {
        /// What is wrong and what to do.
        reason: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl Error {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Unavailable { .. } => true,
            Error::OffsetOutOfRange { .. }
            | Error::NoSuchPartition { .. }
            | Error::MissingTopic { .. }
            | Error::RecordTooLarge { .. }
            | Error::Unusable { .. } => false,
        }
    }
}
