//! Attachments of known bytes, as rows.

use super::Attachments;
use crate::{Projection, RowView, batches, sample};
use arrow::array::AsArray;
use framelake_wire::{
    encode::{Attachment, AttachmentEncoder, ThreadId},
    limits::ATTACHMENT_PART_BYTES_MAX,
};

#[test]
fn a_part_says_what_it_is_a_part_of() {
    let mut encoder = AttachmentEncoder::new();
    let bytes = b"\x89PNG";
    let shot = Attachment { number: 0, name: Some("shot.png"), media_type: "image/png", bytes };
    let note = Attachment { number: 2, name: None, media_type: "", bytes: b"" };
    encoder.push(sample::LOGGED, ThreadId(0), 100, &shot, 0);
    encoder.dropped(1);
    encoder.push(sample::LOGGED, ThreadId(1), 200, &note, 0);
    let block = encoder.seal(&sample::seal("attachment", 0, 0, 500), &sample::Names);
    let expected = format!(
        "\
+--------------------------------------+--------------------------------------+--------+---------+--------------------------------+------------+----------+------------+------+------+-------+----------+
| process_id                           | stream_id                            | thread | ordinal | time                           | attachment | name     | media_type | size | part | parts | bytes    |
+--------------------------------------+--------------------------------------+--------+---------+--------------------------------+------------+----------+------------+------+------+-------+----------+
| {p} | {s} | main   | 0       | 1970-01-01T00:00:01.000000100Z | 0          | shot.png | image/png  | 4    | 0    | 1     | 89504e47 |
| {p} | {s} | 101    | 2       | 1970-01-01T00:00:01.000000200Z | 2          | hit      |            | 0    | 0    | 1     |          |
+--------------------------------------+--------------------------------------+--------+---------+--------------------------------+------------+----------+------------+------+------+-------+----------+",
        p = sample::PROCESS,
        s = sample::STREAM
    );
    assert_eq!(sample::table(&Attachments, &block), expected);
}

#[test]
fn the_bytes_of_all_parts_in_order_are_the_attachment() {
    let whole: Vec<u8> = (0..2 * ATTACHMENT_PART_BYTES_MAX + 3).map(|byte| (byte / 3) as u8).collect();
    let dump = Attachment { number: 0, name: Some("dump"), media_type: "application/octet-stream", bytes: &whole };
    let mut encoder = AttachmentEncoder::new();
    let mut found = Vec::new();
    for part in 0..Attachment::parts(whole.len()) {
        encoder.push(sample::OUTER, ThreadId(0), 100, &dump, part);
        let block = encoder.seal(&sample::seal("attachment", u64::from(part), 0, 500), &sample::Names);
        let rows = Attachments.open(&block).unwrap();
        for batch in batches(rows.as_ref(), &Projection::all(Attachments.schema())) {
            let bytes = batch.column_by_name("bytes").unwrap().as_binary::<i32>();
            found.extend(bytes.iter().flatten().flatten().copied());
        }
    }
    assert!(found == whole, "{} bytes of {}", found.len(), whole.len());
}
