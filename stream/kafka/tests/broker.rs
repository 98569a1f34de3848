//! On a real broker, named by `FRAMELAKE_TEST_KAFKA=host:port`; without it these say that they were skipped.

use async_trait::async_trait;
use framelake_kafka::{Kafka, Options};
use framelake_log::{
    Bounds, Consumer, ConsumerOptions, Error, EventLog, NewRecord, Offset, Polled, ReadLimits, StoredRecord, TopicId,
    TopicPartition,
    contract::{self, Factory},
};
use framelake_wire::Topic;
use rdkafka::{
    ClientConfig, TopicPartitionList,
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    client::DefaultClientContext,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(30);

/// Options for topics that nobody else uses, or `None` where there is no broker.
fn broker(test: &str) -> Option<Options> {
    let Ok(brokers) = std::env::var("FRAMELAKE_TEST_KAFKA") else {
        println!("SKIPPED {test}: set FRAMELAKE_TEST_KAFKA=host:port, or run cargo xtask services up");
        return None;
    };
    let topic_prefix = format!("test-{}.", Uuid::new_v4().simple());
    Some(Options { partitions: 3, topic_prefix, ..Options::new(brokers) })
}

fn admin(options: &Options) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &options.brokers).create().expect("an admin client")
}

async fn delete_topics(options: &Options, topics: &[Topic]) {
    let names: Vec<String> = topics.iter().map(|topic| format!("{}{topic}", options.topic_prefix)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let within = AdminOptions::new().operation_timeout(Some(PATIENCE));
    for deleted in admin(options).delete_topics(&names, &within).await.expect("delete") {
        deleted.expect("deleted");
    }
}

fn record(topic: Topic, key: &str, value: impl ToString) -> NewRecord {
    NewRecord { topic, key: key.to_owned().into(), value: value.to_string().into(), headers: vec![] }
}

struct OnKafka {
    options: Options,
    made: Mutex<Vec<Options>>,
}

#[async_trait]
impl Factory for OnKafka {
    async fn fresh(&self) -> Arc<dyn EventLog> {
        let topic_prefix = format!("test-{}.", Uuid::new_v4().simple());
        let options = Options { topic_prefix, ..self.options.clone() };
        self.made.lock().unwrap().push(options);
        self.reopen().await
    }

    async fn reopen(&self) -> Arc<dyn EventLog> {
        let options = self.made.lock().unwrap().last().expect("one was made").clone();
        Arc::new(Kafka::connect(options).await.expect("connect"))
    }

    fn trims(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_on_kafka_holds_the_contract() {
    let Some(options) = broker("the contract") else { return };
    let factory = OnKafka { options, made: Mutex::default() };
    contract::run(&factory).await;
    for options in factory.made.into_inner().unwrap() {
        delete_topics(&options, &Topic::ALL).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_get_their_settings_and_missing_ones_are_an_error_where_they_may_not_be_made() {
    let Some(options) = broker("settings of topics") else { return };
    let strict = Options { create_topics: false, ..options.clone() };
    let error = Kafka::connect(strict.clone()).await.unwrap_err();
    assert!(matches!(&error, Error::MissingTopic { topic } if topic.starts_with(&options.topic_prefix)), "{error:?}");
    Kafka::connect(options.clone()).await.unwrap();
    Kafka::connect(strict).await.expect("they are there now");

    let names = Topic::ALL.map(|topic| format!("{}{topic}", options.topic_prefix));
    let resources: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let described = admin(&options).describe_configs(&resources, &AdminOptions::new()).await.unwrap();
    let setting = |index: usize, name: &str| -> String {
        described[index].as_ref().unwrap().get(name).and_then(|entry| entry.value.clone()).unwrap_or_default()
    };
    for (index, topic) in Topic::ALL.into_iter().enumerate() {
        assert_eq!(setting(index, "max.message.bytes"), "1048576", "{topic}");
        let policy = if topic == Topic::Processes { "compact" } else { "delete" };
        assert_eq!(setting(index, "cleanup.policy"), policy, "{topic}");
    }
    let spans = Topic::ALL.iter().position(|topic| *topic == Topic::Spans).unwrap();
    assert_eq!(setting(spans, "retention.ms"), (2 * 24 * 3600 * 1000).to_string());
    delete_topics(&options, &Topic::ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_unavailable_and_says_what_to_do() {
    let error = Kafka::connect(Options::new("127.0.0.1:1")).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    let error = Kafka::connect(Options {
        properties: [("no.such.setting".to_owned(), "1".to_owned())].into(),
        ..Options::new("127.0.0.1:1")
    });
    let error = error.await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("no.such.setting"), "{error}");
}

/// A member that begins every partition where it is committed, as the writer does.
struct Worker {
    consumer: Box<dyn Consumer>,
    owned: BTreeSet<TopicPartition>,
}

type Committed = Arc<Mutex<BTreeMap<TopicPartition, (Offset, Vec<String>)>>>;

impl Worker {
    async fn join(log: &Kafka, member: &str) -> Self {
        let options = ConsumerOptions {
            group: "workers".into(),
            member: member.into(),
            topics: vec![Topic::Spans],
            poll_bytes_max: 1 << 20,
        };
        Self { consumer: log.consumer(options).await.unwrap(), owned: BTreeSet::new() }
    }

    /// Polls once and commits what came, as long as it follows on what is committed.
    async fn work(&mut self, committed: &Committed) {
        match self.consumer.poll(Duration::from_millis(200)).await.unwrap() {
            Polled::Assigned(partitions) => {
                for (at, _) in partitions {
                    assert!(self.owned.insert(at), "{at} was assigned twice");
                    let from = committed.lock().unwrap().get(&at).map_or(Offset(0), |(next, _)| *next);
                    self.consumer.seek(at, from).await.unwrap();
                }
            }
            Polled::Revoked(partitions) => {
                for at in partitions {
                    assert!(self.owned.remove(&at), "{at} was revoked and not owned");
                }
            }
            Polled::Records(at, records) => {
                assert!(self.owned.contains(&at), "{at} is not this member's");
                let mut committed = committed.lock().unwrap();
                let (next, values) = committed.entry(at).or_default();
                // Another member may have been faster; then this batch is dropped.
                if records[0].offset == *next {
                    *next = Offset(records.last().unwrap().offset.0 + 1);
                    values.extend(
                        records.iter().map(|StoredRecord { value, .. }| String::from_utf8_lossy(value).into_owned()),
                    );
                }
            }
            Polled::OutOfRange(at, bounds) => panic!("{at} has {bounds:?}"),
            Polled::Idle => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_share_the_partitions_and_take_over_without_loss() {
    let Some(options) = broker("sharing of partitions") else { return };
    let log = Kafka::connect(options.clone()).await.unwrap();
    let committed = Committed::default();
    let mut appended = BTreeSet::new();
    let mut append = async |round: usize| {
        let records = (0..60).map(|i| record(Topic::Spans, &format!("key-{i}"), format!("{round}-{i}")));
        appended.extend((0..60).map(|i| format!("{round}-{i}")));
        log.append(records.collect()).await.unwrap();
        appended.len()
    };
    let count =
        |committed: &Committed| committed.lock().unwrap().values().map(|(_, values)| values.len()).sum::<usize>();

    let mut first = Worker::join(&log, "a").await;
    let expected = append(0).await;
    let started = Instant::now();
    while count(&committed) < expected && started.elapsed() < PATIENCE {
        first.work(&committed).await;
    }
    assert_eq!(first.owned.len(), 3, "alone it has all");

    let mut second = Worker::join(&log, "b").await;
    append(1).await;
    let started = Instant::now();
    while (second.owned.is_empty() || first.owned.len() + second.owned.len() != 3) && started.elapsed() < PATIENCE {
        tokio::join!(first.work(&committed), second.work(&committed));
    }
    assert!(!second.owned.is_empty() && first.owned.is_disjoint(&second.owned), "{:?} {:?}", first.owned, second.owned);

    // A static member that is gone for good is missed after its session of six seconds.
    drop(first);
    let expected = append(2).await;
    let started = Instant::now();
    while (count(&committed) < expected || second.owned.len() < 3) && started.elapsed() < PATIENCE {
        second.work(&committed).await;
    }
    assert_eq!(second.owned.len(), 3, "the other took over");
    let values: Vec<String> = committed.lock().unwrap().values().flat_map(|(_, values)| values).cloned().collect();
    assert_eq!(values.len(), appended.len(), "nothing twice");
    assert_eq!(values.into_iter().collect::<BTreeSet<_>>(), appended, "nothing lost");
    drop(second);
    delete_topics(&options, &Topic::ALL).await;
}

async fn lake_consumer(log: &Kafka) -> (Box<dyn Consumer>, TopicPartition, TopicId) {
    let options = ConsumerOptions {
        group: "lake".into(),
        member: "a".into(),
        topics: vec![Topic::Lake],
        poll_bytes_max: 1 << 20,
    };
    let mut consumer = log.consumer(options).await.unwrap();
    match next(&mut *consumer).await {
        Polled::Assigned(partitions) => (consumer, partitions[0].0, partitions[0].1),
        other => panic!("{other:?}"),
    }
}

async fn next(consumer: &mut dyn Consumer) -> Polled {
    let started = Instant::now();
    loop {
        match consumer.poll(Duration::from_secs(1)).await.unwrap() {
            Polled::Idle => assert!(started.elapsed() < PATIENCE, "nothing came"),
            polled => return polled,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_retention_took_are_out_of_range() {
    let Some(options) = broker("retention") else { return };
    let log = Kafka::connect(options.clone()).await.unwrap();
    log.append((0..10).map(|i| record(Topic::Lake, "k", i)).collect()).await.unwrap();
    let (mut consumer, at, _) = lake_consumer(&log).await;
    let mut below = TopicPartitionList::new();
    let name = format!("{}{}", options.topic_prefix, Topic::Lake);
    below.add_partition_offset(&name, 0, rdkafka::Offset::Offset(6)).unwrap();
    admin(&options).delete_records(&below, &AdminOptions::new()).await.unwrap();

    let bounds = Bounds { earliest: Offset(6), next: Offset(10) };
    let limits = ReadLimits { bytes_max: 1024, wait_max: Duration::from_secs(1) };
    let read = log.read(at, Offset(3), limits).await;
    assert!(matches!(read, Err(Error::OffsetOutOfRange { bounds: there, .. }) if there == bounds), "{read:?}");
    consumer.seek(at, Offset(3)).await.unwrap();
    assert_eq!(next(&mut *consumer).await, Polled::OutOfRange(at, bounds));
    consumer.seek(at, Offset(6)).await.unwrap();
    assert!(matches!(next(&mut *consumer).await, Polled::Records(_, records) if records[0].offset == Offset(6)));
    drop(consumer);
    delete_topics(&options, &Topic::ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_made_again_is_another_log() {
    let Some(options) = broker("topics made again") else { return };
    let log = Kafka::connect(options.clone()).await.unwrap();
    log.append((0..5).map(|i| record(Topic::Lake, "k", format!("old {i}"))).collect()).await.unwrap();
    let (mut consumer, at, old) = lake_consumer(&log).await;
    consumer.seek(at, Offset(0)).await.unwrap();
    assert!(matches!(next(&mut *consumer).await, Polled::Records(..)));

    delete_topics(&options, &[Topic::Lake]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let topics = log.topics().await.expect("made again");
    let new = topics.iter().find(|topic| topic.topic == Topic::Lake).unwrap().id;
    assert_ne!(old, new);
    // More than before, so that the old position is within its bounds: only the id tells them apart.
    let started = Instant::now();
    while let Err(error) = log.append((0..9).map(|i| record(Topic::Lake, "k", format!("new {i}"))).collect()).await {
        assert!(error.is_retryable() && started.elapsed() < PATIENCE, "{error:?}");
    }
    // Whatever the consumer says in between, what counts is that it announces the new log, and reads all of it.
    let mut assigned = None;
    let mut values = Vec::new();
    while values.len() < 9 {
        match next(&mut *consumer).await {
            Polled::Assigned(partitions) => {
                for (at, id) in partitions {
                    assigned = Some(id);
                    values.clear();
                    consumer.seek(at, Offset(0)).await.unwrap();
                }
            }
            Polled::Revoked(_) => assigned = None,
            Polled::Records(_, records) if assigned == Some(new) => {
                values.extend(records.into_iter().map(|record| record.value))
            }
            Polled::Records(..) | Polled::OutOfRange(..) | Polled::Idle => {}
        }
    }
    assert_eq!(assigned, Some(new));
    assert_eq!(values, (0..9).map(|i| format!("new {i}")).collect::<Vec<_>>());
    drop(consumer);
    delete_topics(&options, &Topic::ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_caller_loses_nothing() {
    let Some(options) = broker("a slow caller") else { return };
    let log = Kafka::connect(options.clone()).await.unwrap();
    let value = "x".repeat(64 * 1024);
    for _ in 0..20 {
        log.append((0..10).map(|_| record(Topic::Lake, "k", &value)).collect()).await.unwrap();
    }
    let (mut consumer, at, _) = lake_consumer(&log).await;
    consumer.seek(at, Offset(0)).await.unwrap();
    // Long enough that the thread's patience ends and it pauses, with the channel full.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut offsets = Vec::new();
    while offsets.len() < 200 {
        match next(&mut *consumer).await {
            Polled::Records(_, records) => {
                assert!(records.iter().map(|record| record.value.len()).sum::<usize>() <= 1 << 20);
                offsets.extend(records.into_iter().map(|record| record.offset.0));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(offsets, (0..200).collect::<Vec<_>>());
    drop(consumer);
    delete_topics(&options, &Topic::ALL).await;
}
