//! What the rows are.

use crate::fixture::*;

#[tokio::test]
async fn spans_have_parents_depths_and_self_times() {
    let mut lake = TestLake::new().await;
    let mut main = spans(1, 0);
    main.encoder.begin(UPDATE, 1000);
    main.encoder.begin(PHYSICS, 2000);
    main.encoder.end(4000);
    main.encoder.end(9000);
    let block = main.seal(SECOND);
    lake.commit(&[block]).await;
    let sql = "SELECT ordinal, parent, depth, name, target, file, line, thread, begin, end, duration_ns, self_ns, truncated \
               FROM thread_spans ORDER BY ordinal";
    let expected = "\
+---------+--------+-------+---------+--------+-------------+------+--------+-----------------------------+-----------------------------+-------------+---------+-----------+
| ordinal | parent | depth | name    | target | file        | line | thread | begin                       | end                         | duration_ns | self_ns | truncated |
+---------+--------+-------+---------+--------+-------------+------+--------+-----------------------------+-----------------------------+-------------+---------+-----------+
| 0       |        | 0     | update  | game   | src/game.rs | 10   | main   | 2026-01-01T00:00:00.000001Z | 2026-01-01T00:00:00.000009Z | 8000        | 6000    | false     |
| 1       | 0      | 1     | physics | game   | src/game.rs | 20   | main   | 2026-01-01T00:00:00.000002Z | 2026-01-01T00:00:00.000004Z | 2000        | 2000    | false     |
+---------+--------+-------+---------+--------+-------------+------+--------+-----------------------------+-----------------------------+-------------+---------+-----------+";
    assert_eq!(ask(&lake.engine(), sql).await, expected);
}

#[tokio::test]
async fn log_lines_have_their_text_or_their_call_sites() {
    let mut lake = TestLake::new().await;
    let mut log = logs(1);
    let block = log.second();
    lake.commit(&[block]).await;
    let sql =
        "SELECT ordinal, time, level, thread, target, message, line, args FROM log_entries ORDER BY ordinal LIMIT 2";
    let expected = "\
+---------+--------------------------+-------+--------+--------+--------------+------+------+
| ordinal | time                     | level | thread | target | message      | line | args |
+---------+--------------------------+-------+--------+--------+--------------+------+------+
| 0       | 2026-01-01T00:00:00Z     | info  | main   | game   | level loaded | 30   |      |
| 1       | 2026-01-01T00:00:00.100Z | info  | 101    | game   | line 1       | 30   |      |
+---------+--------------------------+-------+--------+--------+--------------+------+------+";
    assert_eq!(ask(&lake.engine(), sql).await, expected);
}

#[tokio::test]
async fn async_spans_have_fields_and_those_open_have_no_end() {
    let mut lake = TestLake::new().await;
    let mut requests = asyncs(1);
    lake.commit_process(&process(1)).await;
    lake.commit(&[requests.second()]).await;
    let expected = "\
+---------+--------+-------------+------+
| ordinal | number | duration_ns | map  |
+---------+--------+-------------+------+
| 2       | 2      | 250000000   | true |
| 3       | 3      | 250000000   | true |
| 4       | 4      |             | true |
+---------+--------+-------------+------+";
    let sql = "SELECT ordinal, fields['number'] AS number, duration_ns, fields['map'] = 'castle' AS map FROM async_spans \
               WHERE name = 'request' AND cast(fields['number'] AS INT) > 1 ORDER BY ordinal";
    assert_eq!(ask(&lake.engine(), sql).await, expected);
}

#[tokio::test]
async fn the_parts_of_an_attachment_in_order_are_the_file() {
    let mut lake = TestLake::new().await;
    let mut attached = attachments(1);
    let file: Vec<u8> = (0..1_200_000_u32).map(|byte| (byte / 7) as u8).collect();
    // In the log the other way round.
    let blocks: Vec<_> = (0..3).rev().map(|part| attached.part(&file, part)).collect();
    lake.commit(&blocks).await;
    let expected = "\
+------+--------------------------+---------+------+-------+--------+
| name | media_type               | size    | part | parts | bytes  |
+------+--------------------------+---------+------+-------+--------+
| dump | application/octet-stream | 1200000 | 0    | 3     | 524288 |
| dump | application/octet-stream | 1200000 | 1    | 3     | 524288 |
| dump | application/octet-stream | 1200000 | 2    | 3     | 151424 |
+------+--------------------------+---------+------+-------+--------+";
    let sql = "SELECT name, media_type, size, part, parts, length(encode(bytes, 'hex')) / 2 AS bytes FROM attachments ORDER BY part";
    assert_eq!(ask(&lake.engine(), sql).await, expected);

    use arrow::array::AsArray;
    let sql = "SELECT bytes FROM attachments WHERE attachment = 0 ORDER BY attachment, part";
    let batches = lake.engine().session().sql(sql).await.unwrap().collect().await.unwrap();
    let found: Vec<u8> =
        batches.iter().flat_map(|b| b.column(0).as_binary::<i32>().iter().flatten().flatten().copied()).collect();
    assert!(found == file, "{} bytes of {}", found.len(), file.len());
    // In one row, as text.
    let sql = "SELECT length(string_agg(encode(bytes, 'hex'), '' ORDER BY part)) AS digits FROM attachments WHERE attachment = 0";
    assert_eq!(number(&lake.engine(), sql).await, 2_400_000);
}

#[tokio::test]
async fn measures_have_units_and_properties() {
    let mut lake = TestLake::new().await;
    let mut metric = metrics(1);
    let block = metric.second();
    lake.commit(&[block]).await;
    let sql = "SELECT ordinal, name, unit, value, properties, properties['map'] AS map FROM measures ORDER BY ordinal";
    let expected = "\
+---------+--------+------+-------+----------------------------+--------+
| ordinal | name   | unit | value | properties                 | map    |
+---------+--------+------+-------+----------------------------+--------+
| 0       | bodies | 1    | 0.0   | {map: castle, mode: siege} | castle |
| 1       | bodies | 1    | 1.0   |                            |        |
| 2       | bodies | 1    | 2.5   | {map: castle, mode: siege} | castle |
| 3       | bodies | 1    | 3.5   |                            |        |
+---------+--------+------+-------+----------------------------+--------+";
    assert_eq!(ask(&lake.engine(), sql).await, expected);
}

#[tokio::test]
async fn a_frame_over_two_blocks_is_one_row() {
    let mut lake = TestLake::new().await;
    let mut frame = frames(1);
    let blocks = [frame.second(), frame.second()];
    lake.commit(&blocks).await;
    let engine = lake.engine();
    let sql = "SELECT count(*), count(DISTINCT ordinal), min(duration_ns), max(duration_ns), max(ordinal) FROM frames";
    let expected = "\
+----------+--------------------------------+-------------------------+-------------------------+---------------------+
| count(*) | count(DISTINCT frames.ordinal) | min(frames.duration_ns) | max(frames.duration_ns) | max(frames.ordinal) |
+----------+--------------------------------+-------------------------+-------------------------+---------------------+
| 99       | 99                             | 20000000                | 20000000                | 98                  |
+----------+--------------------------------+-------------------------+-------------------------+---------------------+";
    assert_eq!(ask(&engine, sql).await, expected);
}

#[tokio::test]
async fn every_column_of_every_table_can_be_selected_by_name() {
    let mut lake = TestLake::new().await;
    lake.commit(&[spans(1, 0).second()]).await;
    lake.commit(&[logs(1).second()]).await;
    lake.commit(&[metrics(1).second()]).await;
    lake.commit(&[frames(1).second()]).await;
    lake.commit(&[asyncs(1).second()]).await;
    lake.commit(&[attachments(1).second()]).await;
    lake.commit_process(&process(1)).await;
    let engine = lake.engine();
    let tables = engine.tables();
    assert_eq!(tables.len(), 12);
    for (table, schema) in tables {
        let columns: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let by_name = ask(&engine, &format!("SELECT {} FROM {table} LIMIT 3", columns.join(", "))).await;
        let all = ask(&engine, &format!("SELECT * FROM framelake.public.{table} LIMIT 3")).await;
        assert_eq!(by_name, all, "{table}");
    }
}

#[tokio::test]
async fn rows_can_be_counted_without_a_column() {
    let mut lake = TestLake::new().await;
    let mut main = spans(1, 0);
    let blocks: Vec<_> = (0..50).map(|_| main.second()).collect();
    lake.commit(&blocks).await;
    assert_eq!(number(&lake.engine(), "SELECT count(*) FROM thread_spans").await, 10_000);
}

#[tokio::test]
async fn an_empty_lake_answers_with_no_rows() {
    let lake = TestLake::new().await;
    let engine = lake.engine();
    for (table, _) in engine.tables() {
        assert_eq!(number(&engine, &format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
}
