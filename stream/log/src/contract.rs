//! What every log must do, as tests: `contract::run(&factory).await` in an async test of each implementation.
//!
//! A fact that does not hold panics and names itself.

use crate::{
    Appended, Batch, Bounds, Consumer, ConsumerOptions, Error, EventLog, NewRecord, Offset, Polled, RECORD_BYTES_MAX,
    ReadLimits, StoredRecord, TopicPartition,
};
use async_trait::async_trait;
use bytes::Bytes;
use framelake_wire::{Topic, partition_for};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

/// Makes the logs that the facts are tried on.
#[async_trait]
pub trait Factory: Send + Sync {
    /// An empty log of three partitions per topic.
    async fn fresh(&self) -> Arc<dyn EventLog>;

    /// The log made last, closed and opened again.
    async fn reopen(&self) -> Arc<dyn EventLog>;

    /// Whether [`EventLog::trim`] forgets records here.
    fn trims(&self) -> bool;
}

/// Longer than any of these takes on a slow machine with a real broker.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tries every fact, each on a log of its own.
pub async fn run(factory: &dyn Factory) {
    topics_are_there_and_distinct(&*factory.fresh().await).await;
    a_record_comes_back_as_it_was(&*factory.fresh().await).await;
    records_of_a_key_keep_their_order(&*factory.fresh().await).await;
    reads_keep_to_their_limits(&*factory.fresh().await).await;
    a_waiting_read_wakes_up(factory.fresh().await).await;
    offsets_beyond_the_ends_are_refused(&*factory.fresh().await).await;
    many_may_append_at_once(factory.fresh().await).await;
    an_oversized_record_is_refused_and_the_largest_is_not(&*factory.fresh().await).await;
    a_consumer_reads_from_where_it_is_told(&*factory.fresh().await).await;
    a_consumer_starves_no_partition(&*factory.fresh().await).await;
    a_consumer_says_when_its_offset_is_not_there(&*factory.fresh().await).await;
    a_log_is_the_same_when_opened_again(factory).await;
    if factory.trims() {
        trimmed_records_are_gone_and_their_offsets_stay_used(factory).await;
        a_trim_leaves_the_other_partitions_alone(&*factory.fresh().await).await;
        a_trim_under_a_consumer_shows(&*factory.fresh().await).await;
    }
}

async fn topics_are_there_and_distinct(log: &dyn EventLog) {
    let topics = log.topics().await.expect("topics");
    let names: BTreeSet<Topic> = topics.iter().map(|topic| topic.topic).collect();
    assert_eq!(names, BTreeSet::from(Topic::ALL), "every topic is there");
    let ids: BTreeSet<_> = topics.iter().map(|topic| topic.id.0).collect();
    assert_eq!(ids.len(), topics.len(), "every topic has an id of its own");
    for topic in topics {
        assert_eq!(topic.partitions, if topic.topic == Topic::Lake { 1 } else { 3 }, "partitions of {}", topic.topic);
    }
}

async fn a_record_comes_back_as_it_was(log: &dyn EventLog) {
    let record = NewRecord {
        topic: Topic::Spans,
        key: Bytes::from_static(b"0190163d-8694-739b-aea5-966c26f8ad91"),
        value: Bytes::from((0..=255).cycle().take(70_000).collect::<Vec<u8>>()),
        headers: vec![("content-type".into(), "x/y".into()), ("leer".into(), Bytes::new())],
    };
    let before = now_ms();
    let appended = log.append(vec![record.clone()]).await.expect("append");
    let at = appended[0].topic_partition;
    assert_eq!(at, TopicPartition { topic: Topic::Spans, partition: partition_for(&record.key, 3) });
    let StoredRecord { offset, timestamp_ms, key, value, headers } =
        read(log, at, appended[0].offset).await.records.remove(0);
    assert_eq!(offset, appended[0].offset);
    assert!((before - 60_000..=now_ms() + 60_000).contains(&timestamp_ms), "{timestamp_ms} is not about now");
    assert_eq!((key, value, headers), (record.key, record.value, record.headers));
    assert_eq!(log.append(vec![]).await.expect("append nothing"), vec![]);
}

async fn records_of_a_key_keep_their_order(log: &dyn EventLog) {
    // murmur2 of Kafka's Java client: "abc" gives 479470107, which 3 divides.
    let at = TopicPartition { topic: Topic::Logs, partition: 0 };
    let mut appended = Vec::new();
    for batch in 0..5 {
        let records = (0..20).map(|i| record(Topic::Logs, "abc", format!("{}", batch * 20 + i))).collect();
        appended.extend(log.append(records).await.expect("append"));
    }
    assert!(appended.iter().all(|appended| appended.topic_partition == at), "one key, one partition: {appended:?}");
    assert!(appended.is_sorted_by(|a, b| a.offset < b.offset), "offsets grow: {appended:?}");
    let stored = read_to(log, at, appended[0].offset, appended[99].offset).await;
    let offsets: Vec<Offset> = stored.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, appended.iter().map(|appended| appended.offset).collect::<Vec<_>>());
    let values: Vec<String> = stored.iter().map(text).collect();
    assert_eq!(values, (0..100).map(|i| i.to_string()).collect::<Vec<_>>());
}

async fn reads_keep_to_their_limits(log: &dyn EventLog) {
    let kib = |i: u8| NewRecord { value: Bytes::from(vec![i; 1024]), ..record(Topic::Lake, "k", String::new()) };
    let appended = log.append((0..8).map(kib).collect()).await.expect("append");
    let at = appended[0].topic_partition;
    let limits = |bytes_max| ReadLimits { bytes_max, wait_max: PATIENCE };
    let batch = log.read(at, appended[0].offset, limits(3 * 1024)).await.expect("read");
    assert!((1..=3).contains(&batch.records.len()), "{} records of 1 KiB in 3 KiB", batch.records.len());
    let batch = log.read(at, batch.next, limits(1)).await.expect("read");
    assert_eq!(batch.records.len(), 1, "at least one record, whatever the limit");
    let end = log.bounds(at).await.expect("bounds").next;
    let started = Instant::now();
    let wait_max = Duration::from_millis(50);
    let batch = log.read(at, end, ReadLimits { bytes_max: 1024, wait_max }).await.expect("read at the end");
    assert_eq!(batch, Batch { records: vec![], next: end });
    assert!(started.elapsed() >= Duration::from_millis(40), "a read at the end waits as long as it may");
}

async fn a_waiting_read_wakes_up(log: Arc<dyn EventLog>) {
    let first = log.append(vec![record(Topic::Lake, "k", "first".into())]).await.expect("append")[0];
    let from = Offset(first.offset.0 + 1);
    let limits = ReadLimits { bytes_max: 1024, wait_max: PATIENCE };
    let (reader, at) = (log.clone(), first.topic_partition);
    let reading = tokio::spawn(async move { reader.read(at, from, limits).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!reading.is_finished(), "there is nothing to read yet");
    let started = Instant::now();
    log.append(vec![record(Topic::Lake, "k", "second".into())]).await.expect("append");
    let batch = reading.await.expect("no panic").expect("read");
    assert_eq!(batch.records.iter().map(text).collect::<Vec<_>>(), ["second"]);
    assert!(started.elapsed() < PATIENCE / 2, "the append wakes the reader, not the end of its wait");
}

async fn offsets_beyond_the_ends_are_refused(log: &dyn EventLog) {
    let appended = log.append(vec![record(Topic::Lake, "k", "only".into())]).await.expect("append")[0];
    let at = appended.topic_partition;
    let bounds = log.bounds(at).await.expect("bounds");
    assert_eq!(bounds, Bounds { earliest: appended.offset, next: Offset(appended.offset.0 + 1) });
    for offset in [Offset(bounds.earliest.0 - 1), Offset(bounds.next.0 + 1), Offset(bounds.next.0 + 1000)] {
        let limits = ReadLimits { bytes_max: 1024, wait_max: Duration::from_millis(10) };
        match log.read(at, offset, limits).await {
            Err(Error::OffsetOutOfRange { topic_partition, offset: asked, bounds: there }) => {
                assert_eq!((topic_partition, asked, there), (at, offset, bounds));
            }
            other => panic!("reading at {offset} of {bounds:?} gave {other:?}"),
        }
    }
    let beyond = TopicPartition { topic: Topic::Logs, partition: 3 };
    let refused = log.bounds(beyond).await;
    assert!(matches!(refused, Err(Error::NoSuchPartition { partitions: 3, .. })), "{beyond}: {refused:?}");
}

async fn many_may_append_at_once(log: Arc<dyn EventLog>) {
    const APPENDERS: usize = 16;
    const APPENDS: usize = 10;
    let tasks: Vec<_> = (0..APPENDERS)
        .map(|appender| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                for i in 0..APPENDS {
                    let records = (0..3)
                        .map(|j| record(Topic::Metrics, &format!("key-{appender}"), format!("{appender} {i} {j}")));
                    mine.extend(log.append(records.collect()).await.expect("append"));
                }
                mine
            })
        })
        .collect();
    let mut places = BTreeMap::new();
    for (appender, task) in tasks.into_iter().enumerate() {
        for (n, appended) in task.await.expect("no panic").into_iter().enumerate() {
            let expected = format!("{appender} {} {}", n / 3, n % 3);
            let doubled = places.insert((appended.topic_partition, appended.offset), expected);
            assert_eq!(doubled, None, "two records at {appended:?}");
        }
    }
    for partition in 0..3 {
        let at = TopicPartition { topic: Topic::Metrics, partition };
        let bounds = log.bounds(at).await.expect("bounds");
        let stored = if bounds.next > bounds.earliest {
            read_to(&*log, at, bounds.earliest, Offset(bounds.next.0 - 1)).await
        } else {
            vec![]
        };
        for record in stored {
            let expected = places.remove(&(at, record.offset));
            assert_eq!(expected, Some(text(&record)), "{at} offset {}", record.offset);
        }
    }
    assert!(places.is_empty(), "acknowledged, not stored: {places:?}");
}

async fn an_oversized_record_is_refused_and_the_largest_is_not(log: &dyn EventLog) {
    let of =
        |bytes: usize| NewRecord { value: Bytes::from(vec![7; bytes - 1]), ..record(Topic::Spans, "k", String::new()) };
    let small = record(Topic::Spans, "k", "small".into());
    let refused = log.append(vec![small, of(RECORD_BYTES_MAX + 1)]).await;
    assert!(
        matches!(refused, Err(Error::RecordTooLarge { bytes, limit: RECORD_BYTES_MAX }) if bytes == RECORD_BYTES_MAX + 1),
        "{refused:?}"
    );
    let appended = log.append(vec![of(RECORD_BYTES_MAX)]).await.expect("the largest record")[0];
    let first = log.bounds(appended.topic_partition).await.expect("bounds").earliest;
    assert_eq!(appended.offset, first, "nothing of a refused append is stored");
}

async fn a_consumer_reads_from_where_it_is_told(log: &dyn EventLog) {
    let appended =
        log.append((0..10).map(|i| record(Topic::Lake, "k", i.to_string())).collect()).await.expect("append");
    let at = appended[0].topic_partition;
    let mut consumer = log.consumer(consumer_of("reads", &[Topic::Lake])).await.expect("consumer");
    let assigned = assignment(&mut *consumer).await;
    let id = log.topics().await.expect("topics").into_iter().find(|topic| topic.topic == Topic::Lake).expect("lake").id;
    assert_eq!(assigned, [(at, id)]);
    let nothing = consumer.poll(Duration::from_millis(100)).await.expect("poll");
    assert_eq!(nothing, Polled::Idle, "nothing comes before a seek");

    consumer.seek(at, appended[4].offset).await.expect("seek");
    assert_eq!(values(&mut *consumer, at, 6).await, ["4", "5", "6", "7", "8", "9"]);
    log.append(vec![record(Topic::Lake, "k", "10".into())]).await.expect("append");
    assert_eq!(values(&mut *consumer, at, 1).await, ["10"], "what is appended later follows");
    consumer.hint(&[(at, appended[9].offset)]).await.expect("hint");

    consumer.seek(at, appended[8].offset).await.expect("seek back");
    assert_eq!(values(&mut *consumer, at, 3).await, ["8", "9", "10"], "a seek back reads again");
}

async fn a_consumer_starves_no_partition(log: &dyn EventLog) {
    // "abc" goes to 0 of 3; the other key is the first that goes elsewhere.
    let other =
        (0..).map(|i| format!("key-{i}")).find(|key| partition_for(key.as_bytes(), 3) != 0).expect("one of many");
    let big = Bytes::from(vec![1; 64 * 1024]);
    let busy = (0..128).map(|_| NewRecord { value: big.clone(), ..record(Topic::Spans, "abc", String::new()) });
    log.append(busy.collect()).await.expect("append");
    let quiet =
        log.append(vec![record(Topic::Spans, &other, "quiet".into())]).await.expect("append")[0].topic_partition;
    let options = ConsumerOptions { poll_bytes_max: 128 * 1024, ..consumer_of("fair", &[Topic::Spans]) };
    let mut consumer = log.consumer(options).await.expect("consumer");
    for (at, _) in assignment(&mut *consumer).await {
        consumer.seek(at, Offset(0)).await.expect("seek");
    }
    let mut busy_records = 0;
    loop {
        match consumer.poll(PATIENCE).await.expect("poll") {
            Polled::Records(at, _) if at == quiet => break,
            Polled::Records(_, records) => busy_records += records.len(),
            other => panic!("{other:?}"),
        }
    }
    assert!(busy_records < 128, "the busy partition was read to its end before the quiet one had its turn");
}

async fn a_consumer_says_when_its_offset_is_not_there(log: &dyn EventLog) {
    let appended = log.append(vec![record(Topic::Lake, "k", "only".into())]).await.expect("append")[0];
    let at = appended.topic_partition;
    let mut consumer = log.consumer(consumer_of("lost", &[Topic::Lake])).await.expect("consumer");
    assignment(&mut *consumer).await;
    consumer.seek(at, Offset(appended.offset.0 + 100)).await.expect("seek");
    let bounds = Bounds { earliest: appended.offset, next: Offset(appended.offset.0 + 1) };
    assert_eq!(consumer.poll(PATIENCE).await.expect("poll"), Polled::OutOfRange(at, bounds));
    assert_eq!(consumer.poll(Duration::from_millis(100)).await.expect("poll"), Polled::Idle, "said once");
    consumer.seek(at, bounds.earliest).await.expect("seek");
    assert_eq!(values(&mut *consumer, at, 1).await, ["only"]);
}

async fn a_log_is_the_same_when_opened_again(factory: &dyn Factory) {
    let log = factory.fresh().await;
    let before = log.append((0..50).map(|i| record(Topic::Logs, "k", i.to_string())).collect()).await.expect("append");
    let mut topics = log.topics().await.expect("topics");
    drop(log);
    let log = factory.reopen().await;
    let mut again = log.topics().await.expect("topics");
    topics.sort_by_key(|topic| topic.topic);
    again.sort_by_key(|topic| topic.topic);
    assert_eq!(topics, again, "topic ids are stable");
    let after = log.append(vec![record(Topic::Logs, "k", "50".into())]).await.expect("append")[0];
    let at = before[0].topic_partition;
    let stored = read_to(&*log, at, before[0].offset, after.offset).await;
    assert_eq!(stored.iter().map(text).collect::<Vec<_>>(), (0..=50).map(|i| i.to_string()).collect::<Vec<_>>());
}

async fn trimmed_records_are_gone_and_their_offsets_stay_used(factory: &dyn Factory) {
    let log = factory.fresh().await;
    let appended =
        log.append((0..300).map(|i| record(Topic::Lake, "k", i.to_string())).collect()).await.expect("append");
    let at = appended[0].topic_partition;
    log.trim(at, appended[200].offset).await.expect("trim");
    let next = Offset(appended[299].offset.0 + 1);
    assert_eq!(log.bounds(at).await.expect("bounds"), Bounds { earliest: appended[200].offset, next });
    assert_eq!(text(&read(&*log, at, appended[200].offset).await.records[0]), "200");
    let limits = ReadLimits { bytes_max: 1024, wait_max: Duration::ZERO };
    let gone = log.read(at, appended[199].offset, limits).await;
    assert!(matches!(gone, Err(Error::OffsetOutOfRange { .. })), "{gone:?}");

    log.trim(at, appended[0].offset).await.expect("trim below what is trimmed already");
    log.trim(at, Offset(next.0 + 1_000)).await.expect("trim beyond the end");
    let empty = Bounds { earliest: next, next };
    assert_eq!(log.bounds(at).await.expect("bounds"), empty, "no trim goes back, or beyond the end");
    drop(log);
    let log = factory.reopen().await;
    assert_eq!(log.bounds(at).await.expect("bounds"), empty, "an emptied partition does not begin again at 0");
    assert_eq!(log.append(vec![record(Topic::Lake, "k", "new".into())]).await.expect("append")[0].offset, next);
}

async fn a_trim_leaves_the_other_partitions_alone(log: &dyn EventLog) {
    let keys: Vec<String> = (0..30).map(|i| format!("key-{i}")).collect();
    let records =
        keys.iter().flat_map(|key| [record(Topic::Spans, key, key.clone()), record(Topic::Logs, key, key.clone())]);
    let appended: Vec<Appended> = log.append(records.collect()).await.expect("append");
    let trimmed = TopicPartition { topic: Topic::Spans, partition: 1 };
    log.trim(trimmed, log.bounds(trimmed).await.expect("bounds").next).await.expect("trim");
    for appended in appended.into_iter().filter(|appended| appended.topic_partition != trimmed) {
        let batch = read(log, appended.topic_partition, appended.offset).await;
        assert_eq!(batch.records[0].offset, appended.offset);
    }
}

async fn a_trim_under_a_consumer_shows(log: &dyn EventLog) {
    let appended =
        log.append((0..10).map(|i| record(Topic::Lake, "k", i.to_string())).collect()).await.expect("append");
    let at = appended[0].topic_partition;
    let mut consumer = log.consumer(consumer_of("trimmed", &[Topic::Lake])).await.expect("consumer");
    assignment(&mut *consumer).await;
    consumer.seek(at, appended[0].offset).await.expect("seek");
    log.trim(at, appended[5].offset).await.expect("trim");
    let bounds = Bounds { earliest: appended[5].offset, next: Offset(appended[9].offset.0 + 1) };
    assert_eq!(consumer.poll(PATIENCE).await.expect("poll"), Polled::OutOfRange(at, bounds));
    consumer.seek(at, bounds.earliest).await.expect("seek");
    assert_eq!(values(&mut *consumer, at, 5).await, ["5", "6", "7", "8", "9"]);
}

fn record(topic: Topic, key: &str, value: String) -> NewRecord {
    NewRecord { topic, key: Bytes::copy_from_slice(key.as_bytes()), value: value.into(), headers: vec![] }
}

fn consumer_of(group: &str, topics: &[Topic]) -> ConsumerOptions {
    ConsumerOptions { group: group.into(), member: "member-1".into(), topics: topics.to_vec(), poll_bytes_max: 1 << 20 }
}

/// The first assignment that is not empty.
async fn assignment(consumer: &mut dyn Consumer) -> Vec<(TopicPartition, crate::TopicId)> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match consumer.poll(Duration::from_secs(1)).await.expect("poll") {
            Polled::Assigned(partitions) if !partitions.is_empty() => return partitions,
            Polled::Assigned(_) | Polled::Idle => {}
            other => panic!("before an assignment came {other:?}"),
        }
    }
    panic!("no assignment within {PATIENCE:?}")
}

/// The next `count` records of the partition, as texts.
async fn values(consumer: &mut dyn Consumer, at: TopicPartition, count: usize) -> Vec<String> {
    let mut values = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while values.len() < count && Instant::now() < deadline {
        match consumer.poll(Duration::from_secs(1)).await.expect("poll") {
            Polled::Records(from, records) if from == at => values.extend(records.iter().map(text)),
            Polled::Idle => {}
            other => panic!("while records of {at} were expected came {other:?}"),
        }
    }
    values
}

async fn read(log: &dyn EventLog, at: TopicPartition, from: Offset) -> Batch {
    let batch = log.read(at, from, ReadLimits { bytes_max: 1 << 20, wait_max: PATIENCE }).await.expect("read");
    assert!(!batch.records.is_empty(), "{at} has nothing at {from}");
    batch
}

/// Everything from `from` up to and with `last`.
async fn read_to(log: &dyn EventLog, at: TopicPartition, mut from: Offset, last: Offset) -> Vec<StoredRecord> {
    let mut records = Vec::new();
    while from <= last {
        let batch = read(log, at, from).await;
        from = batch.next;
        records.extend(batch.records);
    }
    records
}

fn text(record: &StoredRecord) -> String {
    String::from_utf8_lossy(&record.value).into_owned()
}

fn now_ms() -> i64 {
    crate::memory::now_ms()
}
