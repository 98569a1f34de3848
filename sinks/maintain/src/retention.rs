//! What leaves the lake to keep within the cap: segments, and the views' rows of the same age. Rules by age, and by a predicate that keeps what matters for good, belong here too.

use crate::{Options, Result, Stats};
use framelake_lake::{Lake, SegmentEntry, ViewPartition};
use framelake_log::EventLog;
use framelake_wire::Topic;

/// Which raw data goes first. Processes stay: they are few bytes, and everything else is named by them.
pub const EXPIRED_FIRST: [Topic; 3] = [Topic::Spans, Topic::Metrics, Topic::Logs];

/// Segments, and partitions of views, looked at in one round.
const OBJECTS_MAX: u64 = 1_000;

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

/// What goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Keys of segments.
    pub segments: Vec<String>,
    /// Keys of partitions of views.
    pub partitions: Vec<String>,
    /// Bytes of both.
    pub bytes: u64,
}

/// The oldest of what a topic has, raw or as rows, until at least `bytes` are freed or nothing is left. Both lists have the oldest first.
///
/// Rows go when they are the oldest, not when their blocks do: so they outlive blocks for as long as there is room, and however many rows queries ask for,
/// what came a moment ago is never what makes room for them.
#[must_use]
pub fn plan(segments: &[SegmentEntry], partitions: &[ViewPartition], bytes: u64) -> Expired {
    let mut expired = Expired::default();
    let (mut segments, mut partitions) = (segments.iter().peekable(), partitions.iter().peekable());
    while expired.bytes < bytes {
        let rows_are_older = match (segments.peek(), partitions.peek()) {
            (None, None) => break,
            (None, Some(_)) => true,
            // A segment of which nothing is visible has no time, and goes first.
            (Some(segment), Some(rows)) => segment.max_time.is_some_and(|time| rows.max_time < time),
            (Some(_), None) => false,
        };
        if rows_are_older && let Some(rows) = partitions.next() {
            expired.partitions.push(rows.object.clone());
            expired.bytes += rows.bytes;
        } else if let Some(segment) = segments.next() {
            expired.segments.push(segment.key.clone());
            expired.bytes += segment.bytes;
        }
    }
    expired
}

/// Measures log and lake, and expires the oldest data while they take more than the cap.
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
        let segments = lake.catalog().segments(Some(topic), OBJECTS_MAX).await?;
        let rows = lake.catalog().partitions(topic, OBJECTS_MAX).await?;
        let Expired { segments, partitions, bytes } = plan(&segments, &rows, over);
        if !segments.is_empty() {
            lake.catalog().expire_segments(&segments).await?;
        }
        if !partitions.is_empty() {
            lake.catalog().retire_partitions(&partitions).await?;
        }
        if bytes == 0 {
            continue;
        }
        let (segments, partitions) = (segments.len(), partitions.len());
        tracing::info!(%topic, segments, partitions, bytes, "the oldest data is expired: the cap is reached");
        stats.count(|counters| {
            counters.expired_segments += segments as u64;
            counters.expired_partitions += partitions as u64;
            counters.expired_bytes += bytes;
        });
        over = over.saturating_sub(bytes);
    }
    if over > 0 {
        tracing::warn!(over, cap = options.data_bytes_max, "more than the cap, and little is left to expire; raise it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use framelake_lake::{Incarnation, PositionRange};
    use framelake_log::{Offset, TopicPartition};

    /// Segments and partitions by time (the segments' may be none) and bytes, the bytes to free, and which of each go.
    fn check(segments: &[(Option<i64>, u64)], partitions: &[(i64, u64)], bytes: u64, expected: (usize, usize)) {
        let topic = Topic::Spans;
        let segments: Vec<_> = segments
            .iter()
            .map(|&(max_time, bytes)| SegmentEntry {
                key: format!("segments/{max_time:?}"),
                topic,
                bytes,
                max_time,
                committed: 0,
            })
            .collect();
        let range = PositionRange {
            incarnation: Incarnation(1),
            topic_partition: TopicPartition { topic, partition: 0 },
            from: Offset(0),
            to: Offset(1),
        };
        let partitions: Vec<_> = partitions
            .iter()
            .map(|&(max_time, bytes)| ViewPartition {
                object: format!("views/{max_time}"),
                range,
                rows: 1,
                bytes,
                min_time: 0,
                max_time,
            })
            .collect();
        let expired = plan(&segments, &partitions, bytes);
        assert_eq!(
            (expired.segments.len(), expired.partitions.len()),
            expected,
            "{bytes} of {segments:?}, {partitions:?}"
        );
        assert!(segments.iter().map(|segment| &segment.key).take(expected.0).eq(&expired.segments));
        assert!(partitions.iter().map(|partition| &partition.object).take(expected.1).eq(&expired.partitions));
    }

    #[test]
    fn the_oldest_goes_first_raw_or_as_rows_until_enough_is_free() {
        let raw = [(Some(1), 10), (Some(2), 10), (Some(3), 10)];
        check(&[], &[], 5, (0, 0));
        check(&raw, &[], 0, (0, 0));
        check(&raw, &[], 1, (1, 0));
        check(&raw, &[], 10, (1, 0));
        check(&raw, &[], 11, (2, 0));
        check(&raw, &[], 99, (3, 0));
        // Rows of a time go after its blocks, and before newer blocks, however many there are.
        check(&raw, &[(1, 40), (2, 40)], 10, (1, 0));
        check(&raw, &[(1, 40), (2, 40)], 11, (1, 1));
        check(&raw, &[(1, 40), (2, 40)], 100, (2, 2));
        check(&raw, &[(9, 40)], 31, (3, 1));
        check(&[], &[(1, 40), (2, 40)], 41, (0, 2));
        // Nothing of it is visible.
        check(&[(None, 10)], &[(1, 40)], 1, (1, 0));
    }

    #[test]
    fn usage_is_everything_together() {
        let usage = Usage { log: 1, segments: 2, views: 3 };
        assert_eq!((usage.over(4), usage.over(6), usage.over(7)), (2, 0, 0));
    }
}
