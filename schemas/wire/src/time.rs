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
        let delta = ticks.wrapping_sub(self.origin_ticks).cast_signed();
        let ns = (i128::from(delta) * i128::from(self.rate)) >> 40;
        self.origin_ns.saturating_add(i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX }))
    }
}
