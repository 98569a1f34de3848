//! What is written through, and that nobody can tell by the rows.

use crate::fixture::*;
use framelake_lake::{AddOutcome, NewPartition, Scope};
use framelake_materialize::view_version;
use std::time::Duration;

/// Ten seconds of everything, of two processes.
async fn ten_seconds() -> TestLake {
    ten_seconds_in(TestLake::new().await).await
}

async fn ten_seconds_in(mut lake: TestLake) -> TestLake {
    for number in [1, 2] {
        let (mut main, mut log, mut metric, mut frame, mut attached) =
            (spans(number, 0), logs(number), metrics(number), frames(number), attachments(number));
        let mut requests = asyncs(number);
        for _ in 0..10 {
            lake.commit(&[main.second(), requests.second()]).await;
            lake.commit(&[log.second(), attached.second()]).await;
            lake.commit(&[metric.second(), frame.second()]).await;
        }
        let ended = framelake_wire::Process { end_time: Some(EPOCH + 10 * SECOND as i64), ..process(number) };
        lake.commit_process(&ended).await;
    }
    lake
}

const VIEWS: [(&str, &str); 6] = [
    ("thread_spans", "begin"),
    ("async_spans", "begin"),
    ("log_entries", "time"),
    ("measures", "time"),
    ("frames", "begin"),
    ("attachments", "time"),
];

#[tokio::test]
async fn rows_are_the_same_before_and_after() {
    check_rows_before_and_after(ten_seconds().await).await;
}

#[tokio::test]
async fn rows_are_the_same_from_files() {
    check_rows_before_and_after(ten_seconds_in(TestLake::in_a_directory().await).await).await;
}

async fn check_rows_before_and_after(lake: TestLake) {
    let (engine, materializer) = lake.materializing(everything());
    for (view, time) in VIEWS {
        let queries = [
            format!("SELECT * FROM {view} ORDER BY process_id, {time}, ordinal"),
            format!("SELECT * FROM {view} WHERE process_id = '{}' ORDER BY {time}, ordinal", process_id(2)),
            format!(
                "SELECT * FROM {view} WHERE {time} BETWEEN '2026-01-01T00:00:03Z' AND '2026-01-01T00:00:04.5Z' \
                 ORDER BY process_id, {time}, ordinal"
            ),
            format!("SELECT count(*) FROM {view}"),
        ];
        let mut before = Vec::new();
        for sql in &queries {
            before.push(lake_only(&lake, sql).await);
        }
        for sql in &queries {
            ask(&engine, sql).await;
        }
        materializer.idle().await;
        let decoded = engine.counters().blocks_decoded;
        for (sql, before) in queries.iter().zip(before) {
            assert_eq!(ask(&engine, sql).await, before, "{sql}");
        }
        assert_eq!(engine.counters().blocks_decoded, decoded, "{view} is read from Parquet alone");
    }
    let counters = materializer.counters();
    assert_eq!((counters.failed, counters.superseded, counters.offers_dropped), (0, 0, 0), "{counters:?}");
}

/// The answer of an engine that never wrote anything through.
async fn lake_only(lake: &TestLake, sql: &str) -> String {
    ask(&lake.engine(), sql).await
}

#[tokio::test]
async fn the_same_query_again_decodes_nothing() {
    let lake = ten_seconds().await;
    let (engine, materializer) = lake.materializing(everything());
    let sql = format!(
        "SELECT name, count(*), sum(self_ns) FROM thread_spans WHERE stream_id = '{}' \
         AND begin BETWEEN '2026-01-01T00:00:02Z' AND '2026-01-01T00:00:05Z' GROUP BY name ORDER BY name",
        stream_id(1, 0)
    );
    let first = ask(&engine, &sql).await;
    materializer.idle().await;
    let line = explain(&engine, &format!("EXPLAIN {sql}")).await;
    assert!(line.contains("pruned=6, decode=0, reuse=4 (1 objects)"), "{line}");
    let before = engine.counters();
    assert_eq!(ask(&engine, &sql).await, first);
    let after = engine.counters();
    assert_eq!(after.blocks_decoded, before.blocks_decoded);
    assert_eq!(after.bytes_fetched, before.bytes_fetched);
}

#[tokio::test]
async fn what_came_since_is_decoded_beside_what_is_covered() {
    let mut lake = TestLake::new().await;
    let (mut main, mut log) = (spans(1, 0), logs(1));
    lake.commit(&[main.second(), main.second()]).await;
    lake.commit(&[log.second(), log.second()]).await;
    let (engine, materializer) = lake.materializing(everything());
    for (view, per_block) in [("thread_spans", 200), ("log_entries", 10)] {
        let count = format!("SELECT count(DISTINCT ordinal) FROM {view}");
        assert_eq!(number(&engine, &count).await, 2 * per_block);
    }
    materializer.idle().await;
    lake.commit(&[main.second()]).await;
    lake.commit(&[log.second()]).await;
    for (view, per_block) in [("thread_spans", 200), ("log_entries", 10)] {
        let line = explain(&engine, &format!("EXPLAIN SELECT * FROM {view}")).await;
        assert!(line.contains("decode=1, reuse=2 (1 objects)"), "{line}");
        materializer.idle().await;
        assert_eq!(number(&engine, &format!("SELECT count(*) FROM {view}")).await, 3 * per_block);
        assert_eq!(number(&engine, &format!("SELECT count(DISTINCT ordinal) FROM {view}")).await, 3 * per_block);
    }
}

#[tokio::test]
async fn tails_that_are_not_worth_an_object_are_kept_decoded_instead() {
    let lake = ten_seconds().await;
    let materializer = framelake_materialize::Materializer::spawn(lake.lake.clone(), Default::default());
    let engine =
        framelake_query::Engine::new(lake.lake.clone(), Some(materializer.clone()), Default::default()).unwrap();
    for _ in 0..2 {
        assert_eq!(number(&engine, "SELECT count(*) FROM thread_spans").await, 2 * 10 * 200);
    }
    materializer.idle().await;
    let counters = engine.counters();
    assert_eq!(materializer.counters().offers, 0);
    assert_eq!((counters.blocks_decoded, counters.cache_hits), (20, 20), "{counters:?}");
}

#[tokio::test]
async fn of_two_writers_one_counts() {
    let lake = ten_seconds().await;
    let (first, one) = lake.materializing(everything());
    let (second, two) = lake.materializing(everything());
    let sql = "SELECT count(*) FROM log_entries";
    let (a, b) = tokio::join!(number(&first, sql), number(&second, sql));
    assert_eq!((a, b), (200, 200));
    one.idle().await;
    two.idle().await;
    assert_eq!(one.counters().rows + two.counters().rows, 200);
    assert_eq!(number(&first, sql).await, 200);
    assert_eq!(number(&second, "SELECT count(DISTINCT (process_id, ordinal)) FROM log_entries").await, 200);
}

#[tokio::test]
async fn a_partition_planned_before_another_came_is_refused() {
    let lake = ten_seconds().await;
    let (engine, materializer) = lake.materializing(everything());
    number(&engine, "SELECT count(*) FROM log_entries").await;
    materializer.idle().await;
    let view = view_version(framelake_definitions::by_name("log_entries").unwrap());
    let catalog = lake.lake.catalog();
    let coverage = catalog.coverage(&view, &[Scope::All]).await.unwrap().remove(0);
    let mut partition = coverage.partitions[0].clone();
    partition.object = "views/log_entries/v1/another.parquet".to_owned();
    let stale = NewPartition { view, scope: Scope::All, expected_counter: coverage.counter - 1, partition };
    assert_eq!(catalog.add_partition(stale).await.unwrap(), AddOutcome::Superseded);
}

/// A broken producer names all its blocks alike; what a block is rests on its stream and sequence.
#[tokio::test]
async fn blocks_of_one_id_are_not_taken_for_each_other() {
    let mut lake = TestLake::new().await;
    let (mut first, mut second, mut third) = (logs(1), logs(2), logs(2));
    let of = |block: &mut framelake_wire::Block| block.header.block_id = framelake_wire::BlockId::from_bytes([7; 16]);
    let mut blocks = [first.second(), second.second()];
    blocks.iter_mut().for_each(of);
    lake.commit(&blocks).await;
    let per_process = "SELECT process_id, count(*), max(time) FROM log_entries GROUP BY 1 ORDER BY 1";
    let engine = lake.engine();
    let decoded = ask(&engine, per_process).await;
    assert_eq!(ask(&engine, per_process).await, decoded, "from the cache");
    assert_eq!(engine.counters().cache_hits, 2);

    // One of the two is covered, the other comes later: it is written through beside it.
    let (engine, materializer) = lake.materializing(everything());
    ask(&engine, per_process).await;
    materializer.idle().await;
    third.second();
    let mut later = third.second();
    of(&mut later);
    lake.commit(&[later]).await;
    ask(&engine, per_process).await;
    materializer.idle().await;
    let line = explain(&engine, "EXPLAIN SELECT * FROM log_entries").await;
    assert!(line.contains("decode=0, reuse=3 (2 objects)"), "{line}");
    assert_eq!(number(&engine, "SELECT count(DISTINCT (process_id, ordinal)) FROM log_entries").await, 30);
}

#[tokio::test]
async fn long_ranges_become_several_objects() {
    let lake = ten_seconds().await;
    let options = framelake_materialize::Options { partition_rows_max: 450, ..everything() };
    let (engine, materializer) = lake.materializing(options);
    let sql = format!("SELECT count(*), sum(duration_ns) FROM thread_spans WHERE stream_id = '{}'", stream_id(1, 0));
    let before = ask(&engine, &sql).await;
    materializer.idle().await;
    // 2,000 rows in blocks of 200: two blocks to an object.
    assert_eq!(materializer.counters().partitions, 5);
    assert_eq!(ask(&engine, &sql).await, before);
    let line = explain(&engine, &format!("EXPLAIN {sql}")).await;
    assert!(line.contains("decode=0, reuse=10 (5 objects)"), "{line}");
}

/// Offsets that partitions of `log_entries` cover.
async fn covered(lake: &TestLake) -> Vec<(i64, i64)> {
    let view = view_version(framelake_definitions::by_name("log_entries").unwrap());
    let coverage = lake.lake.catalog().coverage(&view, &[Scope::All]).await.unwrap().remove(0);
    coverage.partitions.iter().map(|partition| (partition.range.from.0, partition.range.to.0)).collect()
}

#[tokio::test]
async fn nothing_claims_to_be_complete_where_blocks_expired() {
    let mut lake = TestLake::new().await;
    let mut log = logs(1);
    for _ in 0..5 {
        lake.commit(&[log.second()]).await;
    }
    let segments = lake.lake.catalog().segments(None, 10).await.unwrap();
    lake.lake.catalog().expire_segments(&[segments[2].key.clone()]).await.unwrap();
    let (engine, materializer) = lake.materializing(everything());
    assert_eq!(number(&engine, "SELECT count(*) FROM log_entries").await, 40);
    materializer.idle().await;
    assert_eq!(covered(&lake).await, [(0, 2), (3, 5)]);
    assert_eq!(number(&engine, "SELECT count(*) FROM log_entries").await, 40);
}

#[tokio::test]
async fn rows_that_outlive_their_block_part_what_is_written_through_around_them() {
    let mut lake = TestLake::new().await;
    let mut log = logs(1);
    for _ in 0..3 {
        lake.commit(&[log.second()]).await;
    }
    let (engine, materializer) = lake.materializing(everything());
    let middle = "time BETWEEN '2026-01-01T00:00:01Z' AND '2026-01-01T00:00:01.95Z'";
    assert_eq!(number(&engine, &format!("SELECT count(*) FROM log_entries WHERE {middle}")).await, 10);
    materializer.idle().await;
    assert_eq!(covered(&lake).await, [(1, 2)]);
    let segments = lake.lake.catalog().segments(None, 10).await.unwrap();
    lake.lake.catalog().expire_segments(&[segments[1].key.clone()]).await.unwrap();
    assert_eq!(number(&engine, "SELECT count(*) FROM log_entries").await, 30);
    materializer.idle().await;
    assert_eq!(covered(&lake).await, [(0, 1), (1, 2), (2, 3)]);
    assert_eq!((materializer.counters().superseded, materializer.counters().failed), (0, 0));
    assert_eq!(number(&engine, "SELECT count(DISTINCT ordinal) FROM log_entries").await, 30);
}

#[tokio::test]
async fn a_query_that_ends_early_writes_through_all_the_same() {
    let lake = ten_seconds().await;
    let (engine, materializer) = lake.materializing(everything());
    ask(&engine, "SELECT ordinal FROM measures LIMIT 1").await;
    materializer.idle().await;
    let line = explain(&engine, "EXPLAIN SELECT ordinal FROM measures").await;
    assert!(line.contains("decode=0, reuse=20 (1 objects)"), "{line}");
}

#[tokio::test]
async fn a_minute_of_a_quiet_stream_is_worth_an_object() {
    let mut lake = TestLake::new().await;
    let mut log = logs(1);
    let blocks: Vec<_> = (0..59).map(|_| log.second()).collect();
    lake.commit(&blocks).await;
    let options = framelake_materialize::Options { payload_bytes_min: u64::MAX, ..Default::default() };
    assert_eq!(options.duration_min, Duration::from_secs(60));
    let (engine, materializer) = lake.materializing(options);
    let sql = "SELECT count(*) FROM log_entries";
    assert_eq!(number(&engine, sql).await, 590);
    materializer.idle().await;
    assert_eq!(materializer.counters().partitions, 0);
    lake.commit(&[log.second()]).await;
    assert_eq!(number(&engine, sql).await, 600);
    materializer.idle().await;
    assert_eq!(materializer.counters().partitions, 1);
    assert_eq!(number(&engine, sql).await, 600);
}
