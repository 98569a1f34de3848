//! Straight to Kafka: the same records, keyed and partitioned as the gateway does it.

use crate::{Deliver, Error, Outcome, Outgoing, Refusal, Result};
use framelake_wire::Record;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Within an attempt's time, so that the broker's verdict comes before the sender gives up on the attempt.
const MESSAGE_TIMEOUT_MS: &str = "15000";
/// How long one look for verdicts waits.
const POLL: Duration = Duration::from_millis(100);

/// Produces records to Kafka, one batch at a time, and waits for all of its acknowledgements.
pub struct Kafka {
    servers: String,
    producer: BaseProducer<Verdicts>,
    verdicts: Arc<Mutex<Vec<Verdict>>>,
    /// Tells verdicts on this attempt from late ones on an earlier.
    attempt: usize,
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka").field("servers", &self.servers).finish_non_exhaustive()
    }
}

/// What the broker said of one record.
struct Verdict {
    tag: usize,
    error: Option<KafkaError>,
}

/// Collects verdicts while the producer is polled.
struct Verdicts(Arc<Mutex<Vec<Verdict>>>);

impl ClientContext for Verdicts {}

impl ProducerContext for Verdicts {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: usize) {
        let error = result.as_ref().err().map(|(error, _)| error.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Verdict { tag, error });
    }
}

/// Bits of a tag that say which record of the batch it is; a batch of the smallest records has fewer.
const INDEX_BITS: u32 = 20;
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;

impl Kafka {
    /// A carrier to the brokers `servers` (`host:port`, several with commas). Connects on its own, also when nobody is there yet.
    ///
    /// # Errors
    /// The Kafka client refuses its configuration.
    pub fn new(servers: &str) -> Result<Self> {
        let verdicts = Arc::<Mutex<Vec<Verdict>>>::default();
        let producer = producer(servers, verdicts.clone())?;
        Ok(Self { servers: servers.to_owned(), producer, verdicts, attempt: 0 })
    }

    fn produce(&self, index: usize, record: &Outgoing, deadline: Instant) -> Result<(), KafkaError> {
        let key = record.process_id.to_string();
        let headers = headers(&record.bytes);
        let tag = self.attempt << INDEX_BITS | index;
        let mut message = BaseRecord::with_opaque_to(record.topic.name(), tag).key(&key).payload(&record.bytes);
        if let Some(headers) = headers {
            message = message.headers(headers);
        }
        while let Err((error, unsent)) = self.producer.send(message) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) || Instant::now() >= deadline {
                return Err(error);
            }
            self.producer.poll(POLL);
            message = unsent;
        }
        Ok(())
    }
}

impl Deliver for Kafka {
    fn deliver(&mut self, batch: &[Outgoing], deadline: Instant) -> Outcome {
        if let Some((code, reason)) = self.producer.client().fatal_error() {
            // The idempotent producer lost count of its records; block ids make a new one safe.
            match producer(&self.servers, self.verdicts.clone()) {
                Ok(fresh) => self.producer = fresh,
                Err(error) => return retry(format!("{code}: {reason}; {error}")),
            }
        }
        self.attempt = (self.attempt + 1) & (usize::MAX >> INDEX_BITS);
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).clear();

        let mut refused = Vec::new();
        let mut failed = None;
        let mut waiting = 0;
        for (index, record) in batch.iter().enumerate().take(INDEX_MASK) {
            match self.produce(index, record, deadline) {
                Ok(()) => waiting += 1,
                Err(error) if is_permanent(&error) => refused.push(Refusal { index, reason: error.to_string() }),
                Err(error) => {
                    failed = Some(error.to_string());
                    break;
                }
            }
        }
        while waiting > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.producer.purge(PurgeConfig::default().queue().inflight());
                failed = Some("the brokers did not answer in time".to_owned());
                break;
            }
            self.producer.poll(left.min(POLL));
            for verdict in std::mem::take(&mut *self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)) {
                if verdict.tag >> INDEX_BITS != self.attempt {
                    continue;
                }
                waiting -= 1;
                match verdict.error {
                    None => {}
                    Some(error) if is_permanent(&error) => {
                        refused.push(Refusal { index: verdict.tag & INDEX_MASK, reason: error.to_string() });
                    }
                    Some(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut) => {
                        failed =
                            Some("no acknowledgement in time; are the brokers up, and do the topics exist?".into());
                    }
                    Some(error) => failed = Some(error.to_string()),
                }
            }
        }
        match failed {
            Some(reason) => retry(reason),
            None if batch.len() > INDEX_MASK => Outcome::TooLarge,
            // A broker has no word to say on what is recorded.
            None => Outcome::Kept { refused, control: None },
        }
    }

    fn destination(&self) -> String {
        format!("kafka://{}", self.servers)
    }
}

fn producer(servers: &str, verdicts: Arc<Mutex<Vec<Verdict>>>) -> Result<BaseProducer<Verdicts>> {
    ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("client.id", "framelake-sdk")
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // Blocks are compressed already.
        .set("compression.type", "none")
        // As Kafka's Java clients and our gateway: one process keeps to one partition.
        .set("partitioner", "murmur2_random")
        // Topics take messages of 1 MiB.
        .set("message.max.bytes", "1048576")
        .set("message.timeout.ms", MESSAGE_TIMEOUT_MS)
        .set("linger.ms", "5")
        .set_log_level(RDKafkaLogLevel::Critical)
        .create_with_context(Verdicts(verdicts))
        .map_err(|error| Error::Kafka(error.to_string()))
}

/// The headers that let people see what a record is. A record that does not decode goes without.
fn headers(record: &[u8]) -> Option<OwnedHeaders> {
    let headers = Record::decode(record).ok()?.headers();
    let start = OwnedHeaders::new_with_capacity(headers.len());
    Some(headers.iter().fold(start, |headers, (key, value)| headers.insert(Header { key, value: Some(value) })))
}

/// Whether the same record would fail again and again.
fn is_permanent(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidMessage
                | RDKafkaErrorCode::InvalidMessageSize
                | RDKafkaErrorCode::InvalidRecord
        )
    )
}

fn retry(reason: String) -> Outcome {
    Outcome::Retry { after: None, reason }
}
