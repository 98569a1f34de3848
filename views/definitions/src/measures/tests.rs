//! Measurements of known values, as rows.

use super::Measures;
use crate::{Projection, RowView, batches, sample};
use arrow::array::AsArray;
use framelake_wire::{
    Arg,
    encode::{MetricEncoder, PropertiesId, ThreadId, Value},
    raw::RawBuf,
};

#[test]
fn a_measurement_has_its_properties_its_tags_and_its_count() {
    let mut encoder = MetricEncoder::new();
    encoder.push(sample::MEASURED, ThreadId(0), 100, Value::Integer(-3), None);
    encoder.push(sample::MEASURED, ThreadId(0), 200, Value::Float(0.5), Some(PropertiesId(0)));
    encoder.push(sample::MEASURED, ThreadId(0), 300, Value::Float(f64::NAN), Some(PropertiesId(1)));
    let tagged = RawBuf::of(&[Arg::F64(1.5), Arg::None, Arg::Str("moor"), Arg::Bool(true)]);
    encoder.push_args(sample::MEASURED, ThreadId(0), 400, tagged.as_raw(), None);
    let counted = RawBuf::of(&[Arg::I64(12), Arg::U64(7)]);
    encoder.push_args(sample::COUNTED, ThreadId(0), 450, counted.as_raw(), None);
    let block = encoder.seal(&sample::seal("metric", 0, 0, 500), &sample::Names);
    let expected = format!(
        "\
+--------------------------------------+--------------------------------------+--------+---------+--------------------------------+--------+---------+------+-------+----------------------------+-------+
| process_id                           | stream_id                            | thread | ordinal | time                           | name   | target  | unit | value | properties                 | count |
+--------------------------------------+--------------------------------------+--------+---------+--------------------------------+--------+---------+------+-------+----------------------------+-------+
| {p} | {s} | main   | 0       | 1970-01-01T00:00:01.000000100Z | bodies | physics | 1    | -3.0  |                            | 1     |
| {p} | {s} | main   | 1       | 1970-01-01T00:00:01.000000200Z | bodies | physics | 1    | 0.5   | {{map: castle, mode: siege}} | 1     |
| {p} | {s} | main   | 2       | 1970-01-01T00:00:01.000000300Z | bodies | physics | 1    | NaN   | {{map: field}}               | 1     |
| {p} | {s} | main   | 3       | 1970-01-01T00:00:01.000000400Z | bodies | physics | 1    | 1.5   | {{map: moor, bot: true}}     | 1     |
| {p} | {s} | main   | 4       | 1970-01-01T00:00:01.000000450Z | bodies | physics | 1    | 12.0  |                            | 7     |
+--------------------------------------+--------------------------------------+--------+---------+--------------------------------+--------+---------+------+-------+----------------------------+-------+",
        p = sample::PROCESS,
        s = sample::STREAM
    );
    assert_eq!(sample::table(&Measures, &block), expected);
}

#[test]
fn long_blocks_come_in_batches_and_every_projection_has_their_rows() {
    let mut encoder = MetricEncoder::new();
    for number in 0..20_000 {
        encoder.push(sample::MEASURED, ThreadId(0), 100 + number, Value::Integer(number.cast_signed()), None);
    }
    let block = encoder.seal(&sample::seal("metric", 0, 0, 100_000), &sample::Names);
    let rows = Measures.open(&block).unwrap();
    for columns in [vec![], vec![3], vec![8, 0], (0..10).collect()] {
        let projection = Projection::of(&Measures.schema(), &columns);
        let lengths: Vec<_> = batches(rows.as_ref(), &projection).map(|batch| batch.num_rows()).collect();
        assert_eq!(lengths, [8192, 8192, 20_000 - 2 * 8192], "{columns:?}");
    }
    let ordinals = Projection::of(&Measures.schema(), &[3]);
    let seen: Vec<i64> = batches(rows.as_ref(), &ordinals)
        .flat_map(|batch| batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec())
        .collect();
    assert!(seen.iter().copied().eq(0..20_000));
}
#[test]
fn long_texts_end_a_batch_early_and_no_row_is_missing() {
    let mut encoder = MetricEncoder::new();
    for number in 0..1_500 {
        let properties = (number % 2 == 0).then_some(sample::LONG);
        encoder.push(sample::MEASURED, ThreadId(0), 100 + number, Value::Integer(number.cast_signed()), properties);
    }
    let block = encoder.seal(&sample::seal("metric", 0, 0, 100_000), &sample::Names);
    let rows = Measures.open(&block).unwrap();
    let lengths = |columns: &[usize]| {
        let projection = Projection::of(&Measures.schema(), columns);
        batches(rows.as_ref(), &projection).map(|batch| batch.num_rows()).collect::<Vec<_>>()
    };
    // 16 MiB are 559.2 sets, of every other row; the one that goes beyond is the last.
    assert_eq!(lengths(&[3, 9]), [1_119, 381]);
    assert_eq!(lengths(&[3]), [1_500]);
}
