//! The consumer of a log that lives in this process: one member, which has every partition of its topics.

use crate::{
    Bounds, Consumer, ConsumerOptions, Error, EventLog, Offset, Polled, ReadLimits, Result, TopicId, TopicPartition,
    tails::{Tails, deadline},
};
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout_at;

/// Reads a local log partition by partition, each in its turn, so that a busy one starves no other.
#[derive(Debug)]
pub(crate) struct LocalConsumer<L> {
    log: L,
    tails: Arc<Tails>,
    poll_bytes_max: usize,
    partitions: Vec<Partition>,
    announced: bool,
    turn: usize,
}

#[derive(Debug)]
struct Partition {
    at: TopicPartition,
    id: TopicId,
    slot: usize,
    /// Where to read on; `None` until a seek says so.
    from: Option<Offset>,
}

impl<L: EventLog> LocalConsumer<L> {
    pub(crate) fn new(log: L, tails: Arc<Tails>, options: &ConsumerOptions) -> Result<Self> {
        let mut partitions = Vec::new();
        for &topic in &options.topics {
            let description = tails.topic(topic).description;
            for partition in 0..description.partitions {
                let at = TopicPartition { topic, partition };
                partitions.push(Partition { at, id: description.id, slot: tails.slot(at)?, from: None });
            }
        }
        Ok(Self { log, tails, poll_bytes_max: options.poll_bytes_max, partitions, announced: false, turn: 0 })
    }

    /// What the partition has for us now, if anything.
    async fn take(&mut self, index: usize) -> Result<Option<Polled>> {
        let partition = &mut self.partitions[index];
        let Some(from) = partition.from else { return Ok(None) };
        let bounds = self.tails.bounds(partition.slot);
        if bounds.next == from {
            return Ok(None);
        }
        let limits = ReadLimits { bytes_max: self.poll_bytes_max, wait_max: Duration::ZERO };
        match self.log.read(partition.at, from, limits).await {
            Ok(batch) if batch.records.is_empty() => Ok(None),
            Ok(batch) => {
                partition.from = Some(batch.next);
                Ok(Some(Polled::Records(partition.at, batch.records)))
            }
            Err(Error::OffsetOutOfRange { bounds, .. }) => Ok(Some(partition.out_of_range(bounds))),
            Err(error) => Err(error),
        }
    }
}

impl Partition {
    fn out_of_range(&mut self, bounds: Bounds) -> Polled {
        self.from = None;
        Polled::OutOfRange(self.at, bounds)
    }
}

#[async_trait]
impl<L: EventLog> Consumer for LocalConsumer<L> {
    async fn poll(&mut self, wait_max: Duration) -> Result<Polled> {
        if !self.announced {
            self.announced = true;
            return Ok(Polled::Assigned(
                self.partitions.iter().map(|partition| (partition.at, partition.id)).collect(),
            ));
        }
        let mut commits = self.tails.commits();
        let deadline = deadline(wait_max);
        loop {
            commits.mark_unchanged();
            for step in 0..self.partitions.len() {
                let index = (self.turn + step) % self.partitions.len();
                if let Some(polled) = self.take(index).await? {
                    self.turn = index + 1;
                    return Ok(polled);
                }
            }
            if timeout_at(deadline, commits.changed()).await.is_err() {
                return Ok(Polled::Idle);
            }
        }
    }

    async fn seek(&mut self, topic_partition: TopicPartition, offset: Offset) -> Result<()> {
        self.tails.slot(topic_partition)?;
        if let Some(partition) = self.partitions.iter_mut().find(|partition| partition.at == topic_partition) {
            partition.from = Some(offset);
        }
        Ok(())
    }

    /// The catalog beside a local log says where each partition was committed to; a second place would only be able to differ.
    async fn hint(&mut self, _positions: &[(TopicPartition, Offset)]) -> Result<()> {
        Ok(())
    }
}
