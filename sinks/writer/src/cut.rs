//! When a batch is due.

use std::time::{Duration, Instant};

/// When to cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes_max: usize,
    pub(crate) records_max: usize,
    pub(crate) age_max: Duration,
    pub(crate) linger: Duration,
}

/// What is known of the batch that is being filled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filling {
    pub(crate) bytes: usize,
    pub(crate) records: usize,
    /// When its first record (or gap) was polled; `None` while it is empty.
    pub(crate) oldest: Option<Instant>,
    /// When the batch before it was cut.
    pub(crate) last_cut: Option<Instant>,
}

/// What to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Cut it.
    Now,
    /// Wait for more, this long at most.
    In(Duration),
    /// It is empty.
    Never,
}

/// Whether nothing more belongs in it.
pub(crate) fn full(filling: Filling, limits: Limits) -> bool {
    filling.bytes >= limits.bytes_max || filling.records >= limits.records_max
}

/// A batch is due when it is full, or when its oldest record is `age_max` old, or, where the last cut is `age_max` ago already, after `linger`:
/// so a lone record is visible at once, and a busy topic still makes at most one segment per `age_max`.
pub(crate) fn due(filling: Filling, limits: Limits, now: Instant) -> Due {
    let Some(oldest) = filling.oldest else { return Due::Never };
    if full(filling, limits) {
        return Due::Now;
    }
    let quiet = filling.last_cut.map_or(oldest, |cut| cut + limits.age_max);
    let at = (oldest + limits.age_max).min(quiet.max(oldest + limits.linger));
    match at.checked_duration_since(now) {
        Some(wait) if !wait.is_zero() => Due::In(wait),
        _ => Due::Now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds: the oldest record's age, time since the last cut, bytes, records.
    fn check(age: Option<u64>, since_cut: Option<u64>, bytes: usize, records: usize, expected: Due) {
        let limits = Limits {
            bytes_max: 1000,
            records_max: 10,
            age_max: Duration::from_millis(250),
            linger: Duration::from_millis(20),
        };
        let now = Instant::now() + Duration::from_secs(3600);
        let before = |ms: u64| now - Duration::from_millis(ms);
        let filling = Filling { bytes, records, oldest: age.map(before), last_cut: since_cut.map(before) };
        assert_eq!(
            due(filling, limits, now),
            expected,
            "age {age:?}, cut {since_cut:?} ago, {bytes} B, {records} records"
        );
    }

    #[test]
    fn a_batch_is_due_by_size_by_age_or_soon_when_the_topic_is_quiet() {
        let wait = |ms| Due::In(Duration::from_millis(ms));
        check(None, Some(9999), 0, 0, Due::Never);
        // Nothing was cut before: only the linger.
        check(Some(0), None, 1, 1, wait(20));
        check(Some(20), None, 1, 1, Due::Now);
        // The last cut is long ago: the same.
        check(Some(0), Some(9999), 1, 1, wait(20));
        // It was just now: the next segment comes age_max after it, not sooner.
        check(Some(0), Some(100), 1, 1, wait(150));
        check(Some(90), Some(100), 1, 1, wait(150));
        check(Some(0), Some(240), 1, 1, wait(20));
        // Never later than age_max after the oldest record, whatever the last cut.
        check(Some(250), Some(0), 1, 1, Due::Now);
        // Full is full.
        check(Some(0), Some(0), 1000, 1, Due::Now);
        check(Some(0), Some(0), 1, 10, Due::Now);
        check(Some(0), Some(0), 999, 9, wait(250));
    }
}
