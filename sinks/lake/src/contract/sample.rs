//! Logs, blocks and commits to try the facts on.

use crate::{Catalog, CommitOutcome, Incarnation, NewBlock, Position, Run, SegmentCommit};
use bytes::Bytes;
use framelake_log::{Offset, TopicId, TopicPartition};
use framelake_wire::{BlockId, Header, Process, ProcessId, StreamId, StreamKind, TimeSample, Topic, UnixNanos};
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

pub(super) fn process(number: u8) -> ProcessId {
    ProcessId::from_bytes([number; 16])
}

pub(super) fn stream(number: u8) -> StreamId {
    StreamId::from_bytes([number; 16])
}

/// A header of 10 rows in the second that its sequence numbers.
pub(super) fn header(process_number: u8, stream_number: u8, kind: StreamKind, sequence: u64) -> Header {
    let begin = second(sequence);
    Header {
        format_version: framelake_wire::limits::FORMAT_VERSION,
        process_id: process(process_number),
        stream_id: stream(stream_number),
        thread_name: if kind == StreamKind::SPAN { format!("worker-{stream_number}") } else { String::new() },
        thread_number: stream_number.into(),
        kind,
        clock_domain: "monotonic".to_owned(),
        block_id: BlockId::from_bytes(Uuid::new_v4().into_bytes()),
        sequence,
        first_ordinal: sequence * 10,
        ordinal_count: 10,
        event_count: 20,
        row_count: 10,
        dropped_count: 0,
        dropped_total: 0,
        anchor_ns: 0,
        begin: TimeSample { ticks: 0, monotonic_ns: begin, wall_ns: begin },
        end: TimeSample { ticks: 1, monotonic_ns: begin + SECOND, wall_ns: begin + SECOND },
        min_time: begin + 1,
        max_time: begin + SECOND - 1,
        extensions: Vec::new(),
    }
}

/// Names no schema there is: the catalog takes any.
pub(super) const SCHEMA: u64 = 0xfedc_ba98_7654_3210;

pub(super) const SECOND: i64 = 1_000_000_000;

/// When the second of that number begins.
pub(super) fn second(number: u64) -> UnixNanos {
    1_700_000_000 * SECOND + number.cast_signed() * SECOND
}

/// A log whose records are given out one after the other.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) topic: Topic,
    pub(super) partition: u32,
    pub(super) incarnation: Incarnation,
    pub(super) committed: Option<Offset>,
    pub(super) next: Offset,
}

impl Log {
    /// A partition of a topic that the catalog sees for the first time.
    pub(super) async fn new(catalog: &dyn Catalog, topic: Topic, partition: u32) -> Self {
        let incarnation = catalog.incarnation(topic, TopicId(Uuid::new_v4())).await.expect("incarnation");
        Self { topic, partition, incarnation, committed: None, next: Offset(0) }
    }

    pub(super) fn topic_partition(&self) -> TopicPartition {
        TopicPartition { topic: self.topic, partition: self.partition }
    }

    pub(super) fn position(&mut self) -> Position {
        let offset = self.next;
        self.next = Offset(offset.0 + 1);
        Position { incarnation: self.incarnation, topic_partition: self.topic_partition(), offset }
    }

    /// The next record: a block with this header.
    pub(super) fn block(&mut self, header: Header) -> NewBlock {
        let position = self.position();
        NewBlock {
            // As good as a checksum here: other bytes, another number.
            crc: u32::from_le_bytes(header.block_id.as_bytes()[..4].try_into().expect("four bytes")),
            position,
            byte_offset: 1_000 + 500 * (position.offset.0.unsigned_abs() % 1_000_000),
            byte_length: 400,
            payload_bytes: 300,
            record: Bytes::from(format!("record of {}", header.block_id)),
            header,
        }
    }

    /// A commit of everything since the last one.
    pub(super) fn commit(&self, blocks: Vec<NewBlock>) -> SegmentCommit {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let run = Run {
            incarnation: self.incarnation,
            topic_partition: self.topic_partition(),
            expected: self.committed,
            from: self.committed.unwrap_or(Offset(0)),
            next: self.next,
        };
        SegmentCommit {
            key: format!("segments/{}/{number}.avro", self.topic),
            topic: self.topic,
            bytes: 10_000,
            record_count: blocks.len() as u64,
            block_schema: (!blocks.is_empty()).then_some(SCHEMA),
            runs: vec![run],
            last_records: Default::default(),
            blocks,
            processes: Vec::new(),
            dead_letters: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// Commits blocks with these headers, and returns the segment's key and what became of it.
    pub(super) async fn write(&mut self, catalog: &dyn Catalog, headers: Vec<Header>) -> (String, CommitOutcome) {
        let blocks = headers.into_iter().map(|header| self.block(header)).collect();
        let commit = self.commit(blocks);
        let key = commit.key.clone();
        let outcome = catalog.commit_segment(commit).await.expect("commit");
        if let CommitOutcome::Committed { .. } = outcome {
            self.committed = Some(self.next);
        }
        (key, outcome)
    }
}

pub(super) fn committed(visible: u64) -> CommitOutcome {
    CommitOutcome::Committed { visible, duplicates: 0, conflicts: 0 }
}

/// A record of a process, of this revision.
pub(super) fn process_record(number: u8, revision: u64) -> Process {
    Process {
        process_id: process(number),
        revision,
        parent_process_id: None,
        exe: "game".to_owned(),
        version: format!("1.{revision}"),
        user: "player".to_owned(),
        host: "desk".to_owned(),
        os: "Linux".to_owned(),
        arch: "x86_64".to_owned(),
        cpu: "a processor".to_owned(),
        cores: 2,
        memory_bytes: 1 << 33,
        pid: 4_711,
        sdk: "framelake 0.1".to_owned(),
        start_time: second(0),
        last_seen: second(revision),
        end_time: None,
        exit_reason: None,
        properties: [("map".to_owned(), "castle".to_owned())].into(),
        dropped: [].into(),
    }
}
