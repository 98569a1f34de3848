//! What is known of every partition's ends without asking the storage, and who waits for more.
//!
//! Partitions of all topics are numbered through: a partition's number here is its **slot**.

use crate::{Bounds, Error, Offset, Result, TopicDescription, TopicPartition};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// A topic and the slots of its partitions: `first_slot .. first_slot + partitions`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slots {
    pub(crate) description: TopicDescription,
    pub(crate) first_slot: usize,
}

/// The ends of all partitions.
#[derive(Debug)]
pub(crate) struct Tails {
    topics: Vec<Slots>,
    bounds: Mutex<Vec<Bounds>>,
    commits: watch::Sender<()>,
}

impl Tails {
    /// `bounds` has one entry for each slot of `topics`.
    pub(crate) fn new(topics: Vec<Slots>, bounds: Vec<Bounds>) -> Self {
        Self { topics, bounds: Mutex::new(bounds), commits: watch::Sender::new(()) }
    }

    pub(crate) fn topics(&self) -> Vec<TopicDescription> {
        self.topics.iter().map(|slots| slots.description).collect()
    }

    pub(crate) fn slots(&self) -> Vec<Slots> {
        self.topics.clone()
    }

    /// The topic's slots. Every topic of this version is there: the logs that keep `Tails` make what is missing when they open.
    pub(crate) fn topic(&self, topic: framelake_wire::Topic) -> &Slots {
        let slots = self.topics.iter().find(|slots| slots.description.topic == topic);
        slots.expect("a local log makes every topic when it opens")
    }

    pub(crate) fn slot(&self, topic_partition: TopicPartition) -> Result<usize> {
        let slots = self.topic(topic_partition.topic);
        let partitions = slots.description.partitions;
        if topic_partition.partition >= partitions {
            return Err(Error::NoSuchPartition { topic_partition, partitions });
        }
        Ok(slots.first_slot + topic_partition.partition as usize)
    }

    /// The partition that records of this key go to, and its slot.
    pub(crate) fn slot_of_key(&self, topic: framelake_wire::Topic, key: &[u8]) -> (TopicPartition, usize) {
        let slots = self.topic(topic);
        let partition = framelake_wire::partition_for(key, slots.description.partitions);
        (TopicPartition { topic, partition }, slots.first_slot + partition as usize)
    }

    pub(crate) fn bounds(&self, slot: usize) -> Bounds {
        self.lock()[slot]
    }

    pub(crate) fn all_bounds(&self) -> Vec<Bounds> {
        self.lock().clone()
    }

    /// Takes over what the storage has now, and wakes whoever waits.
    pub(crate) fn set_bounds(&self, bounds: Vec<Bounds>) {
        *self.lock() = bounds;
        self.commits.send_replace(());
    }

    /// Records were appended: `next` holds a slot and its new end each. Wakes whoever waits.
    pub(crate) fn appended(&self, next: impl IntoIterator<Item = (usize, Offset)>) {
        {
            let mut bounds = self.lock();
            for (slot, offset) in next {
                bounds[slot].next = offset;
            }
        }
        self.commits.send_replace(());
    }

    /// Records below `earliest` are gone.
    pub(crate) fn trimmed(&self, slot: usize, earliest: Offset) {
        self.lock()[slot].earliest = earliest;
        self.commits.send_replace(());
    }

    /// Changes with every append; subscribe first and look after, then nothing is missed.
    pub(crate) fn commits(&self) -> watch::Receiver<()> {
        self.commits.subscribe()
    }

    /// The bounds of the partition, once there is something at `from`, or after `wait_max`.
    pub(crate) async fn wait_beyond(
        &self,
        topic_partition: TopicPartition,
        from: Offset,
        wait_max: Duration,
    ) -> Result<Bounds> {
        let slot = self.slot(topic_partition)?;
        let mut commits = self.commits();
        let deadline = deadline(wait_max);
        loop {
            commits.mark_unchanged();
            let bounds = self.bounds(slot);
            bounds.check(topic_partition, from)?;
            if bounds.next > from || timeout_at(deadline, commits.changed()).await.is_err() {
                return Ok(bounds);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Bounds>> {
        // Plain numbers, each written whole: a panic elsewhere leaves nothing half done.
        self.bounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bounds {
    /// Refuses an offset that cannot be read or waited for here.
    pub(crate) fn check(&self, topic_partition: TopicPartition, offset: Offset) -> Result<()> {
        if offset < self.earliest || offset > self.next {
            return Err(Error::OffsetOutOfRange { topic_partition, offset, bounds: *self });
        }
        Ok(())
    }
}

/// `wait_max` from now; a day at most, so that "for ever" does not overflow the clock.
pub(crate) fn deadline(wait_max: Duration) -> Instant {
    Instant::now() + wait_max.min(Duration::from_secs(24 * 60 * 60))
}
