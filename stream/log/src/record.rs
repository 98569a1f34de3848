//! Records as they are appended and read.

use crate::{Offset, TopicPartition};
use bytes::Bytes;
use framelake_wire::Topic;

/// A record to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// The topic.
    pub topic: Topic,
    /// The key; its murmur2 chooses the partition ([`framelake_wire::partition_for`]).
    pub key: Bytes,
    /// The value, opaque to the log.
    pub value: Bytes,
    /// Headers for people and tools.
    pub headers: Vec<(String, Bytes)>,
}

/// Where a record was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Topic and partition.
    pub topic_partition: TopicPartition,
    /// The record's offset there.
    pub offset: Offset,
}

/// A record as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its offset.
    pub offset: Offset,
    /// When it was appended, in milliseconds since 1970, by the log's clock.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// The headers.
    pub headers: Vec<(String, Bytes)>,
}
