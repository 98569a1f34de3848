//! What the embedded log may forget.

use crate::{Options, Result, Stats};
use framelake_lake::{Catalog, Progress};
use framelake_log::{Bounds, EventLog, Offset, ReadLimits, TopicPartition};
use framelake_wire::Topic;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A partition as [`plan`] sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Topic and partition.
    pub topic_partition: TopicPartition,
    /// What the log has.
    pub bounds: Bounds,
    /// Everything below is in the lake; `None` where nothing is.
    pub progress: Option<Offset>,
    /// Everything below is older than the log keeps.
    pub aged: Offset,
}

/// Records to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// Where.
    pub topic_partition: TopicPartition,
    /// What was there.
    pub earliest: Offset,
    /// The first offset that stays.
    pub below: Offset,
}

/// Decides what goes: whatever is too old, and of each partition the part by which the whole log is too large; but nothing that is not in the lake.
///
/// A log does not say how its bytes are spread over its offsets, so the part is taken of the offsets. Where that misses, the next round sees it.
#[must_use]
pub fn plan(partitions: &[Partition], log_bytes: u64, keep_bytes: u64) -> Vec<Trim> {
    let excess = log_bytes.saturating_sub(keep_bytes);
    let trim = |partition: &Partition| {
        let Partition { topic_partition, bounds: Bounds { earliest, next }, progress, aged } = *partition;
        let count = u128::try_from(next.0 - earliest.0).unwrap_or(0);
        let over = count * u128::from(excess) / u128::from(log_bytes.max(1));
        let oversized = Offset(earliest.0 + i64::try_from(over).expect("a part of the offsets there are"));
        let below = aged.max(oversized).min(progress?).min(next);
        (below > earliest).then_some(Trim { topic_partition, earliest, below })
    };
    partitions.iter().filter_map(trim).collect()
}

/// Measures the log, decides, and trims. Does nothing for a log on other machines, which has retention of its own.
///
/// # Errors
/// Log or catalog cannot be asked.
pub async fn run(
    log: &dyn EventLog,
    catalog: &dyn Catalog,
    options: &Options,
    now: SystemTime,
    stats: &Stats,
) -> Result<()> {
    let Some(log_bytes) = log.disk_bytes().await? else { return Ok(()) };
    let partitions = partitions(log, catalog, ago_ms(now, options.log_keep_age)).await?;
    let mut trims = plan(&partitions, log_bytes, options.log_keep_bytes);
    // By their age alone, however large the log is.
    let letters = dead_letters(log, ago_ms(now, options.dead_letters_keep)).await?;
    trims.extend(plan(&letters, 0, 0));
    for trim in trims {
        log.trim(trim.topic_partition, trim.below).await?;
        tracing::debug!(partition = %trim.topic_partition, below = %trim.below, "the log forgot what is in the lake");
        stats.count(|counters| counters.trimmed_offsets += (trim.below.0 - trim.earliest.0).unsigned_abs());
    }
    Ok(())
}

/// Milliseconds since 1970, `age` before `now`.
fn ago_ms(now: SystemTime, age: Duration) -> i64 {
    let then = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(age);
    i64::try_from(then.as_millis()).unwrap_or(i64::MAX)
}

/// The partitions of dead letters: no worker drains them, so nothing has to be in the lake first. Each came from there.
async fn dead_letters(log: &dyn EventLog, keep_from_ms: i64) -> Result<Vec<Partition>> {
    let mut partitions = Vec::new();
    for description in log.topics().await?.into_iter().filter(|topic| topic.topic == Topic::DeadLetters) {
        for partition in 0..description.partitions {
            let topic_partition = TopicPartition { topic: description.topic, partition };
            let bounds = log.bounds(topic_partition).await?;
            let aged = first_since(log, topic_partition, bounds, keep_from_ms).await?;
            partitions.push(Partition { topic_partition, bounds, progress: Some(bounds.next), aged });
        }
    }
    Ok(partitions)
}

async fn partitions(log: &dyn EventLog, catalog: &dyn Catalog, keep_from_ms: i64) -> Result<Vec<Partition>> {
    let progress = catalog.progress().await?;
    let mut partitions = Vec::new();
    // Only what workers drain has progress; the lake's events stay in the log.
    for description in log.topics().await?.into_iter().filter(|topic| Topic::INGESTED.contains(&topic.topic)) {
        let incarnation = catalog.incarnation(description.topic, description.id).await?;
        for partition in 0..description.partitions {
            let topic_partition = TopicPartition { topic: description.topic, partition };
            let is_it = |at: &&Progress| at.incarnation == incarnation && at.topic_partition == topic_partition;
            let progress = progress.iter().find(is_it).map(|at| at.next);
            let bounds = log.bounds(topic_partition).await?;
            let in_lake = Bounds { next: progress.unwrap_or(bounds.earliest).min(bounds.next), ..bounds };
            let aged = first_since(log, topic_partition, in_lake, keep_from_ms).await?;
            partitions.push(Partition { topic_partition, bounds, progress, aged });
        }
    }
    Ok(partitions)
}

/// The first offset within `bounds` that was appended at `since_ms` or later, or their end. Halves the range with each record it reads.
async fn first_since(
    log: &dyn EventLog,
    topic_partition: TopicPartition,
    bounds: Bounds,
    since_ms: i64,
) -> Result<Offset> {
    let (mut low, mut high) = (bounds.earliest.0, bounds.next.0);
    while low < high {
        let middle = low + (high - low) / 2;
        let limits = ReadLimits { bytes_max: 1, wait_max: Duration::ZERO };
        let batch = log.read(topic_partition, Offset(middle), limits).await?;
        match batch.records.first() {
            Some(record) if record.timestamp_ms < since_ms => low = record.offset.0 + 1,
            _ => high = middle,
        }
    }
    Ok(Offset(low.min(bounds.next.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets from, to, in the lake, aged; bytes of the log, and kept.
    fn check(offsets: (i64, i64), progress: Option<i64>, aged: i64, bytes: (u64, u64), below: Option<i64>) {
        let topic_partition = TopicPartition { topic: Topic::Spans, partition: 0 };
        let bounds = Bounds { earliest: Offset(offsets.0), next: Offset(offsets.1) };
        let partition = Partition { topic_partition, bounds, progress: progress.map(Offset), aged: Offset(aged) };
        let trims = plan(&[partition], bytes.0, bytes.1);
        assert_eq!(trims.first().map(|trim| trim.below.0), below, "{partition:?} of {bytes:?}");
    }

    #[test]
    fn the_log_forgets_by_age_and_size_but_never_what_is_not_in_the_lake() {
        // Small and young: all stays.
        check((0, 100), Some(100), 0, (10, 20), None);
        // Some of it is old.
        check((0, 100), Some(100), 30, (10, 20), Some(30));
        // Old, but not in the lake.
        check((0, 100), Some(20), 30, (10, 20), Some(20));
        check((0, 100), None, 30, (40, 20), None);
        check((20, 100), Some(20), 100, (40, 20), None);
        // Twice as large as it may be: half goes, of what is in the lake.
        check((100, 200), Some(200), 100, (40, 20), Some(150));
        check((100, 200), Some(120), 100, (40, 20), Some(120));
        check((100, 200), Some(200), 180, (40, 20), Some(180));
        check((100, 200), Some(200), 100, (u64::MAX, 0), Some(200));
        // Progress of a log that lost its end trims nothing beyond that.
        check((0, 10), Some(50), 10, (10, 20), Some(10));
        check((7, 7), Some(7), 7, (0, 0), None);
    }
}
