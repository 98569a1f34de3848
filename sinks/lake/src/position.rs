//! Positions: where a record stood in the log, for good.

use framelake_log::{Offset, TopicPartition};
use std::fmt;

/// The small number that the catalog gives to each topic id, so that a topic made anew is another log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub i32);

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
