//! Where to read on, and what was missed.

use framelake_lake::{Gap, Incarnation, Position, Progress};
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
) -> Option<Offset> {
    all.iter()
        .find(|progress| progress.topic_partition == topic_partition && progress.incarnation == incarnation)
        .map(|progress| progress.next)
}

/// Decides where reading begins.
///
/// | progress of this log | read from | gaps |
/// |---|---|---|
/// | within its bounds | progress | – |
/// | below its earliest | earliest | progress … earliest: retention passed it |
/// | beyond its end | earliest, since offsets were given anew (blocks that are there already are known by identity) | end … progress |
/// | none, and none of an earlier topic | earliest | 0 … earliest where that is not 0 |
/// | none, but an earlier topic of that name was read | earliest | the same, and one that names where the earlier topic was left |
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
    let Bounds { earliest, next } = bounds;
    let own = own_progress(topic_partition, incarnation, all);
    let Some(progress) = own else {
        let mut gaps = Vec::new();
        let earlier = all
            .iter()
            .filter(|progress| progress.topic_partition == topic_partition && progress.incarnation < incarnation)
            .max_by_key(|progress| progress.incarnation);
        if let Some(left) = earlier {
            let reason = "the topic was made anew; what the earlier one held from here on never reached the lake";
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
    if progress > next {
        let reason = "the log ends before what the lake has of it: it lost records, or was restored from a copy";
        return Start { seek: earliest, expected: own, gaps: vec![gap(incarnation, next, progress, reason.into())] };
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
        Progress { incarnation, topic_partition, next, last_segment: "segments/x".into() }
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
        // The log lost its end.
        check(&[(2, 12)], (3, 9), 3, Some(12), &[(2, 9, 12)]);
        // Another topic of the same name.
        check(&[(0, 3), (1, 40)], (0, 9), 0, None, &[(1, 40, 40)]);
        check(&[(1, 40)], (4, 9), 4, None, &[(1, 40, 40), (2, 0, 4)]);
        check(&[(1, 40), (2, 5)], (0, 9), 5, Some(5), &[]);
    }
}
