//! What a query reads.

use crate::fixture::*;

/// Its id has letters.
const ONE: u8 = 0xab;

/// Two processes, two threads each, 20 seconds: 80 blocks of 200 rows.
async fn busy() -> TestLake {
    let mut lake = TestLake::new().await;
    let mut threads = [spans(ONE, 0), spans(ONE, 1), spans(2, 0), spans(2, 1)];
    for _ in 0..20 {
        let blocks: Vec<_> = threads.iter_mut().map(|thread| thread.second()).collect();
        lake.commit(&blocks).await;
    }
    lake
}

#[tokio::test]
async fn a_second_of_one_thread_reads_only_the_blocks_it_needs() {
    let lake = busy().await;
    let engine = lake.engine();
    let sql = format!(
        "SELECT count(*) FROM thread_spans WHERE stream_id = '{}' \
         AND begin >= '2026-01-01T00:00:05Z' AND begin < '2026-01-01T00:00:06Z' AND end IS NOT NULL",
        stream_id(ONE, 0)
    );
    let line = explain(&engine, &format!("EXPLAIN {sql}")).await;
    assert!(line.contains("blocks=20, pruned=19, decode=1, reuse=0 (0 objects)"), "{line}");
    assert_eq!(number(&engine, &sql).await, 100 * 2);
    let counters = engine.counters();
    assert_eq!(counters.blocks_decoded, 1, "{counters:?}");
}

#[tokio::test]
async fn a_second_of_one_thread_by_name_reads_only_the_blocks_it_needs_and_again_none() {
    let lake = busy().await;
    let engine = lake.engine();
    let second = "begin >= '2026-01-01T00:00:05Z' AND begin < '2026-01-01T00:00:06Z' AND end IS NOT NULL";
    // Of the four streams, two are of threads named main, and one of those is of this process.
    for (of, blocks, decode) in [(String::new(), 40, 2), (format!("process_id = '{}' AND", process_id(ONE)), 20, 1)] {
        let engine = lake.engine();
        let sql = format!("SELECT count(*) FROM thread_spans WHERE {of} thread = 'main' AND {second}");
        let line = explain(&engine, &format!("EXPLAIN {sql}")).await;
        let expected = format!("blocks={blocks}, pruned={}, decode={decode}, reuse=0 (0 objects)", blocks - decode);
        assert!(line.contains(&expected), "{line}");
        for _ in 0..2 {
            assert_eq!(number(&engine, &sql).await, decode * 200);
            let counters = engine.counters();
            assert_eq!(counters.blocks_decoded, decode as u64, "the second time none: {counters:?}");
        }
    }
    // A thread without a name is shown, and asked for, by its number.
    let sql = format!(
        "SELECT min(thread) = '101' AND max(thread) = '101' FROM thread_spans WHERE thread = '101' AND {second}"
    );
    assert!(ask(&engine, &sql).await.contains("true"));
    assert_eq!(engine.counters().blocks_decoded, 2);
}

#[tokio::test]
async fn a_thread_that_was_renamed_is_found_by_either_name() {
    let mut lake = TestLake::new().await;
    let mut thread = spans(1, 1);
    let unnamed = thread.second();
    let mut named = thread.second();
    named.header.thread_name = "render".to_owned();
    lake.commit(&[unnamed, named]).await;
    let engine = lake.engine();
    for (thread, rows) in [("101", 200), ("render", 200), ("main", 0)] {
        let sql = format!("SELECT count(*) FROM thread_spans WHERE thread = '{thread}'");
        assert_eq!(number(&engine, &sql).await, rows, "{thread}");
    }
}

#[tokio::test]
async fn the_thread_of_a_log_line_is_no_reason_to_leave_its_stream_out() {
    let mut lake = TestLake::new().await;
    lake.commit(&[logs(1).second()]).await;
    lake.commit(&[metrics(1).second()]).await;
    let engine = lake.engine();
    for (view, thread, rows) in
        [("log_entries", "main", 5), ("log_entries", "101", 5), ("measures", "main", 4), ("measures", "101", 0)]
    {
        let sql = format!("SELECT count(*) FROM {view} WHERE thread = '{thread}'");
        assert_eq!(number(&engine, &sql).await, rows, "{sql}");
    }
}

#[tokio::test]
async fn analyze_counts_what_was_decoded() {
    let lake = busy().await;
    let engine = lake.engine();
    let sql = format!(
        "SELECT sum(duration_ns) FROM thread_spans WHERE process_id = '{}' AND end < '2026-01-01T00:00:03.5Z'",
        process_id(2)
    );
    let line = explain(&engine, &format!("EXPLAIN ANALYZE {sql}")).await;
    assert!(line.contains("blocks=40, pruned=32, decode=8"), "{line}");
    assert!(
        line.contains("blocks_decoded=8") && line.contains("output_rows=1.60 K") && !line.contains("bytes_fetched=0"),
        "{line}"
    );
    let line = explain(&engine, &format!("EXPLAIN ANALYZE {sql}")).await;
    assert!(line.contains("cache_hits=8") && line.contains("blocks_decoded=0"), "{line}");
}

#[tokio::test]
async fn each_form_of_a_filter_prunes() {
    let lake = busy().await;
    let engine = lake.engine();
    let (one, two) = (stream_id(ONE, 0), stream_id(2, 1));
    let process = process_id(ONE);
    // A filter, the blocks it leaves, its rows.
    let cases = [
        (format!("stream_id = '{one}'"), 20, 4000),
        (format!("'{one}' = stream_id"), 20, 4000),
        (format!("stream_id IN ('{one}', '{two}')"), 40, 8000),
        (format!("stream_id = '{one}' OR stream_id = '{two}'"), 40, 8000),
        ("thread = 'main'".to_owned(), 40, 8000),
        ("'101' = thread".to_owned(), 40, 8000),
        ("thread IN ('main', '101', 'audio', 'render')".to_owned(), 80, 16_000),
        ("thread IN ('audio', 'render', 'io', 'main')".to_owned(), 40, 8000),
        ("CAST(thread AS VARCHAR) = 'main'".to_owned(), 40, 8000),
        (format!("thread = 'main' AND process_id = '{process}'"), 20, 4000),
        (format!("thread = 'main' AND stream_id = '{two}'"), 0, 0),
        ("thread = 'main' AND thread = '101'".to_owned(), 0, 0),
        ("thread = 'nobody'".to_owned(), 0, 0),
        ("thread <> 'main'".to_owned(), 80, 8000),
        ("thread LIKE 'ma%'".to_owned(), 80, 8000),
        ("thread = 'main' OR name = 'update'".to_owned(), 80, 8000 + 4000),
        (format!("process_id = '{process}'"), 40, 8000),
        (format!("CAST(process_id AS VARCHAR) = '{process}'"), 40, 8000),
        (format!("process_id = '{process}' AND stream_id = '{two}'"), 0, 0),
        (format!("process_id = '{}'", process.to_string().to_uppercase()), 0, 0),
        ("process_id = 'no id'".to_owned(), 0, 0),
        ("begin BETWEEN '2026-01-01T00:00:05.1Z' AND '2026-01-01T00:00:05.2Z'".to_owned(), 4, 4 * 21),
        ("begin >= TIMESTAMP '2026-01-01 00:00:18.5'".to_owned(), 8, 4 * 300),
        ("end < TIMESTAMP '2026-01-01 00:00:00.5'".to_owned(), 4, 4 * 100),
        ("begin >= '2027-01-01'".to_owned(), 0, 0),
        ("begin > end".to_owned(), 80, 0),
        ("duration_ns > 3000000".to_owned(), 80, 8000),
        ("name = 'update'".to_owned(), 80, 8000),
        (format!("stream_id <> '{one}'"), 80, 12_000),
        (format!("NOT (stream_id = '{one}')"), 80, 12_000),
        (format!("stream_id = '{one}' OR name = 'update'"), 80, 2000 + 8000),
    ];
    for (filter, blocks, rows) in cases {
        let sql = format!("SELECT count(*) FROM thread_spans WHERE {filter}");
        let plan = ask(&engine, &format!("EXPLAIN {sql}")).await;
        // A filter that cannot hold may leave no scan at all.
        let decode = match plan.split("decode=").nth(1) {
            Some(rest) => rest.split(',').next().unwrap().parse::<i64>().unwrap(),
            None => 0,
        };
        assert_eq!(decode, blocks, "{filter}\n{plan}");
        assert_eq!(number(&engine, &sql).await, rows, "{filter}");
    }
}

#[tokio::test]
async fn a_limit_does_not_decode_what_nobody_reads() {
    let mut lake = TestLake::new().await;
    let mut main = spans(1, 0);
    let blocks: Vec<_> = (0..100).map(|_| main.second()).collect();
    lake.commit(&blocks).await;
    let engine = lake.engine();
    ask(&engine, "SELECT ordinal FROM thread_spans LIMIT 10").await;
    let counters = engine.counters();
    assert!(counters.blocks_decoded <= 10, "{counters:?}");
}

#[tokio::test]
async fn one_query_may_join_spans_to_frames() {
    let mut lake = busy().await;
    let mut frame = frames(ONE);
    let blocks: Vec<_> = (0..2).map(|_| frame.second()).collect();
    lake.commit(&blocks).await;
    let engine = lake.engine();
    let sql = format!(
        "SELECT count(*) FROM frames f JOIN thread_spans s ON s.process_id = f.process_id \
         AND s.begin >= f.begin AND s.end <= f.end WHERE f.ordinal = 3 AND s.stream_id = '{}'",
        stream_id(ONE, 0)
    );
    // The frame of 60–80 ms holds two updates and their physics.
    assert_eq!(number(&engine, &sql).await, 4);
}
