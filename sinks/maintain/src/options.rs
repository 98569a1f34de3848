//! What `maintain` can be told.

use std::time::Duration;

/// Bounds and periods. The default is what a single machine with everything in it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Names this process among those that may do the chores.
    pub owner: String,
    /// The embedded log keeps this much beyond what is not yet in the lake.
    pub log_keep_bytes: u64,
    /// The embedded log keeps records this long after they were appended, even when they are in the lake.
    pub log_keep_age: Duration,
    /// Dead letters and gaps of the log are kept this long, in the catalog and, where the log is embedded, in their topic.
    pub dead_letters_keep: Duration,
    /// Log, segments and views together may take this much; the oldest spans go first, raw and as rows.
    pub data_bytes_max: u64,
    /// An object that no commit names is an orphan when it is this old: far longer than a writer takes from PUT to commit.
    pub orphan_grace: Duration,
    /// A doomed object is deleted when no query can still be reading it: the longest query timeout and 10 minutes.
    pub doomed_grace: Duration,
    /// The key of a deleted object stays doomed this long: longer than a writer sleeps between PUT and commit, a suspended machine over a weekend
    /// included.
    pub tombstone_keep: Duration,
    /// Keys of deleted objects kept at most, the newest.
    pub tombstones_max: u64,
    /// How often log and lake are measured and doomed objects deleted.
    pub period: Duration,
    /// How often all objects are listed in search of orphans.
    pub orphan_period: Duration,
}

impl Options {
    /// The defaults, for a process of this name.
    #[must_use]
    pub fn new(owner: impl Into<String>) -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        const GIB: u64 = 1024 * 1024 * 1024;
        Self {
            owner: owner.into(),
            log_keep_bytes: GIB,
            log_keep_age: 60 * MINUTE,
            // As their topic in Kafka.
            dead_letters_keep: 30 * DAY,
            data_bytes_max: 20 * GIB,
            orphan_grace: 60 * MINUTE,
            doomed_grace: 15 * MINUTE,
            tombstone_keep: 4 * DAY,
            // Some 350 bytes each in the catalog: 88 MB at most, three days of a writer that makes a segment a second.
            tombstones_max: 250_000,
            period: MINUTE / 2,
            orphan_period: 10 * MINUTE,
        }
    }
}
