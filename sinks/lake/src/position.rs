//! Positions: where a record stood in the log, for good.

use framelake_log::{Offset, TopicPartition};
use sha2::{Digest, Sha256};
use std::fmt;

/// The small number that the catalog gives to each topic id, so that a topic made anew is another log. An id gets another number when its log turns out
/// to be rolled back: offsets that were given once are given again then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub i32);

/// Tells a record from another one at the same offset: 64 bits of the SHA-256 of its key and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordMark(pub(crate) i64);

impl RecordMark {
    /// The mark of a record with this key and value.
    #[must_use]
    pub fn of(key: &[u8], value: &[u8]) -> Self {
        let hash = Sha256::new().chain_update((key.len() as u64).to_le_bytes()).chain_update(key).chain_update(value);
        let hash: [u8; 32] = hash.finalize().into();
        Self(i64::from_le_bytes(*hash.first_chunk().expect("32 bytes are more than 8")))
    }
}

/// Where a record stood in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Which log.
    pub incarnation: Incarnation,
    /// Topic and partition.
    pub topic_partition: TopicPartition,
    /// The offset there.
    pub offset: Offset,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}#{}", self.topic_partition, self.offset, self.incarnation.0)
    }
}
