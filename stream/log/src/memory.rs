//! The log in memory, for tests and simulation.

use crate::{
    Appended, Batch, Bounds, Consumer, ConsumerOptions, EventLog, NewRecord, Offset, ReadLimits, Result, StoredRecord,
    TopicDescription, TopicId, TopicPartition,
    local_consumer::LocalConsumer,
    partitions_of,
    tails::{Slots, Tails},
};
use async_trait::async_trait;
use framelake_wire::Topic;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};
use uuid::Uuid;

/// A log that lives as long as the value (clones share it).
#[derive(Clone, Debug)]
pub struct Memory {
    tails: Arc<Tails>,
    /// The records of each slot, from its `earliest` on.
    records: Arc<Mutex<Vec<VecDeque<StoredRecord>>>>,
}

impl Memory {
    /// An empty log of `partitions` partitions per topic (the lake's events have one).
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        let mut topics = Vec::new();
        let mut slots = 0;
        for topic in Topic::ALL {
            let partitions = partitions_of(topic, partitions);
            let description = TopicDescription { topic, id: TopicId(Uuid::new_v4()), partitions };
            topics.push(Slots { description, first_slot: slots });
            slots += partitions as usize;
        }
        let bounds = vec![Bounds { earliest: Offset(0), next: Offset(0) }; slots];
        Self {
            tails: Arc::new(Tails::new(topics, bounds)),
            records: Arc::new(Mutex::new(vec![VecDeque::new(); slots])),
        }
    }

    /// Forgets the end of a partition: as when a log's file is restored from an older copy, or a broker that had not kept up becomes leader.
    ///
    /// # Panics
    /// There is no such partition.
    pub fn roll_back(&self, topic_partition: TopicPartition, next: Offset) {
        let slot = self.tails.slot(topic_partition).expect("the partition is one of this log");
        let mut slots = self.lock();
        slots[slot].retain(|record| record.offset < next);
        let mut bounds = self.tails.all_bounds();
        bounds[slot].next = next.min(bounds[slot].next).max(bounds[slot].earliest);
        self.tails.set_bounds(bounds);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<VecDeque<StoredRecord>>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Three partitions per topic, as in tests everywhere.
impl Default for Memory {
    fn default() -> Self {
        Self::new(3)
    }
}

#[async_trait]
impl EventLog for Memory {
    async fn topics(&self) -> Result<Vec<TopicDescription>> {
        Ok(self.tails.topics())
    }

    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Appended>> {
        records.iter().try_for_each(NewRecord::check_size)?;
        let timestamp_ms = now_ms();
        let mut appended = Vec::with_capacity(records.len());
        // Tails change under the lock too: two appends must not publish their ends in the wrong order.
        let mut slots = self.lock();
        let mut bounds = self.tails.all_bounds();
        for record in records {
            let (topic_partition, slot) = self.tails.slot_of_key(record.topic, &record.key);
            let offset = bounds[slot].next;
            bounds[slot].next = Offset(offset.0 + 1);
            let NewRecord { key, value, headers, .. } = record;
            slots[slot].push_back(StoredRecord { offset, timestamp_ms, key, value, headers });
            appended.push(Appended { topic_partition, offset });
        }
        self.tails.set_bounds(bounds);
        drop(slots);
        Ok(appended)
    }

    async fn read(&self, topic_partition: TopicPartition, from: Offset, limits: ReadLimits) -> Result<Batch> {
        self.tails.wait_beyond(topic_partition, from, limits.wait_max).await?;
        let slot = self.tails.slot(topic_partition)?;
        let slots = self.lock();
        let bounds = self.tails.bounds(slot);
        bounds.check(topic_partition, from)?;
        let skip = usize::try_from(from.0 - bounds.earliest.0).expect("checked to be within bounds");
        let mut batch = Batch { records: Vec::new(), next: from };
        let mut bytes = 0;
        for record in slots[slot].iter().skip(skip) {
            bytes += record.value.len();
            if bytes > limits.bytes_max && !batch.records.is_empty() {
                break;
            }
            batch.next = Offset(record.offset.0 + 1);
            batch.records.push(record.clone());
        }
        Ok(batch)
    }

    async fn bounds(&self, topic_partition: TopicPartition) -> Result<Bounds> {
        Ok(self.tails.bounds(self.tails.slot(topic_partition)?))
    }

    async fn consumer(&self, options: ConsumerOptions) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(LocalConsumer::new(self.clone(), self.tails.clone(), &options)?))
    }

    async fn trim(&self, topic_partition: TopicPartition, below: Offset) -> Result<()> {
        let slot = self.tails.slot(topic_partition)?;
        let mut slots = self.lock();
        let bounds = self.tails.bounds(slot);
        let below = below.min(bounds.next);
        if below > bounds.earliest {
            slots[slot].retain(|record| record.offset >= below);
            self.tails.trimmed(slot, below);
        }
        Ok(())
    }

    async fn disk_bytes(&self) -> Result<Option<u64>> {
        Ok(None)
    }
}

/// Milliseconds since 1970 by the system's clock.
pub(crate) fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}
