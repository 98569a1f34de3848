//! How far the lake is behind the log.

use crate::{Result, start::own_progress};
use framelake_lake::{Catalog, Incarnation};
use framelake_log::{Bounds, EventLog, Offset, TopicPartition};
use framelake_wire::Topic;

/// One partition's lag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Topic and partition.
    pub topic_partition: TopicPartition,
    /// Which log.
    pub incarnation: Incarnation,
    /// What the log has.
    pub bounds: Bounds,
    /// Everything below is in the lake; `None` before the first segment.
    pub committed: Option<Offset>,
}

impl Lag {
    /// Offsets that can be read and are not yet in the lake.
    #[must_use]
    pub fn offsets(&self) -> u64 {
        // A log that ends before was rolled back, and is read anew.
        let committed = self.committed.filter(|&committed| committed <= self.bounds.next);
        let from = committed.unwrap_or(self.bounds.earliest).max(self.bounds.earliest);
        u64::try_from(self.bounds.next.0 - from.0).unwrap_or(0)
    }
}

/// The lag of every ingested partition, whoever drains it, in the order of topics and partitions.
///
/// # Errors
/// Log or catalog cannot be asked.
pub async fn lag(log: &dyn EventLog, catalog: &dyn Catalog) -> Result<Vec<Lag>> {
    let progress = catalog.progress().await?;
    let mut lags = Vec::new();
    for description in log.topics().await? {
        let topic = description.topic;
        if !Topic::INGESTED.contains(&topic) {
            continue;
        }
        let incarnation = catalog.incarnation(topic, description.id).await?;
        for partition in 0..description.partitions {
            let topic_partition = TopicPartition { topic, partition };
            let bounds = log.bounds(topic_partition).await?;
            let committed = own_progress(topic_partition, incarnation, &progress).map(|own| own.next);
            lags.push(Lag { topic_partition, incarnation, bounds, committed });
        }
    }
    lags.sort_by_key(|lag| lag.topic_partition);
    Ok(lags)
}
