//! The Kafka carrier on a real broker, named by `FRAMELAKE_TEST_KAFKA=host:port`; without it these say that they were skipped.
#![cfg(feature = "kafka")]

use framelake_transport::{Endpoint, Outgoing, Sender, connect};
use framelake_wire::{Process, ProcessId, Record, Topic, partition_for};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(30);

fn process(revision: u64) -> Process {
    Process {
        process_id: ProcessId::now_v7(),
        revision,
        parent_process_id: None,
        exe: "test".into(),
        version: String::new(),
        user: String::new(),
        host: String::new(),
        os: String::new(),
        arch: String::new(),
        cpu: String::new(),
        cores: 1,
        memory_bytes: 0,
        pid: 1,
        sdk: String::new(),
        start_time: 0,
        last_seen: 0,
        end_time: None,
        exit_reason: None,
        properties: BTreeMap::new(),
        dropped: BTreeMap::new(),
    }
}

/// As `framelake run` does at its start.
fn create_topic(servers: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", servers).create().unwrap();
    let new = NewTopic::new(topic, 3, TopicReplication::Fixed(1));
    let created = futures::executor::block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap();
    assert!(matches!(created[0], Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))), "{created:?}");
}

#[test]
fn records_arrive_byte_for_byte_in_the_partition_of_their_process_with_readable_headers() {
    let Ok(servers) = std::env::var("FRAMELAKE_TEST_KAFKA") else {
        assert!(std::env::var("FRAMELAKE_TEST_REQUIRED").is_err(), "FRAMELAKE_TEST_KAFKA is not set");
        println!("SKIPPED: set FRAMELAKE_TEST_KAFKA=host:port, or run cargo xtask services up");
        return;
    };
    create_topic(&servers, Topic::Processes.name());
    let endpoint: Endpoint = format!("kafka://{servers}").parse().unwrap();
    let sender = Sender::start(connect(&endpoint).unwrap(), 1 << 20).unwrap();
    let process = process(7);
    let bytes = process.encode();
    sender.push(Outgoing {
        topic: Topic::Processes,
        is_attachment: false,
        process_id: process.process_id,
        bytes: bytes.clone(),
        rows: None,
        hold: Default::default(),
    });
    assert!(sender.flush(SOON), "{:?}", sender.stats());
    assert_eq!(sender.shutdown(SOON).records, 0);

    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &servers)
        .set("group.id", "framelake-transport-test")
        .create()
        .unwrap();
    let topic = Topic::Processes.name();
    let metadata = consumer.fetch_metadata(Some(topic), SOON).unwrap();
    let partitions = metadata.topics()[0].partitions().len() as i32;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let key = process.process_id.to_string();
    let begin = Instant::now();
    let message = loop {
        assert!(begin.elapsed() < SOON, "the record did not arrive");
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        if message.key() == Some(key.as_bytes()) {
            break message.detach();
        }
    };
    assert_eq!(message.payload(), Some(&bytes[..]));
    assert_eq!(message.partition(), partition_for(key.as_bytes(), partitions as u32) as i32);
    let headers: Vec<_> = message
        .headers()
        .unwrap()
        .iter()
        .map(|header| (header.key.to_owned(), String::from_utf8(header.value.unwrap().to_vec()).unwrap()))
        .collect();
    let expected = Record::decode(&bytes).unwrap().headers();
    assert!(headers.iter().map(|(key, value)| (key.as_str(), value)).eq(expected.iter().map(|(k, v)| (*k, v))));
}
