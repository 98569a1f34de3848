//! The one retry loop.

use crate::{Options, Result, Stats};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long to wait between tries: doubled each time up to a limit, then halved by chance so that workers do not come back in step
/// (equal jitter, https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn new(options: &Options) -> Self {
        Self { min: options.backoff_min, max: options.backoff_max }
    }

    /// The wait after `failures` (at least 1) in a row; `chance` is from 0 to 1.
    pub(crate) fn wait(self, failures: u32, chance: f64) -> Duration {
        let doubled = self.min.saturating_mul(1 << (failures.max(1) - 1).min(20));
        let full = doubled.min(self.max);
        full / 2 + full.mul_f64(chance.clamp(0.0, 1.0) / 2.0)
    }
}

/// Tries until it works, or cannot work, or `give_up` says to stop (`None`). `what` completes "cannot … yet" in the log of this process.
pub(crate) async fn until_done<T, F: Future<Output = Result<T>>>(
    what: &str,
    backoff: Backoff,
    stats: &Stats,
    give_up: &CancellationToken,
    mut attempt: impl FnMut() -> F,
) -> Result<Option<T>> {
    let mut failures = 0;
    loop {
        let error = match give_up.run_until_cancelled(attempt()).await {
            None => return Ok(None),
            Some(Ok(done)) => return Ok(Some(done)),
            Some(Err(error)) => error,
        };
        if !error.is_retryable() {
            return Err(error);
        }
        failures += 1;
        stats.retried();
        let wait = backoff.wait(failures, rand::random());
        tracing::warn!(%error, failures, ?wait, "cannot {what} yet, trying again");
        if give_up.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_chance_takes_at_most_half() {
        let backoff = Backoff { min: Duration::from_millis(50), max: Duration::from_secs(5) };
        let ms = |failures, chance| backoff.wait(failures, chance).as_millis();
        assert_eq!((ms(1, 0.0), ms(1, 1.0)), (25, 50));
        assert_eq!((ms(2, 1.0), ms(3, 1.0)), (100, 200));
        assert_eq!((ms(8, 1.0), ms(u32::MAX, 1.0), ms(u32::MAX, 0.0)), (5000, 5000, 2500));
    }
}
