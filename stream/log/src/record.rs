//! Records as they are appended and read.

use crate::{Error, Offset, Result, TopicPartition};
use bytes::Bytes;
use framelake_wire::Topic;

/// Most bytes of a record with key and headers: 960 KiB, which leaves 64 KiB of Kafka's 1 MiB message for its framing.
pub const RECORD_BYTES_MAX: usize = 960 * 1024;

const _: () = assert!(
    framelake_wire::limits::RECORD_BYTES_MAX + 64 * 1024 <= RECORD_BYTES_MAX,
    "whatever the wire allows must fit with its key and headers"
);

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

impl NewRecord {
    /// Bytes of key, value and headers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key.len() + self.value.len() + headers
    }

    /// Refuses a record that is over [`RECORD_BYTES_MAX`]. Every log asks it, so that a record one log takes fits the others too.
    ///
    /// # Errors
    /// [`Error::RecordTooLarge`].
    pub fn check_size(&self) -> Result<()> {
        let bytes = self.bytes();
        if bytes > RECORD_BYTES_MAX {
            return Err(Error::RecordTooLarge { bytes, limit: RECORD_BYTES_MAX });
        }
        Ok(())
    }
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
