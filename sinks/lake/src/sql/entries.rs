//! Block entries packed: the blocks of one process in one segment, some 55 bytes each, most of them its random id.
//!
//! Layout, version 1: the version; the streams (id, kind); then the entries in the order of the segment, each of them varints relative to the
//! one before where that is shorter. Process and log stand in the row, object and schema in the segment's.

use super::session::damaged;
use crate::{BlockEntry, Incarnation, NewBlock, Position, Result};
use framelake_log::{Offset, TopicPartition};
use framelake_wire::{BlockId, ProcessId, StreamId, StreamKind};
use std::{ops::Range, sync::Arc};

/// The layout that this version writes.
const VERSION: u8 = 1;

/// What the entries of a row have in common.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) process_id: ProcessId,
    pub(super) incarnation: Incarnation,
    pub(super) topic_partition: TopicPartition,
    pub(super) object: Arc<str>,
    pub(super) schema: u64,
}

/// What the catalog keeps of a block; object and schema stand with its segment.
pub(super) fn entry(block: &NewBlock) -> BlockEntry {
    let header = &block.header;
    BlockEntry {
        process_id: header.process_id,
        stream_id: header.stream_id,
        kind: header.kind.clone(),
        block_id: header.block_id,
        sequence: header.sequence,
        first_ordinal: header.first_ordinal,
        ordinal_count: header.ordinal_count,
        event_count: header.event_count,
        row_count: header.row_count,
        dropped_count: header.dropped_count,
        min_time: header.min_time,
        max_time: header.max_time,
        begin: header.anchor_ns.saturating_add(header.begin.monotonic_ns),
        end: header.anchor_ns.saturating_add(header.end.monotonic_ns),
        crc: block.crc,
        position: block.position,
        object: "".into(),
        schema: 0,
        byte_offset: block.byte_offset,
        byte_length: block.byte_length,
        payload_bytes: block.payload_bytes,
    }
}

/// Packs entries of one process, one partition and one segment.
pub(super) fn pack(entries: &[BlockEntry]) -> Vec<u8> {
    let mut streams: Vec<(StreamId, &StreamKind)> = Vec::new();
    for entry in entries {
        if !streams.iter().any(|&(id, _)| id == entry.stream_id) {
            streams.push((entry.stream_id, &entry.kind));
        }
    }
    let mut out = Vec::with_capacity(16 + streams.len() * 24 + entries.len() * 64);
    out.push(VERSION);
    put_unsigned(&mut out, streams.len() as u64);
    for (id, kind) in &streams {
        out.extend_from_slice(id.as_bytes());
        put_unsigned(&mut out, kind.as_str().len() as u64);
        out.extend_from_slice(kind.as_str().as_bytes());
    }
    put_unsigned(&mut out, entries.len() as u64);
    let (mut time, mut byte, mut offset) = (0, 0, 0);
    for entry in entries {
        let stream = streams.iter().position(|&(id, _)| id == entry.stream_id).unwrap_or_default();
        put_unsigned(&mut out, stream as u64);
        out.extend_from_slice(entry.block_id.as_bytes());
        put_unsigned(&mut out, entry.sequence);
        put_unsigned(&mut out, entry.first_ordinal);
        put_unsigned(&mut out, entry.ordinal_count);
        put_unsigned(&mut out, entry.event_count);
        put_unsigned(&mut out, entry.row_count);
        put_unsigned(&mut out, entry.dropped_count);
        put_signed(&mut out, entry.min_time.wrapping_sub(time));
        put_signed(&mut out, entry.max_time.wrapping_sub(entry.min_time));
        put_signed(&mut out, entry.begin.wrapping_sub(entry.min_time));
        put_signed(&mut out, entry.end.wrapping_sub(entry.max_time));
        out.extend_from_slice(&entry.crc.to_le_bytes());
        put_signed(&mut out, entry.position.offset.0.wrapping_sub(offset));
        put_signed(&mut out, entry.byte_offset.cast_signed().wrapping_sub(byte));
        put_unsigned(&mut out, entry.byte_length.into());
        put_unsigned(&mut out, entry.payload_bytes.into());
        time = entry.min_time;
        offset = entry.position.offset.0;
        byte = (entry.byte_offset + u64::from(entry.byte_length)).cast_signed();
    }
    out
}

/// The entries of a row, each handed to `take`.
pub(super) fn unpack(bytes: &[u8], common: &Common, mut take: impl FnMut(BlockEntry)) -> Result<()> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return Err(damaged("block entries of an unknown layout"));
    }
    let mut streams = Vec::new();
    for _ in 0..reader.unsigned()? {
        let id = StreamId::from_bytes(reader.array()?);
        let length = reader.unsigned()?;
        let kind = std::str::from_utf8(reader.take(length)?).map_err(|_| damaged("a stream's kind is not text"))?;
        streams.push((id, known_kind(kind)));
    }
    let (mut time, mut byte, mut offset) = (0i64, 0i64, 0i64);
    for _ in 0..reader.unsigned()? {
        let stream = usize::try_from(reader.unsigned()?).ok().and_then(|stream| streams.get(stream));
        let (stream_id, kind) = stream.ok_or_else(|| damaged("an entry names a stream that is not there"))?;
        let block_id = BlockId::from_bytes(reader.array()?);
        let sequence = reader.unsigned()?;
        let first_ordinal = reader.unsigned()?;
        let ordinal_count = reader.unsigned()?;
        let event_count = reader.unsigned()?;
        let row_count = reader.unsigned()?;
        let dropped_count = reader.unsigned()?;
        let min_time = reader.signed()?.wrapping_add(time);
        let max_time = reader.signed()?.wrapping_add(min_time);
        let begin = reader.signed()?.wrapping_add(min_time);
        let end = reader.signed()?.wrapping_add(max_time);
        let crc = u32::from_le_bytes(reader.array()?);
        offset = reader.signed()?.wrapping_add(offset);
        let byte_offset = reader.signed()?.wrapping_add(byte);
        let byte_length = reader.small()?;
        let payload_bytes = reader.small()?;
        time = min_time;
        byte = byte_offset.wrapping_add(byte_length.into());
        take(BlockEntry {
            process_id: common.process_id,
            stream_id: *stream_id,
            kind: kind.clone(),
            block_id,
            sequence,
            first_ordinal,
            ordinal_count,
            event_count,
            row_count,
            dropped_count,
            min_time,
            max_time,
            begin,
            end,
            crc,
            position: Position {
                incarnation: common.incarnation,
                topic_partition: common.topic_partition,
                offset: Offset(offset),
            },
            object: common.object.clone(),
            schema: common.schema,
            byte_offset: byte_offset.max(0).unsigned_abs(),
            byte_length,
            payload_bytes,
        });
    }
    reader.finish()
}

/// The kind of that name, without an allocation for those that there are many of.
pub(super) fn known_kind(name: &str) -> StreamKind {
    [StreamKind::LOG, StreamKind::METRIC, StreamKind::SPAN, StreamKind::FRAME, StreamKind::ATTACHMENT]
        .into_iter()
        .find(|kind| kind.as_str() == name)
        .unwrap_or_else(|| StreamKind::new(name))
}

/// LEB128, seven bits a byte, the least first.
pub(super) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Zigzag, so that small negative numbers are short too.
pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Reads what the functions above wrote.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
    pub(super) fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let (taken, left) = self.0.split_at_checked(count).ok_or_else(|| damaged("a packed value is cut short"))?;
        self.0 = left;
        Ok(taken)
    }
    pub(super) fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, left) = self.0.split_first_chunk().ok_or_else(|| damaged("a packed value is cut short"))?;
        self.0 = left;
        Ok(*taken)
    }
    pub(super) fn unsigned(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(damaged("a packed number is too long"))
    }
    pub(super) fn signed(&mut self) -> Result<i64> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
    pub(super) fn small(&mut self) -> Result<u32> {
        u32::try_from(self.unsigned()?).map_err(|_| damaged("a packed number is too large"))
    }
    /// A range whose start is a distance from `end`, and its length.
    pub(super) fn range_after(&mut self, end: u64) -> Result<Range<u64>> {
        let range = end.checked_add(self.unsigned()?);
        let range = range.and_then(|start| Some(start..start.checked_add(self.unsigned().ok()?)?));
        range.ok_or_else(|| damaged("a packed range is beyond 2^64"))
    }
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }
    pub(super) fn finish(&self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(damaged("a packed value is longer than it says")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use framelake_wire::Topic;

    fn common() -> Common {
        Common {
            process_id: ProcessId::from_bytes([1; 16]),
            incarnation: Incarnation(2),
            topic_partition: TopicPartition { topic: Topic::Spans, partition: 3 },
            object: "segments/a.avro".into(),
            schema: 7,
        }
    }

    fn entry(stream: u8, kind: &'static str, sequence: u64) -> BlockEntry {
        let common = common();
        let time = 1_700_000_000_000_000_000 + sequence.cast_signed() * 1_000_000_000;
        BlockEntry {
            process_id: common.process_id,
            stream_id: StreamId::from_bytes([stream; 16]),
            kind: StreamKind::new(kind),
            block_id: BlockId::from_bytes([0xb0 + stream; 16]),
            sequence,
            first_ordinal: sequence * 500,
            ordinal_count: 500,
            event_count: 1_000,
            row_count: 499,
            dropped_count: 1,
            min_time: time + 5,
            max_time: time + 999_999_999,
            begin: time,
            end: time + 1_000_000_000,
            crc: 0xdead_beef,
            position: Position {
                incarnation: common.incarnation,
                topic_partition: common.topic_partition,
                offset: Offset(70 + sequence.cast_signed()),
            },
            object: common.object,
            schema: common.schema,
            byte_offset: 2_000 + sequence * 4_100,
            byte_length: 4_000,
            payload_bytes: 3_800,
        }
    }

    fn unpacked(bytes: &[u8]) -> Result<Vec<BlockEntry>> {
        let mut entries = Vec::new();
        unpack(bytes, &common(), |entry| entries.push(entry)).map(|()| entries)
    }

    fn samples() -> Vec<BlockEntry> {
        vec![entry(1, "metric", 4), entry(1, "metric", 5), entry(2, "frame", 0)]
    }

    /// Catalogs live for years: what this version wrote is read by every later one.
    #[test]
    fn layout_1_is_read_forever() {
        let golden = include_str!("../../tests/golden/entries-1.hex");
        let golden: Vec<u8> = (0..golden.trim().len() / 2)
            .map(|at| u8::from_str_radix(&golden[2 * at..2 * at + 2], 16).expect("hex"))
            .collect();
        assert_eq!(unpacked(&golden).expect("entries"), samples());
        assert_eq!(pack(&samples()), golden, "a new layout needs a new number, and a golden file of its own");
    }

    #[test]
    fn an_entry_takes_some_60_bytes() {
        let entries: Vec<_> = (1_000..1_100).map(|sequence| entry(1, "span", sequence)).collect();
        let packed = pack(&entries);
        assert!(packed.len() < 100 * 62, "{} bytes", packed.len());
        assert_eq!(unpacked(&packed).expect("entries"), entries);
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        let packed = pack(&samples());
        for length in 0..packed.len() {
            assert!(unpacked(&packed[..length]).is_err(), "cut at {length}");
        }
        assert!(unpacked(&[&packed[..], &[0]].concat()).is_err(), "a byte more");
        assert!(unpacked(&[&[2], &packed[1..]].concat()).is_err(), "another layout");
    }
}
