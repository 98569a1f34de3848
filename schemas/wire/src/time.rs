//! Ticks of a processor's clock, and how they become UTC nanoseconds.

/// Nanoseconds since 1970-01-01T00:00:00Z (fits until 2262).
pub type UnixNanos = i64;

/// One reading of all clocks at (as nearly as possible) one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeSample {
    /// The clock that events are stamped with, in its own unit.
    pub ticks: u64,
    /// The operating system's monotonic clock, in nanoseconds.
    pub monotonic_ns: i64,
    /// The operating system's wall clock as it read then, in nanoseconds since 1970. It may step; no
    /// event time follows it (see [`TimeMap`]).
    pub wall_ns: UnixNanos,
}

/// Turns ticks into UTC nanoseconds: linear between the two samples of a block and beyond them at the same rate.
///
/// Time is `anchor_ns + monotonic`, so a step of the wall clock bends nothing. Integer arithmetic only,
/// so every machine gives the same answer.
#[derive(Clone, Copy, Debug)]
pub struct TimeMap {
    origin_ticks: u64,
    origin_ns: i64,
    /// Nanoseconds per tick, 2^-40 fixed point.
    rate: u64,
}

impl TimeMap {
    /// A map through the samples `begin` and `end`; `anchor_ns` is wall − monotonic where the process's anchor was set.
    ///
    /// Where the samples have the same ticks, or the rate would not be a number between 0 and 2^20 ns per tick
    /// (nothing in hardware), every tick maps to the begin sample.
    #[must_use]
    pub fn new(begin: TimeSample, end: TimeSample, anchor_ns: i64) -> Self {
        let ticks = end.ticks.saturating_sub(begin.ticks);
        let elapsed = end.monotonic_ns.saturating_sub(begin.monotonic_ns).max(0).unsigned_abs();
        let rate = if ticks == 0 { 0 } else { ((u128::from(elapsed)) << 40) / u128::from(ticks) };
        Self {
            origin_ticks: begin.ticks,
            origin_ns: anchor_ns.saturating_add(begin.monotonic_ns),
            rate: if rate < (1 << 60) { rate as u64 } else { 0 },
        }
    }

    /// The UTC nanoseconds of `ticks`.
    #[inline]
    #[must_use]
    pub fn unix_ns(&self, ticks: u64) -> UnixNanos {
        let ns = self.elapsed(self.delta(ticks));
        self.origin_ns.saturating_add(i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX }))
    }

    /// As [`TimeMap::unix_ns`], of each of `ticks`; and the least and greatest time, [`UnixNanos::MAX`] and [`UnixNanos::MIN`] where there are none.
    #[must_use]
    pub(crate) fn unix_ns_of(&self, ticks: Vec<u64>) -> (Vec<UnixNanos>, UnixNanos, UnixNanos) {
        let deltas = ticks.iter().map(|&ticks| self.delta(ticks));
        let (min, max) = deltas.fold((i64::MAX, i64::MIN), |(min, max), delta| (min.min(delta), max.max(delta)));
        if ticks.is_empty() {
            return (Vec::new(), UnixNanos::MAX, UnixNanos::MIN);
        }
        let of = |delta: i64| self.unix_ns(self.origin_ticks.wrapping_add_signed(delta));
        // Time grows with the ticks: where both ends are exact, so is all between them, and need not be looked at one by one.
        let is_exact = |delta| i128::from(self.origin_ns) + self.elapsed(delta) == i128::from(of(delta));
        let times = if is_exact(min) && is_exact(max) {
            ticks.into_iter().map(|ticks| self.origin_ns + self.elapsed(self.delta(ticks)) as i64).collect()
        } else {
            ticks.into_iter().map(|ticks| self.unix_ns(ticks)).collect()
        };
        (times, of(min), of(max))
    }

    /// Since the origin.
    #[inline]
    fn delta(&self, ticks: u64) -> i64 {
        ticks.wrapping_sub(self.origin_ticks).cast_signed()
    }

    /// Nanoseconds that `delta` ticks take.
    #[inline]
    fn elapsed(&self, delta: i64) -> i128 {
        (i128::from(delta) * i128::from(self.rate)) >> 40
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn many_ticks_have_the_times_that_each_has(
            begin: u64, anchor_ns: i64, elapsed_ns in 0..i64::MAX, length: u64, ticks: Vec<u64>, near in prop::collection::vec(-1_000_000_i64..1_000_000, 0..20),
        ) {
            let sample = |ticks, monotonic_ns| TimeSample { ticks, monotonic_ns, wall_ns: 0 };
            let map = TimeMap::new(sample(begin, 0), sample(begin.saturating_add(length), elapsed_ns), anchor_ns);
            for ticks in [ticks, near.into_iter().map(|delta| begin.wrapping_add_signed(delta)).collect()] {
                let each: Vec<_> = ticks.iter().map(|&ticks| map.unix_ns(ticks)).collect();
                let min = each.iter().copied().min().unwrap_or(UnixNanos::MAX);
                let max = each.iter().copied().max().unwrap_or(UnixNanos::MIN);
                prop_assert_eq!(map.unix_ns_of(ticks), (each, min, max));
            }
        }
    }
}
