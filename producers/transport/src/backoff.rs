//! How long to wait before trying again: exponential, with jitter, so that a thousand programs do not come back at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The first wait is at most this long.
const FIRST: Duration = Duration::from_millis(100);
/// No wait is longer: a server that came back is found within seconds.
const LONGEST: Duration = Duration::from_secs(5);

/// Waits that double from 100 ms to 5 s, each drawn evenly from its upper half.
#[derive(Debug)]
pub struct Backoff {
    attempt: u32,
    seed: u64,
}

impl Backoff {
    /// A backoff whose waits follow from `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { attempt: 0, seed: seed | 1 }
    }

    /// A backoff that differs from process to process.
    #[must_use]
    pub fn random() -> Self {
        Self::seeded(RandomState::new().hash_one(std::process::id()))
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let ceiling = LONGEST.min(FIRST * 2_u32.saturating_pow(self.attempt.min(16)));
        self.attempt = self.attempt.saturating_add(1);
        // xorshift64 (Marsaglia 2003): jitter needs no better.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        let share = (self.seed >> 11) as f64 / (1_u64 << 53) as f64;
        ceiling.mul_f64(0.5 + share / 2.0)
    }

    /// After a success the waits start small again.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_seconds_within_their_upper_half() {
        let mut backoff = Backoff::seeded(7);
        for attempt in 0..40_u32 {
            let ceiling = Duration::from_millis(100 * 2_u64.pow(attempt.min(10))).min(LONGEST);
            let wait = backoff.next_wait();
            assert!(wait >= ceiling / 2 && wait <= ceiling, "attempt {attempt}: {wait:?} of {ceiling:?}");
        }
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }
}
