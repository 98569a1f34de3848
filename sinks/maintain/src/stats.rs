//! What `maintain` did, for `status` and tests.

use std::sync::{Arc, Mutex, PoisonError};

/// A handle on the counters; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Stats(Arc<Mutex<Snapshot>>);

/// The counters at one moment, since the process was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Rounds finished.
    pub rounds: u64,
    /// Rounds that failed; the next one tries again.
    pub failed_rounds: u64,
    /// Offsets that the embedded log was told to forget.
    pub trimmed_offsets: u64,
    /// Dead letters and gaps forgotten because of their age.
    pub forgotten_letters: u64,
    /// Orphans found.
    pub orphans: u64,
    /// Objects deleted.
    pub deleted_objects: u64,
    /// Segments expired because of the cap.
    pub expired_segments: u64,
    /// Partitions of views expired because of the cap.
    pub expired_partitions: u64,
    /// The bytes of both.
    pub expired_bytes: u64,
}

impl Stats {
    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Snapshot)) {
        // Counters only: whatever panicked while it held them left nothing that others depend on.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
