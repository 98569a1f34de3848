//! Marks of known ticks, as rows.

use super::Frames;
use crate::sample;
use framelake_wire::encode::FrameEncoder;

#[test]
fn a_frame_lasts_from_mark_to_mark_over_blocks() {
    let mut encoder = FrameEncoder::new();
    for mark in [100, 116, 133] {
        encoder.mark(mark);
    }
    let first = encoder.seal(&sample::seal("frame", 0, 0, 140), &sample::Names);
    encoder.mark(150);
    let second = encoder.seal(&sample::seal("frame", 1, 140, 200), &sample::Names);
    let head = "\
+--------------------------------------+--------------------------------------+---------+--------------------------------+--------------------------------+-------------+
| process_id                           | stream_id                            | ordinal | begin                          | end                            | duration_ns |
+--------------------------------------+--------------------------------------+---------+--------------------------------+--------------------------------+-------------+";
    let (p, s) = (sample::PROCESS, sample::STREAM);
    let expected = format!(
        "\
{head}
| {p} | {s} | 0       | 1970-01-01T00:00:01.000000100Z | 1970-01-01T00:00:01.000000116Z | 16          |
| {p} | {s} | 1       | 1970-01-01T00:00:01.000000116Z | 1970-01-01T00:00:01.000000133Z | 17          |
+--------------------------------------+--------------------------------------+---------+--------------------------------+--------------------------------+-------------+"
    );
    assert_eq!(sample::table(&Frames, &first), expected);
    let expected = format!(
        "\
{head}
| {p} | {s} | 2       | 1970-01-01T00:00:01.000000133Z | 1970-01-01T00:00:01.000000150Z | 17          |
+--------------------------------------+--------------------------------------+---------+--------------------------------+--------------------------------+-------------+"
    );
    assert_eq!(sample::table(&Frames, &second), expected);
}
