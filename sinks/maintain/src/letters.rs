//! Dead letters and gaps that were there to be seen for long enough.

use crate::{Options, Result, Stats};
use framelake_lake::Catalog;
use framelake_wire::UnixNanos;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Rows forgotten in one transaction.
const ROWS_AT_ONCE: u64 = 1_000;

/// What was found before this moment is old.
#[must_use]
pub fn plan(now: SystemTime, keep: Duration) -> UnixNanos {
    let found = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(keep);
    i64::try_from(found.as_nanos()).unwrap_or(i64::MAX)
}

/// Forgets dead letters and gaps older than [`Options::dead_letters_keep`]. The records themselves stand in their segments as long as those do.
///
/// # Errors
/// The catalog cannot be asked.
pub async fn forget(catalog: &dyn Catalog, options: &Options, now: SystemTime, stats: &Stats) -> Result<()> {
    let found = plan(now, options.dead_letters_keep);
    loop {
        let forgotten = catalog.forget_letters(found, ROWS_AT_ONCE).await?;
        if forgotten == 0 {
            return Ok(());
        }
        tracing::info!(forgotten, "dead letters and gaps are forgotten because of their age");
        stats.count(|counters| counters.forgotten_letters += forgotten);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_old_once_it_was_kept_for_its_time() {
        let now = UNIX_EPOCH + Duration::from_secs(100);
        assert_eq!(plan(now, Duration::from_secs(30)), 70_000_000_000);
        assert_eq!(plan(now, Duration::from_secs(300)), 0, "a clock before its time forgets nothing");
    }
}
