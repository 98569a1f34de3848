//! Which of the blocks that a query needs stand in Parquet.

use framelake_definitions::ScopeRule;
use framelake_lake::{BlockEntry, Incarnation, Position, Scope, ScopeCoverage, ViewPartition};
use framelake_log::TopicPartition;
use framelake_wire::UnixNanos;
use std::collections::HashMap;

/// Times that a query asks for, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The earliest.
    pub from: UnixNanos,
    /// The latest.
    pub to: UnixNanos,
}

impl TimeRange {
    /// All of time.
    pub const ALL: TimeRange = TimeRange { from: UnixNanos::MIN, to: UnixNanos::MAX };

    fn meets(self, min: UnixNanos, max: UnixNanos) -> bool {
        max >= self.from && min <= self.to
    }
}

/// A partition to read, and what it is complete for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reused {
    /// Its scope.
    pub scope: Scope,
    /// The partition.
    pub partition: ViewPartition,
}

/// How a query gets its rows: each row comes from exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Partitions to read. They may hold rows of blocks that are no longer there, and of times that were not asked for.
    pub reuse: Vec<Reused>,
    /// Of the blocks given, how many those partitions cover.
    pub covered: usize,
    /// Blocks to decode, in the order given.
    pub decode: Vec<BlockEntry>,
}

/// The scope whose partitions hold the block's rows.
#[must_use]
pub fn scope_of(rule: ScopeRule, block: &BlockEntry) -> Scope {
    match rule {
        ScopeRule::All => Scope::All,
        ScopeRule::Stream => Scope::Stream(block.stream_id),
    }
}

/// Splits what a query needs into partitions to read and blocks to decode.
///
/// `blocks` are those that the query needs, already narrowed to its processes, streams and times; `coverage` is that of their scopes, read before them,
/// so that it covers no block that is not among the visible ones.
///
/// | block | partition over its position, in its scope | then |
/// |---|---|---|
/// | needed | none | decoded |
/// | needed | yes | read from there |
/// | needed | yes, but of another scope, topic, partition or incarnation | decoded |
/// | not needed, or expired | within the times asked for | read from there all the same: it may hold rows whose blocks are gone |
/// | not needed, or expired | of other times | not read |
#[must_use]
pub fn plan(blocks: Vec<BlockEntry>, rule: ScopeRule, coverage: &[ScopeCoverage], times: TimeRange) -> Plan {
    let ranges = Ranges::of(coverage);
    let mut reuse: Vec<Reused> = Vec::new();
    for scope in coverage {
        for partition in &scope.partitions {
            if times.meets(partition.min_time, partition.max_time) {
                reuse.push(Reused { scope: scope.scope, partition: partition.clone() });
            }
        }
    }
    let needed = blocks.len();
    let decode: Vec<_> =
        blocks.into_iter().filter(|block| !ranges.cover(scope_of(rule, block), block.position)).collect();
    Plan { reuse, covered: needed - decode.len(), decode }
}

/// Covered offsets by scope and log partition, ascending.
struct Ranges(HashMap<(Scope, Incarnation, TopicPartition), Vec<(i64, i64)>>);

impl Ranges {
    fn of(coverage: &[ScopeCoverage]) -> Self {
        let mut ranges: HashMap<_, Vec<_>> = HashMap::new();
        for scope in coverage {
            for partition in &scope.partitions {
                let range = &partition.range;
                ranges
                    .entry((scope.scope, range.incarnation, range.topic_partition))
                    .or_default()
                    .push((range.from.0, range.to.0));
            }
        }
        for list in ranges.values_mut() {
            list.sort_unstable();
        }
        Self(ranges)
    }

    fn cover(&self, scope: Scope, position: Position) -> bool {
        let Some(list) = self.0.get(&(scope, position.incarnation, position.topic_partition)) else { return false };
        let offset = position.offset.0;
        let next = list.partition_point(|&(from, _)| from <= offset);
        next > 0 && offset < list[next - 1].1
    }
}

#[cfg(test)]
mod tests;
