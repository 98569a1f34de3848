//! The chores in their turn.

use crate::{Options, Result, Stats, letters, orphans, retention, trim};
use framelake_lake::Lake;
use framelake_log::EventLog;
use std::{sync::Arc, time::SystemTime};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

/// The lease that keeps two processes from doing the same chores at once.
const LEASE: &str = "maintain";

/// Does the chores, round after round.
#[derive(Debug)]
pub struct Maintain {
    log: Arc<dyn EventLog>,
    lake: Lake,
    options: Options,
    stats: Stats,
}

impl Maintain {
    /// Does nothing until it is run.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, lake: Lake, options: Options) -> Self {
        Self { log, lake, options, stats: Stats::default() }
    }

    /// Its counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats.clone()
    }

    /// Does the chores until `shutdown`. The first search for orphans comes a period after the start, so that writers which died with this process
    /// come first and can commit what they had put.
    ///
    /// # Errors
    /// What the next round cannot help: the log or the catalog is unusable. Outages are waited out.
    pub async fn run(self, shutdown: CancellationToken) -> Result<()> {
        let mut rounds = interval_at(Instant::now(), self.options.period);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut orphans_due = Instant::now() + self.options.orphan_period;
        while shutdown.run_until_cancelled(rounds.tick()).await.is_some() {
            let search = Instant::now() >= orphans_due;
            let Some(round) = shutdown.run_until_cancelled(self.round(search)).await else { break };
            match round {
                Ok(()) => self.stats.count(|counters| counters.rounds += 1),
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, "maintenance could not finish its round, the next one tries again");
                    self.stats.count(|counters| counters.failed_rounds += 1);
                    continue;
                }
                Err(error) => return Err(error),
            }
            if search {
                orphans_due = Instant::now() + self.options.orphan_period;
            }
        }
        Ok(())
    }

    /// One round of all chores now; the search for orphans only where `search_orphans` says so.
    ///
    /// # Errors
    /// The first chore that fails; those before it are done.
    pub async fn round(&self, search_orphans: bool) -> Result<()> {
        self.round_at(SystemTime::now(), search_orphans).await
    }

    /// As [`Maintain::round`], with `now` for what goes by the age of records, dead letters and gaps.
    ///
    /// # Errors
    /// As there.
    pub async fn round_at(&self, now: SystemTime, search_orphans: bool) -> Result<()> {
        let Self { log, lake, options, stats } = self;
        let lease_for = options.period * 2;
        if !lake.catalog().lease(LEASE, &options.owner, lease_for).await? {
            return Ok(());
        }
        trim::run(log.as_ref(), lake.catalog().as_ref(), options, now, stats).await?;
        letters::forget(lake.catalog().as_ref(), options, now, stats).await?;
        retention::run(log.as_ref(), lake, options, stats).await?;
        if search_orphans {
            orphans::doom_orphans(lake, options, stats).await?;
        }
        orphans::delete_doomed(lake, options, stats).await
    }
}
