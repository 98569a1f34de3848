//! The log's trait on Kafka's clients.

use crate::{
    Options, client,
    error::{outcome, unavailable},
    group::Member,
    native::{self, Described},
    producer::{Placed, Producer},
    reader::{Ask, Readers},
    topics,
};
use async_trait::async_trait;
use framelake_log::{
    Appended, Batch, Bounds, Consumer, ConsumerOptions, Error, EventLog, NewRecord, Offset, ReadLimits, Result,
    TopicDescription, TopicId, TopicPartition,
};
use framelake_wire::{Topic, partition_for};
use rdkafka::{
    admin::{AdminClient, AdminOptions},
    error::{KafkaError, RDKafkaErrorCode},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

/// Longest that the brokers may take to answer what is asked of them all the time.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Longest until topics that were just made have leaders.
const CREATED_MAX: Duration = Duration::from_secs(20);

/// How often a partition is asked again whose leader is not settled.
const LEADER_PAUSE: Duration = Duration::from_millis(100);

/// The log on Kafka. Clones share its connections.
#[derive(Clone)]
pub struct Kafka {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    names: HashMap<Topic, Arc<str>>,
    /// As they were last seen.
    known: Mutex<HashMap<Topic, TopicDescription>>,
    admin: AdminClient<client::Logged>,
    producer: Producer,
    readers: Readers,
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka").field("brokers", &self.shared.options.brokers).finish_non_exhaustive()
    }
}

impl Kafka {
    /// Connects, and makes the topics that are missing where that is allowed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where no broker answers, [`Error::MissingTopic`] where a topic may not be made, [`Error::Unusable`] where settings or
    /// permissions are wrong.
    pub async fn connect(options: Options) -> Result<Self> {
        let shared = Shared {
            names: Topic::ALL.map(|topic| (topic, format!("{}{topic}", options.topic_prefix).into())).into(),
            known: Mutex::default(),
            admin: client::admin(&options)?,
            producer: Producer::new(&options)?,
            readers: Readers::new(&options),
            options,
        };
        let kafka = Self { shared: Arc::new(shared) };
        kafka.topics().await?;
        Ok(kafka)
    }

    pub(crate) fn options(&self) -> &Options {
        &self.shared.options
    }

    pub(crate) fn name(&self, topic: Topic) -> &Arc<str> {
        &self.shared.names[&topic]
    }

    /// The topics that are there now.
    pub(crate) async fn describe(&self) -> Result<Vec<TopicDescription>> {
        let names: Vec<String> = Topic::ALL.iter().map(|topic| self.name(*topic).to_string()).collect();
        let described = self
            .blocking(move |shared| {
                // SAFETY: `shared` holds the client for the whole call.
                unsafe { native::describe(shared.admin.inner().native_ptr(), &names, ANSWER_MAX) }
                    .map_err(|error| outcome("asking for the topics", error))
            })
            .await?;
        let prefix = self.shared.options.topic_prefix.len();
        let topic = |Described { name, id, partitions }: Described| {
            let topic = Topic::from_name(name.get(prefix..)?)?;
            Some(TopicDescription { topic, id: TopicId(id), partitions })
        };
        let topics: Vec<TopicDescription> = described.into_iter().filter_map(topic).collect();
        let mut known = self.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(topics.iter().map(|description| (description.topic, *description)));
        Ok(topics)
    }

    async fn create(&self, missing: &[Topic]) -> Result<()> {
        let brokers = self
            .blocking(|shared| {
                let metadata = shared.admin.inner().fetch_metadata(Some("framelake"), ANSWER_MAX);
                Ok(metadata.map_err(|error| outcome("asking for the brokers", error))?.brokers().len())
            })
            .await?;
        let Options { topic_prefix, partitions, .. } = &self.shared.options;
        let plans: Vec<_> =
            missing.iter().map(|topic| topics::plan(*topic, topic_prefix, *partitions, brokers)).collect();
        let new: Vec<_> = plans.iter().map(topics::Plan::new_topic).collect();
        let within = AdminOptions::new().request_timeout(Some(CREATED_MAX)).operation_timeout(Some(CREATED_MAX));
        let created = self.shared.admin.create_topics(&new, &within).await;
        for result in created.map_err(|error| outcome("making topics", error))? {
            match result {
                // Another process had the same idea.
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(outcome(&format!("making topic {name}"), KafkaError::AdminOp(code)));
                }
            }
        }
        Ok(())
    }

    fn known(&self, topic: Topic) -> Result<TopicDescription> {
        let known = self.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&topic).copied().ok_or_else(|| Error::MissingTopic { topic: self.name(topic).to_string() })
    }

    fn check_partition(&self, topic_partition: TopicPartition) -> Result<()> {
        let partitions = self.known(topic_partition.topic)?.partitions;
        if topic_partition.partition >= partitions {
            return Err(Error::NoSuchPartition { topic_partition, partitions });
        }
        Ok(())
    }

    /// Runs what blocks where it may.
    async fn blocking<T: Send + 'static>(&self, ask: impl FnOnce(&Shared) -> Result<T> + Send + 'static) -> Result<T> {
        let shared = self.shared.clone();
        let answer = spawn_blocking(move || ask(&shared)).await;
        answer.unwrap_or_else(|_| Err(unavailable("the process is shutting down")))
    }
}

#[async_trait]
impl EventLog for Kafka {
    async fn topics(&self) -> Result<Vec<TopicDescription>> {
        let deadline = Instant::now() + CREATED_MAX;
        let mut created = false;
        loop {
            let topics = self.describe().await?;
            let is_missing = |topic: &Topic| !topics.iter().any(|description| description.topic == *topic);
            let missing: Vec<Topic> = Topic::ALL.into_iter().filter(is_missing).collect();
            let Some(first) = missing.first() else { return Ok(topics) };
            if !self.shared.options.create_topics {
                return Err(Error::MissingTopic { topic: self.name(*first).to_string() });
            }
            if !created {
                self.create(&missing).await?;
                created = true;
            } else if Instant::now() > deadline {
                return Err(unavailable(format!("topic {} was made and is still not there", self.name(*first))));
            }
            // Brokers learn of a new topic one after the other.
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Appended>> {
        let place = |record: NewRecord| {
            record.check_size()?;
            let partition = partition_for(&record.key, self.known(record.topic)?.partitions);
            let at = TopicPartition { topic: record.topic, partition };
            Ok(Placed { at, topic_name: self.name(record.topic).clone(), record })
        };
        let placed = records.into_iter().map(place).collect::<Result<Vec<_>>>()?;
        self.shared.producer.append(placed).await
    }

    async fn read(&self, topic_partition: TopicPartition, from: Offset, limits: ReadLimits) -> Result<Batch> {
        let out_of_range = |bounds| Error::OffsetOutOfRange { topic_partition, offset: from, bounds };
        let bounds = self.bounds(topic_partition).await?;
        if from < bounds.earliest || from > bounds.next {
            return Err(out_of_range(bounds));
        }
        if from == bounds.next && limits.wait_max.is_zero() {
            return Ok(Batch { records: Vec::new(), next: from });
        }
        // What is there already is worth the time that a fetch takes.
        let wait_max = if from < bounds.next { limits.wait_max.max(ANSWER_MAX) } else { limits.wait_max };
        let ask = Ask {
            topic_name: self.name(topic_partition.topic).clone(),
            partition: topic_partition.partition,
            from,
            limits: ReadLimits { wait_max, ..limits },
        };
        let abandoned = Abandon::default();
        let flag = abandoned.0.clone();
        match self.blocking(move |shared| shared.readers.read(&ask, &flag)).await? {
            Some(batch) => Ok(batch),
            None => Err(out_of_range(self.bounds(topic_partition).await?)),
        }
    }

    async fn bounds(&self, topic_partition: TopicPartition) -> Result<Bounds> {
        self.check_partition(topic_partition)?;
        let deadline = Instant::now() + ANSWER_MAX;
        loop {
            let name = self.name(topic_partition.topic).clone();
            let watermarks = self.blocking(move |shared| {
                let client = shared.admin.inner();
                Ok(client.fetch_watermarks(&name, topic_partition.partition.cast_signed(), ANSWER_MAX))
            });
            match watermarks.await? {
                Ok((earliest, next)) => return Ok(Bounds { earliest: Offset(earliest), next: Offset(next) }),
                Err(error) if leader_is_moving(&error) && Instant::now() < deadline => sleep(LEADER_PAUSE).await,
                Err(error) => return Err(outcome("asking for bounds", error)),
            }
        }
    }

    async fn consumer(&self, options: ConsumerOptions) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(Member::join(self.clone(), options)?))
    }

    /// Kafka has retention of its own.
    async fn trim(&self, topic_partition: TopicPartition, _below: Offset) -> Result<()> {
        self.check_partition(topic_partition)
    }

    async fn disk_bytes(&self) -> Result<Option<u64>> {
        Ok(None)
    }
}

/// Whether a broker said that it is not (yet, or no longer) the one to ask: it passes within moments of making a topic or losing a broker.
fn leader_is_moving(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::FencedLeaderEpoch
                | RDKafkaErrorCode::UnknownLeaderEpoch
        )
    )
}

/// Tells a blocking read that nobody waits for it any more.
#[derive(Default)]
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
