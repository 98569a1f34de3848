//! How blocks are shared out.

use super::*;
use framelake_lake::{Incarnation, Position};
use framelake_log::{Offset, TopicPartition};
use framelake_wire::{BlockId, ProcessId, StreamId, StreamKind, Topic};

fn block(object: &str, byte_offset: u64, byte_length: u32) -> BlockEntry {
    BlockEntry {
        process_id: ProcessId::from_bytes([1; 16]),
        stream_id: StreamId::from_bytes([2; 16]),
        kind: StreamKind::SPAN,
        block_id: BlockId::from_bytes([3; 16]),
        sequence: 0,
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
        object: object.into(),
        byte_offset,
        byte_length,
        payload_bytes: byte_length,
    }
}

#[test]
fn runs_take_about_the_same_bytes_and_keep_the_order_of_their_objects() {
    let check = |blocks: &[(&str, u64, u32)], count: usize, expected: &[&[(&str, u64)]]| {
        let blocks = blocks.iter().map(|&(object, offset, length)| block(object, offset, length)).collect();
        let runs = split(blocks, count);
        let runs: Vec<Vec<_>> =
            runs.iter().map(|run| run.iter().map(|block| (&*block.object, block.byte_offset)).collect()).collect();
        assert_eq!(runs, expected);
    };
    check(&[], 2, &[&[]]);
    check(&[("a", 0, 10)], 2, &[&[("a", 0)]]);
    check(
        &[("b", 0, 10), ("a", 10, 10), ("a", 0, 10), ("b", 10, 10)],
        2,
        &[&[("a", 0), ("a", 10)], &[("b", 0), ("b", 10)]],
    );
    check(&[("a", 0, 1), ("a", 1, 98), ("a", 99, 1)], 2, &[&[("a", 0), ("a", 1)], &[("a", 99)]]);
    check(&[("a", 0, 10), ("a", 10, 10)], 1, &[&[("a", 0), ("a", 10)]]);
    check(&[("a", 0, 0), ("a", 0, 0)], 0, &[&[("a", 0), ("a", 0)]]);
}
