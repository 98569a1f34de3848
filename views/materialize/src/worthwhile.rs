//! Which ranges are worth an object.

use crate::{Options, scope_of};
use framelake_definitions::ScopeRule;
use framelake_lake::{BlockEntry, Incarnation, PositionRange, Scope};
use framelake_log::{Offset, TopicPartition};
use std::{collections::HashMap, ops::Range};

/// A range of a scope that somebody asked for and no partition covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Offer {
    /// The view's name.
    pub view: &'static str,
    /// The scope.
    pub scope: Scope,
    /// The range: from the first to the last block asked for. It lies below committed progress, as those blocks are visible.
    pub range: PositionRange,
}

/// Sums over some blocks of one scope in one partition of the log.
#[derive(Clone, Copy, Debug)]
struct Extent {
    from: i64,
    to: i64,
    payload_bytes: u64,
    rows: u64,
    begin: i64,
    end: i64,
}

impl Extent {
    fn of(block: &BlockEntry) -> Self {
        Self {
            from: block.position.offset.0,
            to: block.position.offset.0 + 1,
            payload_bytes: u64::from(block.payload_bytes),
            rows: block.row_count,
            begin: block.begin,
            end: block.end,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            from: self.from.min(other.from),
            to: self.to.max(other.to),
            payload_bytes: self.payload_bytes + other.payload_bytes,
            rows: self.rows + other.rows,
            begin: self.begin.min(other.begin),
            end: self.end.max(other.end),
        }
    }

    fn is_worthwhile(&self, options: &Options) -> bool {
        self.payload_bytes >= options.payload_bytes_min
            || i128::from(self.end) - i128::from(self.begin) >= options.duration_min.as_nanos().cast_signed()
    }

    fn fits(&self, options: &Options) -> bool {
        self.rows <= options.partition_rows_max && self.payload_bytes <= options.partition_payload_bytes_max
    }

    fn range(&self, incarnation: Incarnation, topic_partition: TopicPartition) -> PositionRange {
        PositionRange { incarnation, topic_partition, from: Offset(self.from), to: Offset(self.to) }
    }
}

/// The ranges among the blocks to be decoded that are worth writing through.
#[must_use]
pub fn worthwhile(view: &'static str, rule: ScopeRule, decode: &[BlockEntry], options: &Options) -> Vec<Offer> {
    let mut extents: HashMap<_, Extent> = HashMap::new();
    for block in decode {
        let key = (scope_of(rule, block), block.position.incarnation, block.position.topic_partition);
        let extent = Extent::of(block);
        extents.entry(key).and_modify(|sum| *sum = sum.and(extent)).or_insert(extent);
    }
    let mut offers: Vec<_> = extents
        .into_iter()
        .filter(|(_, extent)| extent.is_worthwhile(options))
        .map(|((scope, incarnation, topic_partition), extent)| Offer {
            view,
            scope,
            range: extent.range(incarnation, topic_partition),
        })
        .collect();
    offers.sort_by_key(|offer| (offer.scope, offer.range.topic_partition, offer.range.from));
    offers
}

/// Cuts the uncovered blocks of one scope and one partition of the log into runs, each for one object.
///
/// `blocks` are **all** visible blocks of the scope in the range, by offset, each with whether a partition covers it. `apart` are ranges of which a run may
/// have no part: those that partitions cover, which may outlive the blocks in them, and those whose blocks expired. A run holds no covered block between
/// its first and its last, and at most [`Options::partition_rows_max`] rows and [`Options::partition_payload_bytes_max`] (unless one block has more). It is
/// worthwhile, or it is full: what is left
/// over waits for more.
pub(crate) fn runs(blocks: Vec<(BlockEntry, bool)>, apart: &[Range<i64>], options: &Options) -> Vec<Vec<BlockEntry>> {
    let mut runs = Vec::new();
    let mut open: Option<Run> = None;
    for (block, covered) in blocks {
        let extent = Extent::of(&block);
        let parts = |run: &mut Run| {
            let between = run.extent.to..extent.from;
            covered || apart.iter().any(|range| range.start < between.end && range.end > between.start)
        };
        runs.extend(open.take_if(parts).filter(|run| run.extent.is_worthwhile(options)));
        if covered {
            continue;
        }
        match &mut open {
            Some(run) if run.extent.and(extent).fits(options) => {
                run.extent = run.extent.and(extent);
                run.blocks.push(block);
            }
            full => runs.extend(full.replace(Run { extent, blocks: vec![block] })),
        }
    }
    runs.extend(open.filter(|run| run.extent.is_worthwhile(options)));
    runs.into_iter().map(|run| run.blocks).collect()
}

/// Blocks for one object.
struct Run {
    extent: Extent,
    blocks: Vec<BlockEntry>,
}

#[cfg(test)]
mod tests;
