//! A log whose consumer group never rests: partitions are taken away and given back, seeded.

use crate::dice::Dice;
use async_trait::async_trait;
use framelake_log::{
    Appended, Batch, Bounds, Consumer, ConsumerOptions, EventLog, Memory, NewRecord, Offset, Polled, ReadLimits,
    Result, TopicDescription, TopicId, TopicPartition,
};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Of 100 polls, how many bring a change of assignment.
const PERCENT: u64 = 15;

#[derive(Debug)]
pub(crate) struct Rebalancing {
    inner: Memory,
    seed: AtomicU64,
}

impl Rebalancing {
    pub(crate) fn new(inner: Memory, seed: u64) -> Self {
        Self { inner, seed: AtomicU64::new(seed) }
    }
}

#[async_trait]
impl EventLog for Rebalancing {
    async fn topics(&self) -> Result<Vec<TopicDescription>> {
        self.inner.topics().await
    }

    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Appended>> {
        self.inner.append(records).await
    }

    async fn read(&self, topic_partition: TopicPartition, from: Offset, limits: ReadLimits) -> Result<Batch> {
        self.inner.read(topic_partition, from, limits).await
    }

    async fn bounds(&self, topic_partition: TopicPartition) -> Result<Bounds> {
        self.inner.bounds(topic_partition).await
    }

    async fn consumer(&self, options: ConsumerOptions) -> Result<Box<dyn Consumer>> {
        let seed = self.seed.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
        let inner = self.inner.consumer(options).await?;
        Ok(Box::new(Member { inner, dice: Dice::new(seed), ours: BTreeMap::new(), others: BTreeMap::new() }))
    }

    async fn trim(&self, topic_partition: TopicPartition, below: Offset) -> Result<()> {
        self.inner.trim(topic_partition, below).await
    }

    async fn disk_bytes(&self) -> Result<Option<u64>> {
        self.inner.disk_bytes().await
    }
}

#[derive(Debug)]
struct Member {
    inner: Box<dyn Consumer>,
    dice: Dice,
    ours: BTreeMap<TopicPartition, TopicId>,
    others: BTreeMap<TopicPartition, TopicId>,
}

impl Member {
    /// Takes a partition away, or gives back what was taken.
    fn rebalance(&mut self) -> Option<Polled> {
        if let Some(returned) = self.others.pop_first() {
            self.ours.insert(returned.0, returned.1);
            return Some(Polled::Assigned(vec![returned]));
        }
        let index = usize::try_from(self.dice.draw() % self.ours.len().max(1) as u64).expect("small");
        let taken = *self.ours.keys().nth(index)?;
        self.others.insert(taken, self.ours.remove(&taken).expect("it was just there"));
        Some(Polled::Revoked(vec![taken]))
    }
}

#[async_trait]
impl Consumer for Member {
    async fn poll(&mut self, wait_max: Duration) -> Result<Polled> {
        if self.dice.falls(PERCENT)
            && let Some(change) = self.rebalance()
        {
            return Ok(change);
        }
        let polled = self.inner.poll(wait_max).await?;
        match &polled {
            Polled::Assigned(partitions) => self.ours.extend(partitions.iter().copied()),
            Polled::Records(partition, _) if !self.ours.contains_key(partition) => return Ok(Polled::Idle),
            _ => {}
        }
        Ok(polled)
    }

    async fn seek(&mut self, topic_partition: TopicPartition, offset: Offset) -> Result<()> {
        self.inner.seek(topic_partition, offset).await
    }

    async fn hint(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<()> {
        self.inner.hint(positions).await
    }
}
