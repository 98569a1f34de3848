//! What the catalog knows, as tables.

use crate::fixture::*;

#[tokio::test]
async fn processes_show_what_their_records_say() {
    let mut lake = TestLake::new().await;
    lake.commit_process(&process(1)).await;
    lake.commit(&[logs(2).second()]).await;
    let engine = lake.engine();
    let sql = "SELECT process_id, exe, username, pid, cores, start_time, end_time, properties['build'] AS build \
               FROM processes ORDER BY process_id";
    let expected = format!(
        "\
+--------------------------------------+------+----------+------------+-------+----------------------+----------+-------+
| process_id                           | exe  | username | pid        | cores | start_time           | end_time | build |
+--------------------------------------+------+----------+------------+-------+----------------------+----------+-------+
| {} | game | ada      | 4000000000 | 2     | 2026-01-01T00:00:00Z |          | 1234  |
| {} |      |          |            |       |                      |          |       |
+--------------------------------------+------+----------+------------+-------+----------------------+----------+-------+",
        process_id(1),
        process_id(2)
    );
    assert_eq!(ask(&engine, sql).await, expected);
}

#[tokio::test]
async fn streams_count_what_is_there_and_what_is_missing() {
    let mut lake = TestLake::new().await;
    let mut main = spans(1, 1);
    let blocks = [main.second(), main.second(), main.second()];
    lake.commit(&[blocks[0].clone(), blocks[2].clone()]).await;
    let sql = "SELECT kind, thread, thread_number, block_count, event_count, row_count, next_ordinal, missing_blocks FROM streams";
    let expected = "\
+------+--------+---------------+-------------+-------------+-----------+--------------+----------------+
| kind | thread | thread_number | block_count | event_count | row_count | next_ordinal | missing_blocks |
+------+--------+---------------+-------------+-------------+-----------+--------------+----------------+
| span | 101    | 101           | 2           | 800         | 400       | 600          | 1              |
+------+--------+---------------+-------------+-------------+-----------+--------------+----------------+";
    assert_eq!(ask(&lake.engine(), sql).await, expected);
}

#[tokio::test]
async fn blocks_say_where_they_stood_and_where_they_lie() {
    let mut lake = TestLake::new().await;
    let mut main = spans(1, 0);
    lake.commit(&[main.second(), main.second()]).await;
    lake.commit(&[spans(2, 0).second()]).await;
    let sql = format!(
        "SELECT sequence, first_ordinal, row_count, topic, partition, offset, begin, end FROM blocks \
         WHERE process_id = '{}' ORDER BY sequence",
        process_id(1)
    );
    let expected = "\
+----------+---------------+-----------+-----------------+-----------+--------+----------------------+----------------------+
| sequence | first_ordinal | row_count | topic           | partition | offset | begin                | end                  |
+----------+---------------+-----------+-----------------+-----------+--------+----------------------+----------------------+
| 0        | 0             | 200       | framelake.spans | 0         | 0      | 2026-01-01T00:00:00Z | 2026-01-01T00:00:01Z |
| 1        | 200           | 200       | framelake.spans | 0         | 1      | 2026-01-01T00:00:01Z | 2026-01-01T00:00:02Z |
+----------+---------------+-----------+-----------------+-----------+--------+----------------------+----------------------+";
    assert_eq!(ask(&lake.engine(), &sql).await, expected);
    assert_eq!(number(&lake.engine(), "SELECT count(DISTINCT object) FROM blocks").await, 2);
}

#[tokio::test]
async fn tables_and_columns_are_listed() {
    let lake = TestLake::new().await;
    let sql = "SELECT table_catalog, table_schema, table_name, table_type FROM information_schema.tables \
               WHERE table_schema = 'public' ORDER BY table_name LIMIT 2";
    let expected = "\
+---------------+--------------+-------------+------------+
| table_catalog | table_schema | table_name  | table_type |
+---------------+--------------+-------------+------------+
| framelake     | public       | async_spans | BASE TABLE |
| framelake     | public       | attachments | BASE TABLE |
+---------------+--------------+-------------+------------+";
    assert_eq!(ask(&lake.engine(), sql).await, expected);
}
