//! What went through and what did not.

use crate::Refusal;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Counters of a gateway; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    batches: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    rejected: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
}

/// What the counters stood at. All count from the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// Batches that the log has.
    pub batches: u64,
    /// Records of these that were taken.
    pub records: u64,
    /// Bytes of the records that were taken.
    pub bytes: u64,
    /// Records that were set aside as dead letters.
    pub rejected: u64,
    /// Requests that were refused whole, by reason; reasons that never came up are left out.
    pub refused: BTreeMap<&'static str, u64>,
}

impl Stats {
    /// What the counters stand at.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let counters = &self.counters;
        let refused =
            Refusal::ALL.into_iter().map(|refusal| (refusal.name(), counters.refused[refusal as usize].load(Relaxed)));
        Snapshot {
            batches: counters.batches.load(Relaxed),
            records: counters.records.load(Relaxed),
            bytes: counters.bytes.load(Relaxed),
            rejected: counters.rejected.load(Relaxed),
            refused: refused.filter(|(_, count)| *count > 0).collect(),
        }
    }

    pub(crate) fn taken(&self, records: u64, bytes: u64, rejected: u64) {
        self.counters.batches.fetch_add(1, Relaxed);
        self.counters.records.fetch_add(records, Relaxed);
        self.counters.bytes.fetch_add(bytes, Relaxed);
        self.counters.rejected.fetch_add(rejected, Relaxed);
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        self.counters.refused[refusal as usize].fetch_add(1, Relaxed);
    }
}
