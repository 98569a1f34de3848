//! Which time samples the blocks of a drain get, and when the anchor is set anew.

use crate::clock;
use framelake_wire::TimeSample;

/// Samples closer together than this make a poor rate: two readings 50 ns off over 10 ms are 5 ppm.
const BASELINE_NS_MIN: i64 = 10_000_000;
/// A rate that leaves the running one by more than 1/1000 is a counter that jumped, or a machine that slept.
const RATE_TOLERANCE: f64 = 1e-3;
/// A suspend at least: 10 ms, well above the 1 ms to which the two clocks that show one are read together, and far below the shortest there is.
const SUSPEND_NS_MIN: i64 = 10_000_000;

/// The samples of past drains, and what they say of the clock.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    /// The newest sample at which blocks were sealed, and the one before.
    newest: TimeSample,
    older: TimeSample,
    /// Ticks per nanosecond; `None` before the first baseline.
    rate: Option<f64>,
    anchor_ns: i64,
    /// How long the machine had been suspended when the anchor was set; `None` where that is not known.
    suspended_ns: Option<i64>,
}

/// The samples and the anchor of the blocks of one drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) begin: TimeSample,
    pub(crate) end: TimeSample,
    pub(crate) anchor_ns: i64,
}

impl Sampler {
    /// Begins at `start`, which sets the anchor.
    pub(crate) fn new(start: TimeSample) -> Self {
        Self::started(start, clock::suspended_ns())
    }

    fn started(start: TimeSample, suspended_ns: Option<i64>) -> Self {
        Self { newest: start, older: start, rate: None, anchor_ns: start.wall_ns - start.monotonic_ns, suspended_ns }
    }

    /// The newest sample at which blocks were sealed, the anchor, and ticks per nanosecond, 0 where not yet known.
    pub(crate) fn known(&self) -> (TimeSample, i64, f64) {
        (self.newest, self.anchor_ns, self.rate.unwrap_or(0.0))
    }

    /// The window of a drain at `end`. The next drain's begins there when `closes`, as it does where all streams are sealed.
    ///
    /// Ticks that jump set the anchor anew, and so does a suspend of the machine, during which ticks and monotonic clock may both have stood still. A
    /// step of the wall clock does not.
    pub(crate) fn window(&mut self, end: TimeSample, closes: bool) -> Window {
        self.window_of(end, clock::suspended_ns(), closes)
    }

    fn window_of(&mut self, end: TimeSample, suspended_ns: Option<i64>, closes: bool) -> Window {
        if let (Some(before), Some(now)) = (self.suspended_ns, suspended_ns)
            && now.saturating_sub(before) >= SUSPEND_NS_MIN
        {
            self.anchor_ns = end.wall_ns - end.monotonic_ns;
            self.suspended_ns = suspended_ns;
        }
        let near = end.monotonic_ns.saturating_sub(self.newest.monotonic_ns) < BASELINE_NS_MIN;
        let mut begin = if near { self.older } else { self.newest };
        let elapsed = end.monotonic_ns.saturating_sub(begin.monotonic_ns);
        if elapsed >= BASELINE_NS_MIN {
            let ticks = end.ticks.wrapping_sub(begin.ticks).cast_signed();
            let rate = ticks as f64 / elapsed as f64;
            match self.rate {
                Some(known) if rate <= 0.0 || (rate / known - 1.0).abs() > RATE_TOLERANCE => {
                    // What was recorded since the jump is placed by the known rate back from now.
                    let back = (known * elapsed as f64) as u64;
                    begin = TimeSample { ticks: end.ticks.wrapping_sub(back), ..begin };
                    if back > end.ticks {
                        begin = TimeSample {
                            ticks: 0,
                            monotonic_ns: end.monotonic_ns - (end.ticks as f64 / known) as i64,
                            ..begin
                        };
                    }
                    self.anchor_ns = end.wall_ns - end.monotonic_ns;
                    self.older = end;
                    self.newest = end;
                }
                Some(_) => {}
                None if rate > 0.0 => self.rate = Some(rate),
                None => {}
            }
        }
        if closes && !near {
            self.older = self.newest;
            self.newest = end;
        }
        Window { begin, end, anchor_ns: self.anchor_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn sample(ticks: u64, monotonic_ns: i64, wall_ns: i64) -> TimeSample {
        TimeSample { ticks, monotonic_ns, wall_ns }
    }

    #[test]
    fn each_window_begins_where_the_last_one_ended_and_a_wall_clock_step_bends_nothing() {
        let mut sampler = Sampler::new(sample(1_000, 0, 100 * SECOND));
        let first = sampler.window(sample(3_000_001_000, SECOND, 101 * SECOND), true);
        assert_eq!(first.begin.ticks, 1_000);
        let second = sampler.window(sample(6_000_001_000, 2 * SECOND, 5_000 * SECOND), true);
        assert_eq!((second.begin, second.anchor_ns), (first.end, 100 * SECOND));
    }

    #[test]
    fn a_suspend_sets_the_anchor_anew_and_a_wall_clock_step_does_not() {
        // Ticks are the monotonic clock, which stands still in a suspend: nothing shows in the rate.
        let at = |second: i64, wall: i64| sample((second * SECOND).cast_unsigned(), second * SECOND, wall * SECOND);
        let hours = 3_600;
        // Second, wall clock, suspended so far (s), and the anchor then.
        let check = |steps: &[(i64, i64, Option<i64>, i64)], suspended: Option<i64>| {
            let mut sampler = Sampler::started(at(0, 100), suspended);
            for &(second, wall, suspended, anchor) in steps {
                let end = at(second, wall);
                let suspended = suspended.map(|seconds| seconds * SECOND);
                let window = sampler.window_of(end, suspended, true);
                assert_eq!(window.anchor_ns, anchor * SECOND, "at second {second} of {steps:?}");
                let map = framelake_wire::TimeMap::new(window.begin, window.end, window.anchor_ns);
                assert!((map.unix_ns(end.ticks) - (anchor + second) * SECOND).abs() <= 1, "it ends at its end");
            }
        };
        // Suspended for two hours, then for one more.
        check(
            &[
                (1, 101, Some(0), 100),
                (2, 102 + 2 * hours, Some(2 * hours), 100 + 2 * hours),
                (3, 103 + 2 * hours, Some(2 * hours), 100 + 2 * hours),
                (4, 104 + 3 * hours, Some(3 * hours), 100 + 3 * hours),
            ],
            Some(0),
        );
        // Somebody sets the clock; a machine was suspended before the program was started; nothing is known of suspends.
        check(&[(1, 101, Some(7), 100), (2, 102 + hours, Some(7), 100), (3, 50, Some(7), 100)], Some(7 * SECOND));
        check(&[(1, 101, None, 100), (2, 102 + hours, None, 100)], None);
    }

    #[test]
    fn two_clocks_read_one_after_the_other_are_no_suspend() {
        let mut sampler = Sampler::started(sample(0, 0, 0), Some(0));
        for second in 1..100 {
            let end = sample((second * SECOND).cast_unsigned(), second * SECOND, second * SECOND + SECOND / 2);
            let window = sampler.window_of(end, Some(if second % 2 == 0 { 1_000_000 } else { -1_000_000 }), true);
            assert_eq!(window.anchor_ns, 0);
        }
    }

    #[test]
    fn a_window_too_short_for_a_rate_reaches_further_back() {
        let mut sampler = Sampler::new(sample(0, 0, 0));
        let first = sampler.window(sample(3_000_000_000, SECOND, SECOND), true);
        let short = sampler.window(sample(3_000_300_000, SECOND + 100_000, SECOND), true);
        assert_eq!(short.begin, TimeSample { ticks: 0, monotonic_ns: 0, wall_ns: 0 });
        let next = sampler.window(sample(6_000_000_000, 2 * SECOND, 2 * SECOND), true);
        assert_eq!(next.begin, first.end);
    }

    #[test]
    fn a_counter_that_restarts_or_changes_its_rate_gets_a_new_anchor() {
        for jumped in [5_000_u64, 9_000_000_000] {
            let mut sampler = Sampler::new(sample(0, 0, 0));
            sampler.window(sample(3_000_000_000, SECOND, SECOND), true);
            let window = sampler.window(sample(jumped, 2 * SECOND, 100 * SECOND), true);
            assert_eq!(window.anchor_ns, 98 * SECOND);
            let map = framelake_wire::TimeMap::new(window.begin, window.end, window.anchor_ns);
            // Fixed point may lose a nanosecond.
            assert!((100 * SECOND - map.unix_ns(jumped)).abs() <= 1);
            let after = sampler.window(sample(jumped + 3_000_000_000, 3 * SECOND, 101 * SECOND), true);
            assert_eq!((after.anchor_ns, after.begin.ticks), (98 * SECOND, jumped));
        }
    }
}
