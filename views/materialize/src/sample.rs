//! Block entries for tests.

use framelake_lake::{BlockEntry, Incarnation, Position, PositionRange, Scope, ScopeCoverage, ViewPartition};
use framelake_log::{Offset, TopicPartition};
use framelake_wire::{BlockId, ProcessId, StreamId, StreamKind, Topic};

pub(crate) const SECOND: i64 = 1_000_000_000;

pub(crate) fn stream(number: u8) -> StreamId {
    StreamId::from_bytes([number; 16])
}

/// A block of one second, 100 rows and 1,000 payload bytes at that offset, which is also its second and its sequence.
pub(crate) fn block(stream_number: u8, partition: u32, offset: i64) -> BlockEntry {
    let mut id = [stream_number; 16];
    id[0] = partition as u8;
    id[8..].copy_from_slice(&offset.to_be_bytes());
    BlockEntry {
        process_id: ProcessId::from_bytes([1; 16]),
        stream_id: stream(stream_number),
        kind: StreamKind::SPAN,
        block_id: BlockId::from_bytes(id),
        sequence: offset.cast_unsigned(),
        first_ordinal: 0,
        ordinal_count: 100,
        event_count: 200,
        row_count: 100,
        dropped_count: 0,
        min_time: offset * SECOND,
        max_time: (offset + 1) * SECOND - 1,
        begin: offset * SECOND,
        end: (offset + 1) * SECOND,
        crc: 0,
        position: position(1, partition, offset),
        object: "segment".into(),
        schema: 0,
        byte_offset: 0,
        byte_length: 1100,
        payload_bytes: 1000,
    }
}

pub(crate) fn position(incarnation: i32, partition: u32, offset: i64) -> Position {
    Position {
        incarnation: Incarnation(incarnation),
        topic_partition: TopicPartition { topic: Topic::Spans, partition },
        offset: Offset(offset),
    }
}

/// A partition of the log's partition 0 over these offsets.
pub(crate) fn covered(scope: Scope, ranges: &[(i64, i64)]) -> ScopeCoverage {
    let partitions = ranges
        .iter()
        .map(|&(from, to)| ViewPartition {
            object: format!("{scope} {from}..{to}"),
            range: PositionRange {
                incarnation: Incarnation(1),
                topic_partition: TopicPartition { topic: Topic::Spans, partition: 0 },
                from: Offset(from),
                to: Offset(to),
            },
            rows: 100,
            bytes: 1000,
            min_time: from * SECOND,
            max_time: to * SECOND - 1,
        })
        .collect();
    ScopeCoverage { scope, counter: 1, partitions }
}
