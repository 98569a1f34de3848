//! What a log must do.

use crate::{Appended, NewRecord, Offset, Result, StoredRecord, TopicId, TopicPartition};
use async_trait::async_trait;
use framelake_wire::Topic;
use std::{fmt, time::Duration};

/// How many partitions a topic gets where each gets `partitions`: the lake's events are in total order, so theirs has one.
#[must_use]
pub fn partitions_of(topic: Topic, partitions: u32) -> u32 {
    if topic == Topic::Lake { 1 } else { partitions.max(1) }
}

/// A topic as the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Which topic.
    pub topic: Topic,
    /// Its identity.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: u32,
}

/// What of a partition is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset that can still be read.
    pub earliest: Offset,
    /// The offset that the next record will get at least.
    pub next: Offset,
}

/// How much a read returns, and how long it waits for the first record.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Most bytes of values (at least one record is returned where there is one).
    pub bytes_max: usize,
    /// How long to wait when there is nothing yet.
    pub wait_max: Duration,
}

/// Records of one partition, in the order of their offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The records; empty when nothing came in time.
    pub records: Vec<StoredRecord>,
    /// Where to read on.
    pub next: Offset,
}

/// Who consumes what.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// Consumers of one group share the partitions.
    pub group: String,
    /// This member; the same after a restart (static membership).
    pub member: String,
    /// The topics.
    pub topics: Vec<Topic>,
    /// Most bytes of values in one [`Polled::Records`].
    pub poll_bytes_max: usize,
}

/// What a poll brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// These partitions are this member's now. None of them yields records until [`Consumer::seek`] has named where to begin.
    Assigned(Vec<(TopicPartition, TopicId)>),
    /// These partitions are no longer this member's. What it has not committed is another's to read again.
    Revoked(Vec<TopicPartition>),
    /// Records of one partition, following on those before without a gap in the log.
    Records(TopicPartition, Vec<StoredRecord>),
    /// The offset asked for is not there (retention passed it, or the topic is another). No records come until a new seek.
    OutOfRange(TopicPartition, Bounds),
    /// Nothing came in time.
    Idle,
}

/// The log.
///
/// - **Order**: records of one key are read in the order of their successful appends.
/// - **Durability**: an append that returned `Ok` survives the death of any process and, for the embedded log, of the machine's power.
/// - **Unsure appends**: after an error that [`crate::Error::is_retryable`] some, all or none of the records may be there; append them all again.
///   What reads the log tells them apart by block identity.
/// - **Cancellation**: dropping the future of an append leaves it unsure; dropping that of a read changes nothing.
#[async_trait]
pub trait EventLog: fmt::Debug + Send + Sync + 'static {
    /// The topics there are, with their ids. Makes the missing ones where that is allowed.
    async fn topics(&self) -> Result<Vec<TopicDescription>>;

    /// Appends the records and returns where they stand, in their order, once all are durable.
    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Appended>>;

    /// Records of a partition from `from` on. [`crate::Error::OffsetOutOfRange`] below `earliest` or above `next`.
    async fn read(&self, topic_partition: TopicPartition, from: Offset, limits: ReadLimits) -> Result<Batch>;

    /// What of the partition is there now.
    async fn bounds(&self, topic_partition: TopicPartition) -> Result<Bounds>;

    /// A consumer of the topics, one member of its group.
    async fn consumer(&self, options: ConsumerOptions) -> Result<Box<dyn Consumer>>;

    /// Forgets records below `below`. A log that has retention of its own (Kafka) does nothing.
    async fn trim(&self, topic_partition: TopicPartition, below: Offset) -> Result<()>;

    /// Bytes that the log takes on this machine's disk; `None` where it is elsewhere.
    async fn disk_bytes(&self) -> Result<Option<u64>>;
}

/// One member of a consumer group. What it yields is at least once; who commits decides what counts.
#[async_trait]
pub trait Consumer: fmt::Debug + Send {
    /// What comes next, waiting at most `wait_max`.
    async fn poll(&mut self, wait_max: Duration) -> Result<Polled>;

    /// Reads the assigned partition from `offset` on. Does nothing where the partition is not this member's: its `Revoked` is then on the way.
    /// An offset that is not there shows at the next polls, as [`Polled::OutOfRange`].
    async fn seek(&mut self, topic_partition: TopicPartition, offset: Offset) -> Result<()>;

    /// A hint to the log of where each partition was committed to, for tools that show lag. Correctness never rests on it.
    async fn hint(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<()>;
}
