//! Spans of known ticks, as rows.

use super::ThreadSpans;
use crate::{RowView, sample};
use framelake_wire::{Arg, encode::SpanEncoder, raw::RawBuf};

#[test]
fn a_span_is_a_row_of_the_block_that_holds_its_end() {
    let mut encoder = SpanEncoder::new();
    encoder.begin(sample::OUTER, 100);
    let fields = RawBuf::of(&[Arg::Text("load"), Arg::Str("/a.png"), Arg::None]);
    encoder.begin_with(sample::NAMED, 200, fields.as_raw());
    let first = encoder.seal(&sample::seal("span", 0, 0, 250), &sample::Names);
    encoder.end(300);
    encoder.end(400);
    let second = encoder.seal(&sample::seal("span", 1, 250, 500), &sample::Names);

    assert_eq!(sample::table(&ThreadSpans, &first).lines().count(), 0);
    let expected = format!(
        "\
+--------------------------------------+--------------------------------------+--------+---------+--------+-------+-------+--------+------+------+--------------------------------+--------------------------------+-------------+---------+-----------+----------------+
| process_id                           | stream_id                            | thread | ordinal | parent | depth | name  | target | file | line | begin                          | end                            | duration_ns | self_ns | truncated | fields         |
+--------------------------------------+--------------------------------------+--------+---------+--------+-------+-------+--------+------+------+--------------------------------+--------------------------------+-------------+---------+-----------+----------------+
| {p} | {s} | main   | 1       | 0      | 1     | load  | net    | e.rs | 5    | 1970-01-01T00:00:01.000000200Z | 1970-01-01T00:00:01.000000300Z | 100         | 100     | false     | {{path: /a.png}} |
| {p} | {s} | main   | 0       |        | 0     | outer | game   | a.rs | 1    | 1970-01-01T00:00:01.000000100Z | 1970-01-01T00:00:01.000000400Z | 300         | 200     | false     |                |
+--------------------------------------+--------------------------------------+--------+---------+--------+-------+-------+--------+------+------+--------------------------------+--------------------------------+-------------+---------+-----------+----------------+",
        p = sample::PROCESS,
        s = sample::STREAM
    );
    assert_eq!(sample::table(&ThreadSpans, &second), expected);
}

#[test]
fn open_spans_have_no_end() {
    let mut encoder = SpanEncoder::new();
    encoder.begin(sample::OUTER, 100);
    encoder.begin(sample::INNER, 200);
    let block = encoder.seal(&sample::seal("span", 0, 0, 250), &sample::Names);
    let open = ThreadSpans.open_rows(&block).unwrap().unwrap();
    assert_eq!(open.num_rows(), 2);
    for column in ThreadSpans.ended_columns() {
        assert_eq!(open.column_by_name(column).unwrap().null_count(), 2, "{column}");
    }
    assert_eq!(open.schema(), ThreadSpans.schema());

    encoder.end(300);
    encoder.end(400);
    let block = encoder.seal(&sample::seal("span", 1, 250, 500), &sample::Names);
    assert!(ThreadSpans.open_rows(&block).unwrap().is_none());
}

#[test]
fn a_spans_end_that_was_lost_is_flagged() {
    let mut encoder = SpanEncoder::new();
    encoder.begin(sample::OUTER, 100);
    encoder.begin(sample::INNER, 200);
    encoder.end_truncated(1, 300);
    encoder.end(300);
    let block = encoder.seal(&sample::seal("span", 0, 0, 500), &sample::Names);
    let table = sample::table(&ThreadSpans, &block);
    let flagged: Vec<_> = table.lines().filter(|line| line.contains("| true ")).collect();
    assert!(flagged.len() == 1 && flagged[0].contains("inner"), "{table}");
}
