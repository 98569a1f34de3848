//! What a writer did, for `status` and tests.

use framelake_lake::{CommitOutcome, Incarnation};
use framelake_log::{Offset, TopicPartition};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// A handle on the counters of one writer; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Stats(Arc<Mutex<Snapshot>>);

/// The counters at one moment, since the worker was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Records read from the log, those read again included.
    pub records_read: u64,
    /// Records in committed segments.
    pub records: u64,
    /// Bytes of committed segments.
    pub bytes: u64,
    /// Committed segments.
    pub segments: u64,
    /// Blocks made visible.
    pub blocks: u64,
    /// Blocks that were there already.
    pub duplicate_blocks: u64,
    /// Blocks refused because others have their identity.
    pub conflicting_blocks: u64,
    /// Records set aside as dead letters because they could not be opened.
    pub poison: u64,
    /// Gaps reported.
    pub gaps: u64,
    /// Batches dropped because another worker was first.
    pub superseded: u64,
    /// Tries that failed and were repeated.
    pub retries: u64,
    /// When the last segment was committed, in nanoseconds since 1970 by this machine's clock; 0 before the first.
    pub last_commit_ns: i64,
    /// Where the partitions of this worker are committed to.
    pub committed: BTreeMap<TopicPartition, (Incarnation, Offset)>,
}

/// What a segment holds, for counting it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) poison: u64,
    pub(crate) gaps: u64,
    pub(crate) ends: Vec<(TopicPartition, Incarnation, Offset)>,
}

impl Stats {
    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    pub(crate) fn read(&self, records: usize) {
        self.lock().records_read += records as u64;
    }

    pub(crate) fn retried(&self) {
        self.lock().retries += 1;
    }

    pub(crate) fn committed(&self, content: Content, outcome: CommitOutcome) {
        let mut counters = self.lock();
        if outcome == CommitOutcome::Superseded {
            counters.superseded += 1;
            return;
        }
        if let CommitOutcome::Committed { visible, duplicates, conflicts } = outcome {
            counters.blocks += visible;
            counters.duplicate_blocks += duplicates;
            counters.conflicting_blocks += conflicts;
        }
        counters.segments += 1;
        counters.records += content.records;
        counters.bytes += content.bytes;
        counters.poison += content.poison;
        counters.gaps += content.gaps;
        counters.last_commit_ns = now_ns();
        counters.committed.extend(content.ends.into_iter().map(|(at, incarnation, next)| (at, (incarnation, next))));
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        // Counters only: whatever panicked while it held them left nothing that others depend on.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now_ns() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
}
