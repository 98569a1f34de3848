//! Spans that have begun and not ended.

use crate::fixture::*;
use framelake_wire::Process;

const OPEN: &str = "SELECT ordinal, parent, depth, name, begin, end, duration_ns, self_ns FROM thread_spans WHERE end IS NULL ORDER BY ordinal";

/// A thread in whose update physics has been running since the first second.
async fn stuck() -> (TestLake, Recording<framelake_wire::encode::SpanEncoder>) {
    let mut lake = TestLake::new().await;
    let mut main = spans(1, 0);
    main.encoder.begin(UPDATE, MILLI);
    main.encoder.begin(PHYSICS, 2 * MILLI);
    let first = main.seal(SECOND);
    main.encoder.begin(PHYSICS, SECOND + MILLI);
    main.encoder.end(SECOND + 2 * MILLI);
    let second = main.seal(2 * SECOND);
    lake.commit(&[first, second]).await;
    (lake, main)
}

#[tokio::test]
async fn they_are_visible_without_an_end() {
    let (lake, _) = stuck().await;
    let engine = lake.engine();
    let expected = "\
+---------+--------+-------+---------+--------------------------+-----+-------------+---------+
| ordinal | parent | depth | name    | begin                    | end | duration_ns | self_ns |
+---------+--------+-------+---------+--------------------------+-----+-------------+---------+
| 0       |        | 0     | update  | 2026-01-01T00:00:00.001Z |     |             |         |
| 1       | 0      | 1     | physics | 2026-01-01T00:00:00.002Z |     |             |         |
+---------+--------+-------+---------+--------------------------+-----+-------------+---------+";
    assert_eq!(ask(&engine, OPEN).await, expected);
    let within = "SELECT count(*) FROM thread_spans WHERE begin < '2026-01-01T00:00:00.0015Z'";
    assert_eq!(number(&engine, within).await, 1, "also where the newest block is of later times");
}

#[tokio::test]
async fn they_are_rows_once_they_end() {
    let (mut lake, mut main) = stuck().await;
    let engine = lake.engine();
    assert_eq!(number(&engine, "SELECT count(*) FROM thread_spans").await, 3);
    main.encoder.end(2 * SECOND + MILLI);
    let third = main.seal(3 * SECOND);
    lake.commit(&[third]).await;
    let sql = "SELECT count(*) FROM thread_spans WHERE end IS NULL";
    assert_eq!(number(&engine, sql).await, 1);
    assert_eq!(number(&engine, "SELECT count(*) FROM thread_spans").await, 3);
    assert_eq!(number(&engine, "SELECT count(DISTINCT ordinal) FROM thread_spans").await, 3);
}

#[tokio::test]
async fn they_are_never_stored() {
    let (mut lake, mut main) = stuck().await;
    let (engine, materializer) = lake.materializing(everything());
    for _ in 0..2 {
        assert_eq!(number(&engine, "SELECT count(*) FROM thread_spans").await, 3);
        materializer.idle().await;
    }
    assert_eq!(materializer.counters().rows, 1);
    main.encoder.end(2 * SECOND + MILLI);
    main.encoder.end(2 * SECOND + 2 * MILLI);
    let third = main.seal(3 * SECOND);
    lake.commit(&[third]).await;
    assert_eq!(number(&engine, "SELECT count(*) FROM thread_spans WHERE end IS NOT NULL").await, 3);
    assert_eq!(number(&engine, "SELECT count(*) FROM thread_spans").await, 3);
}

#[tokio::test]
async fn they_are_gone_with_their_process() {
    let (mut lake, _) = stuck().await;
    let engine = lake.engine();
    lake.commit_process(&process(1)).await;
    assert_eq!(number(&engine, "SELECT count(*) FROM thread_spans").await, 3);
    let ended = Process {
        revision: 1,
        end_time: Some(EPOCH + 3 * SECOND as i64),
        exit_reason: Some("exit".into()),
        ..process(1)
    };
    lake.commit_process(&ended).await;
    assert_eq!(number(&engine, "SELECT count(*) FROM thread_spans").await, 1);
}
