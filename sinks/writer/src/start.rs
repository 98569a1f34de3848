//! Where to read on, and what was missed.

use framelake_lake::{Gap, Incarnation, Position, Progress, RecordMark};
use framelake_log::{Bounds, Offset, TopicPartition};

/// How to begin with a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The offset to read first.
    pub(crate) seek: Offset,
    /// Where progress stands now.
    pub(crate) expected: Option<Offset>,
    /// What can no longer be read; reported with the first segment.
    pub(crate) gaps: Vec<Gap>,
}

/// Whether the log ends before what the lake has of it. A new leader may say so for a moment, so the caller asks again before believing it.
pub(crate) fn log_ends_before_progress(own: Option<Offset>, bounds: Bounds) -> bool {
    own.is_some_and(|next| next > bounds.next)
}

/// The progress of this very partition.
pub(crate) fn own_progress(
    topic_partition: TopicPartition,
    incarnation: Incarnation,
    all: &[Progress],
) -> Option<&Progress> {
    all.iter().find(|progress| progress.topic_partition == topic_partition && progress.incarnation == incarnation)
}

/// Where the last record that was read can be read once more, to see whether it is the same; `None` where it is not there or nothing is known of it.
pub(crate) fn witness(own: &Progress, bounds: Bounds) -> Option<Offset> {
    let last = Offset(own.next.0 - 1);
    own.last_record.is_some().then_some(last).filter(|&last| bounds.earliest <= last && last < bounds.next)
}

/// Why the log cannot be the one that was read up to `own`; `None` while nothing says so. `found` is the record at [`witness`], where it was there.
///
/// | the log | then |
/// |---|---|
/// | ends before progress | it was rolled back |
/// | has another record right before progress | it was rolled back, and grew beyond where it had been |
/// | has the same record there | it is the same |
/// | has none there (retention, compaction), or it was not remembered | nothing says that it is not |
pub(crate) fn rolled_back(own: &Progress, bounds: Bounds, found: Option<RecordMark>) -> Option<String> {
    if log_ends_before_progress(Some(own.next), bounds) {
        return Some(format!("it ends at offset {}, and was read up to {}", bounds.next, own.next));
    }
    let (read, found) = (own.last_record?, found?);
    (read != found).then(|| format!("offset {} has another record than was read there", own.next.0 - 1))
}

/// Decides where reading begins; the log is the one that `incarnation` names, see [`rolled_back`].
///
/// | progress of this log | read from | gaps |
/// |---|---|---|
/// | within its bounds | progress | – |
/// | below its earliest | earliest | progress … earliest: retention passed it |
/// | none, and none of an earlier topic | earliest | 0 … earliest where that is not 0 |
/// | none, but an earlier log of that name was read | earliest (blocks that are there already are known by identity) | the same, and one that names where the earlier log was left |
pub(crate) fn start(
    topic_partition: TopicPartition,
    incarnation: Incarnation,
    all: &[Progress],
    bounds: Bounds,
) -> Start {
    let gap = |incarnation, from: Offset, to: Offset, reason: String| Gap {
        from: Position { incarnation, topic_partition, offset: from },
        to,
        reason,
        time: 0,
    };
    let earliest = bounds.earliest;
    let own = own_progress(topic_partition, incarnation, all).map(|own| own.next);
    let Some(progress) = own else {
        let mut gaps = Vec::new();
        let earlier = all
            .iter()
            .filter(|progress| progress.topic_partition == topic_partition && progress.incarnation < incarnation)
            .max_by_key(|progress| progress.incarnation);
        if let Some(left) = earlier {
            let reason = "the topic was made anew or rolled back; what the log held from here on before that never reached the lake";
            gaps.push(gap(left.incarnation, left.next, left.next, reason.into()));
        }
        if earliest > Offset(0) {
            gaps.push(gap(incarnation, Offset(0), earliest, "retention passed it before it was ever read".into()));
        }
        return Start { seek: earliest, expected: None, gaps };
    };
    if progress < earliest {
        let gaps = vec![gap(incarnation, progress, earliest, "retention passed it before it was read".into())];
        return Start { seek: earliest, expected: own, gaps };
    }
    Start { seek: progress, expected: own, gaps: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use framelake_wire::Topic;

    const PARTITION: TopicPartition = TopicPartition { topic: Topic::Logs, partition: 1 };
    const ELSEWHERE: TopicPartition = TopicPartition { topic: Topic::Spans, partition: 1 };

    /// `progress`: (incarnation, next); the log is incarnation 2. Gaps as (incarnation, from, to).
    fn check(progress: &[(i32, i64)], bounds: (i64, i64), seek: i64, expected: Option<i64>, gaps: &[(i32, i64, i64)]) {
        let mut all: Vec<Progress> =
            progress.iter().map(|&(incarnation, next)| of(PARTITION, incarnation, next)).collect();
        all.push(of(ELSEWHERE, 2, 77));
        let bounds = Bounds { earliest: Offset(bounds.0), next: Offset(bounds.1) };
        let start = start(PARTITION, Incarnation(2), &all, bounds);
        let found: Vec<_> =
            start.gaps.iter().map(|gap| (gap.from.incarnation.0, gap.from.offset.0, gap.to.0)).collect();
        assert_eq!((start.seek.0, start.expected.map(|at| at.0)), (seek, expected), "{progress:?} in {bounds:?}");
        assert_eq!(found, gaps, "{progress:?} in {bounds:?}");
    }

    fn of(topic_partition: TopicPartition, incarnation: i32, next: i64) -> Progress {
        let (incarnation, next) = (Incarnation(incarnation), Offset(next));
        Progress { incarnation, topic_partition, next, last_segment: "segments/x".into(), last_record: None }
    }

    #[test]
    fn a_log_is_another_one_when_it_ends_early_or_has_another_record() {
        let mark = |text: &str| RecordMark::of(b"key", text.as_bytes());
        // Progress is 7. The mark it has, the log's bounds, the record found at 6; where it is looked for, and what is said.
        let check =
            |read: Option<&str>, bounds: (i64, i64), found: Option<&str>, at: Option<i64>, says: Option<&str>| {
                let own = Progress { last_record: read.map(mark), ..of(PARTITION, 2, 7) };
                let bounds = Bounds { earliest: Offset(bounds.0), next: Offset(bounds.1) };
                assert_eq!(witness(&own, bounds).map(|at| at.0), at, "{own:?} in {bounds:?}");
                let reason = rolled_back(&own, bounds, found.map(mark));
                let says_so = says.is_none_or(|says| reason.as_ref().is_some_and(|reason| reason.contains(says)));
                assert!(says_so && reason.is_some() == says.is_some(), "{own:?} in {bounds:?}: {reason:?}");
            };
        check(Some("a"), (0, 7), Some("a"), Some(6), None);
        check(Some("a"), (0, 9), Some("b"), Some(6), Some("offset 6"));
        check(Some("a"), (0, 6), None, None, Some("ends at offset 6"));
        check(None, (0, 6), None, None, Some("ends at offset 6"));
        // Nothing to compare with: retention, compaction, a gap, a catalog from before marks were kept.
        check(Some("a"), (7, 9), None, None, None);
        check(Some("a"), (0, 9), None, Some(6), None);
        check(None, (0, 9), Some("b"), None, None);
    }

    #[test]
    fn reading_begins_at_progress_and_whatever_is_missing_is_a_gap() {
        check(&[], (0, 0), 0, None, &[]);
        check(&[], (0, 9), 0, None, &[]);
        check(&[(2, 5)], (0, 9), 5, Some(5), &[]);
        check(&[(2, 9)], (9, 9), 9, Some(9), &[]);
        // Retention was faster than the worker.
        check(&[(2, 5)], (7, 9), 7, Some(5), &[(2, 5, 7)]);
        check(&[], (7, 9), 7, None, &[(2, 0, 7)]);
        // Another topic of the same name.
        check(&[(0, 3), (1, 40)], (0, 9), 0, None, &[(1, 40, 40)]);
        check(&[(1, 40)], (4, 9), 4, None, &[(1, 40, 40), (2, 0, 4)]);
        check(&[(1, 40), (2, 5)], (0, 9), 5, Some(5), &[]);
    }
}
