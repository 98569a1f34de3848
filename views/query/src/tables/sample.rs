//! Block entries for tests.

use framelake_lake::{BlockEntry, Incarnation, Position};
use framelake_log::{Offset, TopicPartition};
use framelake_wire::{BlockId, ProcessId, StreamId, StreamKind, Topic};

/// An empty block of a stream.
pub(super) fn block(stream: u8, sequence: u64) -> BlockEntry {
    BlockEntry {
        process_id: ProcessId::from_bytes([1; 16]),
        stream_id: StreamId::from_bytes([stream; 16]),
        kind: StreamKind::SPAN,
        block_id: BlockId::from_bytes([3; 16]),
        sequence,
        first_ordinal: 0,
        ordinal_count: 0,
        event_count: 0,
        row_count: 0,
        dropped_count: 0,
        min_time: 0,
        max_time: 0,
        begin: 0,
        end: 0,
        crc: 0,
        position: Position {
            incarnation: Incarnation(1),
            topic_partition: TopicPartition { topic: Topic::Spans, partition: 0 },
            offset: Offset(0),
        },
        object: "segment".into(),
        schema: 0,
        byte_offset: 0,
        byte_length: 0,
        payload_bytes: 0,
    }
}
