//! What a writer can be told.

use crate::Failpoints;
use framelake_wire::{Topic, limits};
use std::time::Duration;

/// How a writer works. [`Options::embedded`] and [`Options::distributed`] have the defaults.
#[derive(Clone, Debug)]
pub struct Options {
    /// The consumer group. Each topic gets a group of its own, named after this one, so that a rebalance of one leaves the others alone.
    pub group: String,
    /// This worker; the same after a restart, different between workers.
    pub member: String,
    /// The topics to drain.
    pub topics: Vec<Topic>,
    /// Most bytes of records in a segment.
    pub segment_bytes_max: usize,
    /// Most records in a segment; bounds what the catalog takes in one transaction.
    pub segment_records_max: usize,
    /// How long a record may wait for others to share its segment. Also the least time between two segments of a topic that is not busy.
    pub segment_age_max: Duration,
    /// How long a record waits for others when no segment was made lately: long enough for the rest of a request, short enough not to be felt.
    pub segment_linger: Duration,
    /// Cut batches that may wait for the one being committed; more memory, fewer stalls.
    pub batches_waiting_max: usize,
    /// Most bytes that one poll of the log brings.
    pub poll_bytes_max: usize,
    /// The first wait after a failure; it doubles from there.
    pub backoff_min: Duration,
    /// The longest wait between two tries.
    pub backoff_max: Duration,
    /// How long a shutdown may take to commit what the worker holds. What is left then is read from the log again by the next one.
    pub shutdown_max: Duration,
    /// For tests.
    pub failpoints: Failpoints,
}

impl Options {
    /// For one process with everything in it.
    #[must_use]
    pub fn embedded(member: impl Into<String>) -> Self {
        Self {
            group: "framelake-writer".into(),
            member: member.into(),
            topics: Topic::INGESTED.to_vec(),
            // Held at once, per topic: the batch being filled, one waiting, one being committed and its copy in the segment: 4 × 16 MiB.
            segment_bytes_max: 16 * 1024 * 1024,
            segment_records_max: 16 * 1024,
            segment_age_max: Duration::from_millis(250),
            segment_linger: Duration::from_millis(20),
            batches_waiting_max: 1,
            poll_bytes_max: 4 * 1024 * 1024,
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            shutdown_max: Duration::from_secs(10),
            failpoints: Failpoints::default(),
        }
    }

    /// For workers beside an object store that charges by request: one segment a second and topic.
    #[must_use]
    pub fn distributed(member: impl Into<String>) -> Self {
        Self { segment_age_max: Duration::from_secs(1), ..Self::embedded(member) }
    }

    /// The consumer group of a topic.
    pub(crate) fn group_of(&self, topic: Topic) -> String {
        let kind = topic.name().rsplit('.').next().unwrap_or(topic.name());
        format!("{}-{kind}", self.group)
    }
}

const _: () = assert!(limits::RECORD_BYTES_MAX < 4 * 1024 * 1024, "a poll must be able to bring any record");
