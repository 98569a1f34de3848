//! Async spans of known ticks, as rows.

use super::AsyncSpans;
use crate::{RowView, sample};
use framelake_wire::{
    Arg,
    encode::{AsyncEncoder, ThreadId},
    raw::{Raw, RawBuf},
};

#[test]
fn a_span_is_a_row_of_the_block_that_holds_its_end_and_open_until_then() {
    let mut encoder = AsyncEncoder::new();
    let fields = RawBuf::of(&[Arg::Str("download"), Arg::Str("/a.png"), Arg::U64(7)]);
    encoder.begin(10, 0, sample::NAMED, ThreadId(0), 100, fields.as_raw());
    encoder.begin(11, 10, sample::INNER, ThreadId(1), 200, Raw::default());
    encoder.end(11, 240);
    let first = encoder.seal(&sample::seal("async", 0, 0, 250), &sample::Names);
    encoder.end(10, 400);
    let second = encoder.seal(&sample::seal("async", 1, 250, 500), &sample::Names);

    let table = |rows: [&str; 1]| {
        let line = "+--------------------------------------+--------------------------------------+--------+---------+--------+----------+--------+------+------+--------------------------------+--------------------------------+-------------+-------------------------+";
        let head = "| process_id                           | stream_id                            | thread | ordinal | parent | name     | target | file | line | begin                          | end                            | duration_ns | fields                  |";
        let rows = rows.map(|row| row.replace("{p}", sample::PROCESS).replace("{s}", sample::STREAM));
        [line, head, line, &rows.join("\n"), line].join("\n")
    };
    let inner = "| {p} | {s} | 101    | 1       | 0      | inner    | game   | b.rs | 2    | 1970-01-01T00:00:01.000000200Z | 1970-01-01T00:00:01.000000240Z | 40          |                         |";
    let outer = "| {p} | {s} | main   | 0       |        | download | net    | e.rs | 5    | 1970-01-01T00:00:01.000000100Z | 1970-01-01T00:00:01.000000400Z | 300         | {path: /a.png, size: 7} |";
    let squeezed = |table: &str| table.replace([' ', '-'], "");
    assert_eq!(squeezed(&sample::table(&AsyncSpans, &first)), squeezed(&table([inner])));
    assert_eq!(squeezed(&sample::table(&AsyncSpans, &second)), squeezed(&table([outer])));

    let open = AsyncSpans.open_rows(&first).unwrap().unwrap();
    assert_eq!((open.num_rows(), open.schema()), (1, AsyncSpans.schema()));
    for column in AsyncSpans.ended_columns() {
        assert_eq!(open.column_by_name(column).unwrap().null_count(), 1, "{column}");
    }
    let shown = arrow::util::pretty::pretty_format_batches(&[open]).unwrap().to_string();
    assert!(shown.contains("download") && shown.contains("{path: /a.png, size: 7}"), "{shown}");
    assert!(AsyncSpans.open_rows(&second).unwrap().is_none());
}
