//! Single reads: a few consumers that take one partition each when asked.

use crate::{Options, client, error::outcome, native};
use bytes::Bytes;
use framelake_log::{Batch, Offset, ReadLimits, Result, StoredRecord};
use rdkafka::{
    ClientConfig, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Message},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Most idle consumers that are kept; each costs a connection or two and some threads.
const IDLE_MAX: usize = 4;

/// How soon a read that nobody waits for any more ends.
const SLICE: Duration = Duration::from_millis(100);

impl ConsumerContext for client::Logged {}

/// Consumers for single reads.
pub(crate) struct Readers {
    config: ClientConfig,
    idle: Mutex<Vec<BaseConsumer<client::Logged>>>,
}

/// What to read.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) topic_name: Arc<str>,
    pub(crate) partition: u32,
    pub(crate) from: Offset,
    pub(crate) limits: ReadLimits,
}

impl Readers {
    pub(crate) fn new(options: &Options) -> Self {
        let mut config =
            client::config(options, &[("fetch.wait.max.ms", "100"), ("queued.max.messages.kbytes", "8192")]);
        config
            // Never joined; librdkafka will not assign without the name of one.
            .set("group.id", format!("{}framelake-read-{}", options.topic_prefix, Uuid::new_v4()))
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error");
        Self { config, idle: Mutex::new(Vec::new()) }
    }

    /// Reads; `None` where the offset turned out not to be there. Blocks; ends early when `abandoned` is set.
    pub(crate) fn read(&self, ask: &Ask, abandoned: &AtomicBool) -> Result<Option<Batch>> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let consumer = match idle {
            Some(consumer) => consumer,
            None => BaseConsumer::from_config_and_context(&self.config, client::Logged)
                .map_err(|error| outcome("setting up a reader", error))?,
        };
        // A consumer that saw an error is not used again: late echoes of it would reach the next read.
        let batch = read(&consumer, ask, abandoned).map_err(|error| outcome("reading", error))?;
        consumer.unassign().map_err(|error| outcome("ending a read", error))?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if batch.is_some() && idle.len() < IDLE_MAX {
            idle.push(consumer);
        }
        Ok(batch)
    }
}

fn read(
    consumer: &BaseConsumer<client::Logged>,
    ask: &Ask,
    abandoned: &AtomicBool,
) -> Result<Option<Batch>, KafkaError> {
    let mut assignment = TopicPartitionList::new();
    let partition = ask.partition.cast_signed();
    assignment.add_partition_offset(&ask.topic_name, partition, rdkafka::Offset::Offset(ask.from.0))?;
    consumer.assign(&assignment)?;
    let deadline = Instant::now() + ask.limits.wait_max.min(Duration::from_secs(24 * 60 * 60));
    let mut batch = Batch { records: Vec::new(), next: ask.from };
    let mut bytes = 0;
    let mut trouble = None;
    loop {
        let left =
            if batch.records.is_empty() { deadline.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
        match consumer.poll(left.min(SLICE)) {
            Some(Ok(message)) => {
                let record = stored(&message);
                bytes += record.value.len();
                if bytes > ask.limits.bytes_max && !batch.records.is_empty() {
                    return Ok(Some(batch));
                }
                batch.next = Offset(record.offset.0 + 1);
                batch.records.push(record);
            }
            Some(Err(error)) if is_out_of_range(&error) => return Ok(None),
            // Brokers come back; only when none did in time is it an error.
            Some(Err(error)) => trouble = Some(error),
            None if !batch.records.is_empty() || abandoned.load(Ordering::Relaxed) => return Ok(Some(batch)),
            None if Instant::now() >= deadline => return trouble.map_or(Ok(Some(batch)), Err),
            None => {}
        }
    }
}

/// Whether the partition has nothing at the offset asked for.
pub(crate) fn is_out_of_range(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange))
}

pub(crate) fn stored(message: &BorrowedMessage<'_>) -> StoredRecord {
    let copy = |bytes: Option<&[u8]>| Bytes::copy_from_slice(bytes.unwrap_or_default());
    StoredRecord {
        offset: Offset(message.offset()),
        timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
        key: copy(message.key()),
        value: copy(message.payload()),
        headers: native::headers(message),
    }
}
