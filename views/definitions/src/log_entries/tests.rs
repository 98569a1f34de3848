//! Lines of known call sites, as rows.

use super::LogEntries;
use crate::{Projection, RowView, batches, sample};
use arrow::array::AsArray;
use framelake_wire::{
    Arg,
    encode::{LogEncoder, ThreadId},
    raw::RawBuf,
};

#[test]
fn a_line_is_its_own_text_its_call_sites_or_made_of_its_arguments() {
    let mut encoder = LogEncoder::new();
    encoder.push(sample::LOGGED, ThreadId(0), 100, None);
    encoder.push(sample::LOGGED, ThreadId(1), 200, Some("hit for 7"));
    encoder.push(sample::OUTER, ThreadId(1), 300, Some(""));
    let args = RawBuf::of(&[Arg::Str("ada"), Arg::U64(7), Arg::Bool(true)]);
    encoder.push_args(sample::FORMATTED, ThreadId(0), 400, args.as_raw());
    let block = encoder.seal(&sample::seal("log", 0, 0, 500), &sample::Names);
    let expected = format!(
        "\
+--------------------------------------+--------------------------------------+--------+---------+--------------------------------+-------+--------+-----------------+------+------+---------------------------------------+------------------------+
| process_id                           | stream_id                            | thread | ordinal | time                           | level | target | message         | file | line | args                                  | format                 |
+--------------------------------------+--------------------------------------+--------+---------+--------------------------------+-------+--------+-----------------+------+------+---------------------------------------+------------------------+
| {p} | {s} | main   | 0       | 1970-01-01T00:00:01.000000100Z | warn  | combat | hit             | c.rs | 3    |                                       | hit                    |
| {p} | {s} | 101    | 1       | 1970-01-01T00:00:01.000000200Z | warn  | combat | hit for 7       | c.rs | 3    |                                       | hit                    |
| {p} | {s} | 101    | 2       | 1970-01-01T00:00:01.000000300Z |       | game   |                 | a.rs | 1    |                                       | outer                  |
| {p} | {s} | main   | 3       | 1970-01-01T00:00:01.000000400Z | info  | combat | hit ada for   7 | c.rs | 6    | {{who: ada, damage: 7, critical: true}} | hit {{}} for {{damage:>3}} |
+--------------------------------------+--------------------------------------+--------+---------+--------------------------------+-------+--------+-----------------+------+------+---------------------------------------+------------------------+",
        p = sample::PROCESS,
        s = sample::STREAM
    );
    assert_eq!(sample::table(&LogEntries, &block), expected);
}
#[test]
fn long_texts_end_a_batch_early_and_no_row_is_missing() {
    let mut encoder = LogEncoder::new();
    for number in 0..1_000 {
        encoder.push_args(sample::WIDE, ThreadId(0), number, RawBuf::of(&[Arg::U64(number)]).as_raw());
    }
    let block = encoder.seal(&sample::seal("log", 0, 0, 100_000), &sample::Names);
    let rows = LogEntries.open(&block).unwrap();
    let of = |columns: &[usize]| {
        let projection = Projection::of(&LogEntries.schema(), columns);
        batches(rows.as_ref(), &projection).collect::<Vec<_>>()
    };
    let found = of(&[7]);
    // 16 MiB are 279.6 lines.
    assert_eq!(found.iter().map(|batch| batch.num_rows()).collect::<Vec<_>>(), [280, 280, 280, 160]);
    let lines = found.iter().flat_map(|batch| batch.column(0).as_string::<i32>().iter().flatten());
    assert!(lines.enumerate().all(|(number, line)| line.len() == 60_000 && line.trim_start() == number.to_string()));
    assert_eq!(of(&[3]).iter().map(|batch| batch.num_rows()).collect::<Vec<_>>(), [1_000]);
}
