//! The sender and its HTTP carrier against a small real server.
#![cfg(feature = "http")]

#[path = "support/gateway.rs"]
mod gateway;

use framelake_transport::{Endpoint, Outgoing, Rows, Sender, connect};
use framelake_wire::{Process, ProcessId, StreamId, Topic};
use gateway::{Answer, Gateway};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

fn sender(url: &str) -> Sender {
    let endpoint: Endpoint = url.parse().unwrap();
    Sender::start(connect(&endpoint).unwrap(), 64 * 1024 * 1024).unwrap()
}

/// A record of one row; the gateways here do not open it.
fn span(number: u8, bytes: usize) -> Outgoing {
    Outgoing {
        topic: Topic::Spans,
        is_attachment: false,
        process_id: ProcessId::from_bytes([9; 16]),
        bytes: vec![number; bytes],
        rows: Some(Rows { stream_id: StreamId::from_bytes([number; 16]), count: 1 }),
        hold: Default::default(),
    }
}

fn process() -> Outgoing {
    let process = Process {
        process_id: ProcessId::from_bytes([9; 16]),
        revision: 0,
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
    };
    Outgoing {
        topic: Topic::Processes,
        is_attachment: false,
        process_id: process.process_id,
        bytes: process.encode(),
        rows: None,
        hold: Default::default(),
    }
}

fn first_bytes(kept: &[(String, Vec<u8>)]) -> Vec<u8> {
    kept.iter().map(|(_, bytes)| bytes[0]).collect()
}

#[test]
fn records_pushed_together_travel_together_on_one_connection() {
    let gateway = Gateway::start([]);
    let sender = sender(&gateway.url());
    for round in 0..3 {
        for number in 0..5 {
            sender.push(span(10 * round + number, 100));
        }
        assert!(sender.flush(SOON));
    }
    let batches = gateway.batches();
    assert_eq!(batches.len(), 3);
    assert!(batches.iter().all(|batch| batch.connection == 1));
    assert_eq!(first_bytes(&gateway.kept()), [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24]);
    assert_eq!(sender.stats().sent_records, 15);
    assert_eq!(sender.shutdown(SOON).records, 0);
}

#[test]
fn the_same_bytes_come_again_after_the_wait_that_the_server_asked_for() {
    let script = [
        Answer::Refuse(503, "Retry-After: 1"),
        Answer::Refuse(429, "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT"),
        Answer::Refuse(500, ""),
    ];
    let gateway = Gateway::start(script);
    let sender = sender(&gateway.url());
    sender.push(span(1, 100));
    assert!(sender.flush(SOON), "{:?}", sender.stats());
    let batches = gateway.batches();
    assert_eq!(batches.len(), 4);
    assert!(batches.iter().all(|batch| batch.body == batches[0].body));
    assert!(batches[1].at - batches[0].at >= Duration::from_secs(1), "a flush does not cut Retry-After short");
    assert_eq!(sender.stats().send_errors, 3);
    assert_eq!(gateway.kept().len(), 1);
}

#[test]
fn a_lost_reply_sends_the_same_batch_again() {
    let gateway = Gateway::start([Answer::KeepAndHangUp]);
    let sender = sender(&gateway.url());
    sender.push(span(1, 100));
    assert!(sender.flush(SOON));
    let batches = gateway.batches();
    assert_eq!(batches.len(), 2);
    assert_eq!(batches[0].body, batches[1].body);
}

#[test]
fn a_success_that_is_not_a_gateways_keeps_the_records() {
    let gateway = Gateway::start([Answer::Refuse(200, ""), Answer::Refuse(204, "")]);
    let sender = sender(&gateway.url());
    sender.push(span(1, 100));
    assert!(sender.flush(SOON));
    assert_eq!((sender.stats().send_errors, first_bytes(&gateway.kept())), (2, vec![1]));
}

#[test]
fn nothing_is_lost_while_the_server_is_away_and_the_process_comes_again_when_it_is_back() {
    let gateway = Gateway::start([]);
    let address = gateway.address;
    let sender = sender(&gateway.url());
    sender.push(process());
    sender.push(span(1, 100));
    assert!(sender.flush(SOON));
    drop(gateway);
    for number in 2..50 {
        sender.push(span(number, 1000));
        sender.dispatch();
    }
    assert!(!sender.flush(Duration::from_millis(300)));
    assert!(sender.stats().send_errors > 0);

    let gateway = Gateway::start_at(address, []);
    assert!(sender.flush(SOON));
    // The process is sent again after the first success.
    assert!(sender.flush(SOON));
    let kept = gateway.kept();
    let spans: Vec<u8> = kept.iter().filter(|(topic, _)| topic == Topic::Spans.name()).map(|(_, b)| b[0]).collect();
    assert_eq!(spans, (2..50).collect::<Vec<u8>>());
    assert_eq!(kept.iter().filter(|(topic, _)| topic == Topic::Processes.name()).count(), 1);
    assert_eq!(sender.take_losses().rows, []);
}

#[test]
fn a_batch_that_is_too_large_is_split_down_to_the_record_that_is() {
    let too_large = || Answer::Refuse(413, "");
    // Four records, then two, then one: that one is refused alone; the others get through.
    let gateway = Gateway::start([too_large(), too_large(), too_large()]);
    let sender = sender(&gateway.url());
    for number in 1..=4 {
        sender.push(span(number, 100));
    }
    assert!(sender.flush(SOON));
    assert_eq!(first_bytes(&gateway.kept()), [2, 3, 4]);
    assert_eq!(sender.take_losses().rows, [Rows { stream_id: StreamId::from_bytes([1; 16]), count: 1 }]);
    assert_eq!(sender.stats().refused_records, 1);
}

#[test]
fn refused_records_are_counted_and_not_sent_again() {
    let gateway = Gateway::start([Answer::RejectFirst]);
    let rejecting = sender(&gateway.url());
    rejecting.push(span(1, 100));
    rejecting.push(span(2, 100));
    assert!(rejecting.flush(SOON));
    assert_eq!(first_bytes(&gateway.kept()), [2]);
    assert_eq!((rejecting.stats().sent_records, rejecting.stats().refused_rows), (1, 1));

    // An unreadable batch: each record has its own try, so that one cannot spoil the others.
    let gateway = Gateway::start([Answer::Refuse(400, ""), Answer::Refuse(400, "")]);
    let spoiled = sender(&gateway.url());
    spoiled.push(span(1, 100));
    spoiled.push(span(2, 100));
    assert!(spoiled.flush(SOON));
    assert_eq!(first_bytes(&gateway.kept()), [2]);
    assert_eq!(spoiled.take_losses().rows, [Rows { stream_id: StreamId::from_bytes([1; 16]), count: 1 }]);
}

#[test]
fn shutdown_ends_in_time_and_tells_what_was_not_delivered() {
    // A server that takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let sender = sender(&format!("http://{}", silent.local_addr().unwrap()));
    sender.push(span(1, 100));
    sender.push(span(2, 100));
    let begin = Instant::now();
    let undelivered = sender.shutdown(Duration::from_millis(300));
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!((undelivered.records, undelivered.bytes, undelivered.rows.len()), (2, 200, 2));
}
