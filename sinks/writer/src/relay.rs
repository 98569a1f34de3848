//! Carries messages from the catalog's outbox to their topics: dead letters now, events of the lake later.
//!
//! Commits leave messages in the outbox in the same transaction as what they tell of. Whoever holds the lease appends them, in the order of their
//! numbers and at least once: after a crash between the append and its note the same messages are appended again.

use crate::{Error, Options, Result, Step, retry::Backoff};
use framelake_lake::{Lake, OutboxEntry};
use framelake_log::{EventLog, NewRecord};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// The lease that keeps a second relay from appending the same messages at the same time.
const LEASE: &str = "outbox-relay";
/// How long the lease outlives a relay that died.
const LEASE_FOR: Duration = Duration::from_secs(15);
/// How often the outbox is looked at while it is empty, and the lease is renewed with it.
const IDLE: Duration = Duration::from_secs(1);
/// Messages carried at once: 16 of at most 1 MiB are 16 MiB in memory.
const MESSAGES_MAX: u64 = 16;

/// Relays until `shutdown`. `owner` names this process among those that may hold the lease. Of the options it uses backoff and failpoints.
///
/// # Errors
/// What trying again cannot help: the log or the catalog is unusable. Outages are waited out.
pub async fn run(
    log: Arc<dyn EventLog>,
    lake: Lake,
    owner: String,
    options: Options,
    shutdown: CancellationToken,
) -> Result<()> {
    let backoff = Backoff::new(&options);
    let mut failures = 0;
    while !shutdown.is_cancelled() {
        let wait = match relay(log.as_ref(), &lake, &owner, &options).await {
            Ok(relayed) => {
                failures = 0;
                if relayed == 0 { IDLE } else { Duration::ZERO }
            }
            Err(error) if error.is_retryable() => {
                failures += 1;
                tracing::warn!(%error, failures, "cannot relay the outbox yet, trying again");
                backoff.wait(failures, rand::random())
            }
            Err(error) => return Err(error),
        };
        shutdown.run_until_cancelled(tokio::time::sleep(wait)).await;
    }
    Ok(())
}

/// Carries the next few messages if the lease can be had, and returns how many.
async fn relay(log: &dyn EventLog, lake: &Lake, owner: &str, options: &Options) -> Result<usize> {
    let catalog = lake.catalog();
    if !catalog.lease(LEASE, owner, LEASE_FOR).await? {
        return Ok(0);
    }
    let messages = catalog.outbox(MESSAGES_MAX).await?;
    let Some(last) = messages.last().map(|message| message.number) else { return Ok(0) };
    let count = messages.len();
    options.failpoints.reach(Step::BeforeRelay).await;
    append(log, messages).await?;
    options.failpoints.reach(Step::AfterRelay).await;
    catalog.outbox_relayed(last).await?;
    Ok(count)
}

async fn append(log: &dyn EventLog, messages: Vec<OutboxEntry>) -> Result<()> {
    for message in messages {
        let OutboxEntry { number, topic, key, value, headers } = message;
        match log.append(vec![NewRecord { topic, key, value, headers }]).await {
            Ok(_) => {}
            // It stays in its segment and in the table of dead letters. The messages behind it must not wait for it for ever.
            Err(error @ framelake_log::Error::RecordTooLarge { .. }) => {
                tracing::error!(number, %topic, %error, "a message of the outbox cannot be relayed");
            }
            Err(error) => return Err(Error::Log(error)),
        }
    }
    Ok(())
}
