//! What of a view stands in Parquet, by position within a scope.

use crate::PositionRange;
use framelake_wire::{StreamId, UnixNanos};
use std::fmt;

/// A view and the version of its definition: another version is another view.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ViewVersion {
    /// The table's name.
    pub view: String,
    /// Grows when the rows that a block yields change.
    pub version: u32,
}

/// What a range of positions is complete for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Every stream of the view's kind.
    All,
    /// One stream.
    Stream(StreamId),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::All => f.write_str("all"),
            Scope::Stream(id) => write!(f, "stream:{id}"),
        }
    }
}

/// One Parquet object and what it stands for: every block of its scope in its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewPartition {
    /// The object's key.
    pub object: String,
    /// The range of the log it is complete for.
    pub range: PositionRange,
    /// Its rows.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Least time of its rows.
    pub min_time: UnixNanos,
    /// Greatest time of its rows.
    pub max_time: UnixNanos,
}

/// What is covered of one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeCoverage {
    /// The scope.
    pub scope: Scope,
    /// Moves with every change; what [`NewPartition::expected_counter`] is compared with. 0 where nothing is covered yet.
    pub counter: u64,
    /// The partitions; their ranges do not overlap.
    pub partitions: Vec<ViewPartition>,
}

/// A partition to add.
#[derive(Clone, Debug)]
pub struct NewPartition {
    /// Of which view.
    pub view: ViewVersion,
    /// Complete for which scope.
    pub scope: Scope,
    /// The scope's counter when this was planned.
    pub expected_counter: u64,
    /// What is added.
    pub partition: ViewPartition,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddOutcome {
    /// It counts from now on.
    Added,
    /// The scope moved, or the object is doomed: discard it and plan again.
    Superseded,
}
