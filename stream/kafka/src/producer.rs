//! Appends: an idempotent producer, and a task per append that waits for its delivery reports.

use crate::{Options, client, error::outcome, error::unavailable};
use framelake_log::{Appended, Error, NewRecord, Offset, RECORD_BYTES_MAX, Result, TopicPartition};
use rdkafka::{
    ClientConfig, ClientContext,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{DeliveryResult, Header, Message, OwnedHeaders},
    producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

/// How long a record may be on its way. With the broker gone librdkafka was seen to report it within a second after; that is below the ten
/// seconds after which a gateway tells its client to send again, so what is given up there is given up here too.
const DELIVERY_MAX: Duration = Duration::from_secs(8);

/// How often a full queue is tried again: librdkafka frees it with every delivered batch.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(5);

pub(crate) struct Producer {
    config: ClientConfig,
    /// Replaced after an error that librdkafka calls fatal; appends under way keep theirs.
    current: Mutex<Arc<ThreadedProducer<Reports>>>,
}

/// A record with its place, as the log wants it.
pub(crate) struct Placed {
    pub(crate) record: NewRecord,
    pub(crate) at: TopicPartition,
    pub(crate) topic_name: Arc<str>,
}

impl Producer {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let mut config = client::config(
            options,
            &[
                // Long enough that records of one batch travel together, not long enough to be felt.
                ("linger.ms", "2"),
                // 64 MiB, as much as the gateway takes in.
                ("queue.buffering.max.kbytes", "65536"),
            ],
        );
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // Blocks are compressed already.
            .set("compression.type", "none")
            .set("message.max.bytes", (1024 * 1024).to_string())
            .set("message.timeout.ms", DELIVERY_MAX.as_millis().to_string());
        let current = Mutex::new(Arc::new(connect(&config)?));
        Ok(Self { config, current })
    }

    /// Sends all and waits until each is acknowledged.
    pub(crate) async fn append(&self, records: Vec<Placed>) -> Result<Vec<Appended>> {
        let producer = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (sender, mut reports) = mpsc::unbounded_channel();
        let mut failed = None;
        for (index, placed) in records.iter().enumerate() {
            if let Err(error) = enqueue(&producer, placed, Box::new(Ticket { index, reports: sender.clone() })).await {
                failed = Some(error);
                break;
            }
        }
        drop(sender);
        let mut offsets = vec![None; records.len()];
        // All reports are awaited, also after a failure: whoever appends again must not overtake what is still on its way.
        while let Some((index, report)) = reports.recv().await {
            match report {
                Ok(offset) => offsets[index] = Some(Offset(offset)),
                Err(error) => failed = Some(refused(error)),
            }
        }
        if let Some(error) = failed {
            // Also where it took nothing at all: that is how a producer answers once it has ended.
            self.replace_if_fatal(&producer);
            return Err(error);
        }
        let appended = |(placed, offset): (Placed, Option<Offset>)| {
            let offset = offset.ok_or_else(|| unavailable("a record was not reported as delivered"))?;
            Ok(Appended { topic_partition: placed.at, offset })
        };
        records.into_iter().zip(offsets).map(appended).collect()
    }

    /// A fatal error (lost producer state on the brokers, for one) ends a producer for good; a new one begins with a new identity.
    fn replace_if_fatal(&self, failed: &Arc<ThreadedProducer<Reports>>) {
        let Some((code, reason)) = failed.client().fatal_error() else { return };
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&current, failed) {
            return;
        }
        tracing::warn!(%code, reason, "the Kafka producer ended; a new one takes its place");
        match connect(&self.config) {
            Ok(producer) => *current = Arc::new(producer),
            Err(error) => {
                tracing::warn!(%error, "no new Kafka producer could be made; it is tried again with the next append")
            }
        }
    }
}

fn connect(config: &ClientConfig) -> Result<ThreadedProducer<Reports>> {
    ThreadedProducer::from_config_and_context(config, Reports)
        .map_err(|error| outcome("setting up the producer", error))
}

/// Hands one record to librdkafka, waiting while its queue is full.
async fn enqueue(producer: &ThreadedProducer<Reports>, placed: &Placed, ticket: Box<Ticket>) -> Result<()> {
    let record = &placed.record;
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
    for (name, value) in &record.headers {
        headers = headers.insert(Header { key: name, value: Some(&value[..]) });
    }
    let mut message = BaseRecord::with_opaque_to(&placed.topic_name, ticket)
        .partition(placed.at.partition.cast_signed())
        .key(&record.key[..])
        .payload(&record.value[..])
        .headers(headers);
    let deadline = Instant::now() + DELIVERY_MAX;
    loop {
        message = match producer.send(message) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), message)) if Instant::now() < deadline => {
                message
            }
            Err((error, _)) => return Err(refused(error)),
        };
        sleep(QUEUE_FULL_PAUSE).await;
    }
}

fn refused(error: KafkaError) -> Error {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
            Error::RecordTooLarge { bytes: RECORD_BYTES_MAX, limit: RECORD_BYTES_MAX }
        }
        _ => outcome("appending", error),
    }
}

/// Which record of which append a report is for.
struct Ticket {
    index: usize,
    reports: mpsc::UnboundedSender<(usize, KafkaResult<i64>)>,
}

/// Passes delivery reports on.
#[derive(Debug)]
struct Reports;

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::log_error(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        let report = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.clone()),
        };
        // Nobody waits where the append was dropped; it is unsure then, as the contract says.
        let _ = ticket.reports.send((ticket.index, report));
    }
}
