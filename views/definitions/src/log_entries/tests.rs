//! Lines of known call sites, as rows.

use super::LogEntries;
use crate::sample;
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
