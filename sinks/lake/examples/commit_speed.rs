//! How long a commit of 2,000 small blocks of 20 processes takes: `cargo run --release -p framelake-lake --example commit_speed [postgres URL]`.

use bytes::Bytes;
use framelake_lake::{
    BlockFilter, Catalog, Incarnation, NewBlock, Position, PostgresCatalog, Run, SegmentCommit, SqliteCatalog,
    StreamFilter,
};
use framelake_log::{Offset, TopicId, TopicPartition};
use framelake_wire::{BlockId, Header, ProcessId, StreamId, StreamKind, TimeSample, Topic};
use std::{error::Error, sync::Arc, time::Instant};

const ROUNDS: u64 = 20;
const PROCESSES: u64 = 20;
const STREAMS: u64 = 100;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let catalog: Arc<dyn Catalog> = match std::env::args().nth(1) {
        Some(url) => Arc::new(PostgresCatalog::connect(&url).await?),
        None => Arc::new(SqliteCatalog::open(directory.path().join("catalog.db")).await?),
    };
    let incarnation = catalog.incarnation(Topic::Spans, TopicId(uuid::Uuid::new_v4())).await?;
    let salt = ProcessId::now_v7();
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let commit = commit(incarnation, &salt, round);
        let start = Instant::now();
        catalog.commit_segment(commit).await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!(
        "commit of {} blocks: median {:?}, slowest {:?}",
        PROCESSES * STREAMS,
        times[times.len() / 2],
        times[times.len() - 1]
    );

    let start = Instant::now();
    let all = catalog.blocks(&BlockFilter::default()).await?.len();
    println!("all {all} blocks: {:?}", start.elapsed());
    let start = Instant::now();
    let filter = BlockFilter { stream_ids: Some(vec![stream(&salt, 3, 7)]), ..BlockFilter::default() };
    let of_stream = catalog.blocks(&filter).await?.len();
    println!("the {of_stream} blocks of one stream: {:?}", start.elapsed());
    let start = Instant::now();
    let newest = catalog.newest_blocks(&StreamFilter::default()).await?.len();
    println!("the newest blocks of {newest} streams: {:?}", start.elapsed());
    if let Ok(file) = std::fs::metadata(directory.path().join("catalog.db-wal")) {
        let main = std::fs::metadata(directory.path().join("catalog.db"))?.len();
        println!("file: {main} bytes, and {} of journal", file.len());
    }
    Ok(())
}

fn commit(incarnation: Incarnation, salt: &ProcessId, round: u64) -> SegmentCommit {
    let topic_partition = TopicPartition { topic: Topic::Spans, partition: 0 };
    let count = PROCESSES * STREAMS;
    let from = Offset((round * count) as i64);
    let next = Offset(from.0 + count as i64);
    let blocks = (0..count)
        .map(|number| {
            let time = (round * 1_000_000_000) as i64;
            let position = Position { incarnation, topic_partition, offset: Offset(from.0 + number as i64) };
            let header = Header {
                format_version: framelake_wire::limits::FORMAT_VERSION,
                process_id: process(salt, number / STREAMS),
                stream_id: stream(salt, number / STREAMS, number % STREAMS),
                kind: StreamKind::SPAN,
                thread_name: format!("worker-{}", number % STREAMS),
                thread_number: number,
                clock_domain: "tsc".to_owned(),
                block_id: BlockId::now_v7(),
                sequence: round,
                first_ordinal: round * 500,
                ordinal_count: 500,
                event_count: 1_000,
                row_count: 500,
                dropped_count: 0,
                dropped_total: 0,
                anchor_ns: 1_700_000_000_000_000_000,
                begin: TimeSample { ticks: 0, monotonic_ns: time, wall_ns: 0 },
                end: TimeSample { ticks: 1, monotonic_ns: time + 1_000_000_000, wall_ns: 0 },
                min_time: 1_700_000_000_000_000_000 + time + number as i64,
                max_time: 1_700_000_000_999_000_000 + time,
                extensions: Vec::new(),
            };
            NewBlock {
                crc: number as u32,
                position,
                byte_offset: 500 + number * 4_000,
                byte_length: 3_900,
                payload_bytes: 3_700,
                record: Bytes::new(),
                header,
            }
        })
        .collect();
    SegmentCommit {
        key: format!("segments/{salt}/{round}.avro"),
        topic: Topic::Spans,
        bytes: count * 4_000,
        record_count: count,
        block_schema: Some(framelake_wire::schema::BLOCK_FINGERPRINT),
        runs: vec![Run { incarnation, topic_partition, expected: (round > 0).then_some(from), from, next }],
        last_records: Default::default(),
        blocks,
        processes: Vec::new(),
        dead_letters: Vec::new(),
        gaps: Vec::new(),
    }
}

fn process(salt: &ProcessId, number: u64) -> ProcessId {
    let mut bytes = *salt.as_bytes();
    bytes[15] = number as u8;
    ProcessId::from_bytes(bytes)
}

fn stream(salt: &ProcessId, process: u64, number: u64) -> StreamId {
    let mut bytes = *salt.as_bytes();
    bytes[14] = process as u8;
    bytes[15] = number as u8;
    StreamId::from_bytes(bytes)
}
