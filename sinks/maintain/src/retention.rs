//! What leaves the lake to keep within the cap. Rules by age, and by a predicate that keeps what matters for good, belong here too.

use crate::{Options, Result, Stats};
use framelake_lake::{Lake, SegmentEntry};
use framelake_log::EventLog;
use framelake_wire::Topic;

/// Which raw data goes first. Processes stay: they are few bytes, and everything else is named by them.
pub const EXPIRED_FIRST: [Topic; 3] = [Topic::Spans, Topic::Metrics, Topic::Logs];

/// Segments looked at in one round.
const SEGMENTS_MAX: u64 = 1_000;

/// What everything takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The embedded log.
    pub log: u64,
    /// Segments of the lake.
    pub segments: u64,
    /// Partitions of views.
    pub views: u64,
}

impl Usage {
    /// How much is over the cap.
    #[must_use]
    pub fn over(self, cap: u64) -> u64 {
        self.log.saturating_add(self.segments).saturating_add(self.views).saturating_sub(cap)
    }
}

/// The first of `segments`, the oldest of a topic, that together free at least `bytes`, or all of them.
#[must_use]
pub fn plan(segments: &[SegmentEntry], bytes: u64) -> &[SegmentEntry] {
    let mut freed = 0;
    let count = segments.iter().take_while(|segment| {
        let more = freed < bytes;
        freed += segment.bytes;
        more
    });
    &segments[..count.count()]
}

/// Measures log and lake, and expires the oldest raw data while they take more than the cap.
///
/// # Errors
/// Log or catalog cannot be asked.
pub async fn run(log: &dyn EventLog, lake: &Lake, options: &Options, stats: &Stats) -> Result<()> {
    let status = lake.catalog().status().await?;
    let log_bytes = log.disk_bytes().await?.unwrap_or(0);
    let usage = Usage { log: log_bytes, segments: status.segment_bytes, views: status.view_bytes };
    let mut over = usage.over(options.data_bytes_max);
    for topic in EXPIRED_FIRST {
        if over == 0 {
            break;
        }
        let segments = lake.catalog().segments(Some(topic), SEGMENTS_MAX).await?;
        let expired = plan(&segments, over);
        let bytes: u64 = expired.iter().map(|segment| segment.bytes).sum();
        if expired.is_empty() {
            continue;
        }
        let keys: Vec<String> = expired.iter().map(|segment| segment.key.clone()).collect();
        lake.catalog().expire_segments(&keys).await?;
        tracing::info!(%topic, segments = keys.len(), bytes, "the oldest segments are expired: the cap is reached");
        stats.count(|counters| {
            counters.expired_segments += keys.len() as u64;
            counters.expired_bytes += bytes;
        });
        over = over.saturating_sub(bytes);
    }
    if over > 0 {
        tracing::warn!(
            over,
            cap = options.data_bytes_max,
            "more than the cap, and little raw data is left to expire; raise it"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sizes: &[u64], bytes: u64, count: usize) {
        let segment = |&bytes: &u64| SegmentEntry {
            key: format!("segments/{bytes}"),
            topic: Topic::Spans,
            bytes,
            max_time: None,
            committed: 0,
        };
        let segments: Vec<_> = sizes.iter().map(segment).collect();
        assert_eq!(plan(&segments, bytes).len(), count, "{bytes} of {sizes:?}");
    }

    #[test]
    fn the_oldest_segments_go_until_enough_is_free() {
        check(&[], 5, 0);
        check(&[10, 10, 10], 0, 0);
        check(&[10, 10, 10], 1, 1);
        check(&[10, 10, 10], 10, 1);
        check(&[10, 10, 10], 11, 2);
        check(&[10, 10, 10], 99, 3);
    }

    #[test]
    fn usage_is_everything_together() {
        let usage = Usage { log: 1, segments: 2, views: 3 };
        assert_eq!((usage.over(4), usage.over(6), usage.over(7)), (2, 0, 0));
    }
}
