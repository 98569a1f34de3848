//! What the catalog says of processes, streams and blocks.

use crate::{Incarnation, Position};
use framelake_log::{Offset, TopicPartition};
use framelake_wire::{BlockId, Process, ProcessId, StreamId, StreamKind, UnixNanos};
use std::sync::Arc;

/// A visible block: enough to prune it, and to fetch it with one ranged read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEntry {
    /// The process.
    pub process_id: ProcessId,
    /// The stream.
    pub stream_id: StreamId,
    /// The stream's kind.
    pub kind: StreamKind,
    /// The block's own id.
    pub block_id: BlockId,
    /// Its number in the stream.
    pub sequence: u64,
    /// See [`framelake_wire::Header::first_ordinal`].
    pub first_ordinal: u64,
    /// See [`framelake_wire::Header::ordinal_count`].
    pub ordinal_count: u64,
    /// Recorded events.
    pub event_count: u64,
    /// Rows it yields.
    pub row_count: u64,
    /// Ordinals dropped in it.
    pub dropped_count: u64,
    /// Least time of its rows.
    pub min_time: UnixNanos,
    /// Greatest time of its rows.
    pub max_time: UnixNanos,
    /// When the block began, by its begin sample.
    pub begin: UnixNanos,
    /// When the block ended, by its end sample.
    pub end: UnixNanos,
    /// CRC32C of the record.
    pub crc: u32,
    /// Where it stood in the log.
    pub position: Position,
    /// The object that holds it.
    pub object: Arc<str>,
    /// The fingerprint of the Avro schema that the object has it in.
    pub schema: u64,
    /// First byte of its Avro body in the object.
    pub byte_offset: u64,
    /// Length of its Avro body.
    pub byte_length: u32,
    /// Length of the compressed payload in it.
    pub payload_bytes: u32,
}

/// What a block is, whatever its producer calls it: no two visible blocks share stream and sequence, and the CRC tells apart what stood there at
/// different times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockIdentity {
    /// The stream.
    pub stream_id: StreamId,
    /// Its number in the stream.
    pub sequence: u64,
    /// CRC32C of the record.
    pub crc: u32,
}

impl BlockEntry {
    /// What to know the block by. Its id is a name for people: a broken producer may give it twice.
    #[must_use]
    pub fn identity(&self) -> BlockIdentity {
        BlockIdentity { stream_id: self.stream_id, sequence: self.sequence, crc: self.crc }
    }
}

/// A half-open range of one partition's offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PositionRange {
    /// Which log.
    pub incarnation: Incarnation,
    /// Topic and partition.
    pub topic_partition: TopicPartition,
    /// First offset in the range.
    pub from: Offset,
    /// First offset beyond it.
    pub to: Offset,
}

/// Which blocks. Every given part must hold.
#[derive(Clone, Debug, Default)]
pub struct BlockFilter {
    /// Of these processes.
    pub process_ids: Option<Vec<ProcessId>>,
    /// Of these streams.
    pub stream_ids: Option<Vec<StreamId>>,
    /// Of this kind.
    pub kind: Option<StreamKind>,
    /// With rows at or after this time (`max_time >=`).
    pub time_from: Option<UnixNanos>,
    /// With rows at or before this time (`min_time <=`).
    pub time_to: Option<UnixNanos>,
    /// At these positions.
    pub positions: Option<PositionRange>,
}

/// A process as SQL shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessEntry {
    /// The process.
    pub process_id: ProcessId,
    /// Its newest record; `None` while only blocks of it came.
    pub process: Option<Process>,
}

/// A stream as SQL shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEntry {
    /// The stream.
    pub stream_id: StreamId,
    /// Its process.
    pub process_id: ProcessId,
    /// Its kind.
    pub kind: StreamKind,
    /// The thread's name; empty for streams of a whole process.
    pub thread_name: String,
    /// The operating system's thread number; 0 for streams of a whole process.
    pub thread_number: u64,
    /// Blocks of it may have another name or number of the thread: the ones above are the newest block's.
    pub renamed: bool,
    /// Visible blocks.
    pub block_count: u64,
    /// Recorded events in them.
    pub event_count: u64,
    /// Rows in them.
    pub row_count: u64,
    /// Bytes of their records.
    pub byte_count: u64,
    /// One more than the greatest ordinal seen.
    pub next_ordinal: u64,
    /// Rows the program knows it lost (the greatest `dropped_total` of its blocks and of the process's record).
    pub dropped_events: u64,
    /// Blocks that came again and were not stored again.
    pub duplicate_blocks: u64,
    /// The sequences that are there, as half-open ranges in ascending order. Between them are gaps.
    pub sequences: Vec<(u64, u64)>,
    /// Sequences below this one were expired by retention and may not come back.
    pub expired_below: u64,
    /// Least time of its rows.
    pub min_time: UnixNanos,
    /// Greatest time of its rows.
    pub max_time: UnixNanos,
}

impl StreamEntry {
    /// Sequences missing between those that are there, not counting expired ones.
    #[must_use]
    pub fn missing_blocks(&self) -> u64 {
        let mut expected = self.expired_below;
        let mut missing = 0;
        for &(from, to) in &self.sequences {
            missing += from.saturating_sub(expected);
            expected = expected.max(to);
        }
        missing
    }
}

/// Which streams. Every given part must hold.
#[derive(Clone, Debug, Default)]
pub struct StreamFilter {
    /// Of these processes.
    pub process_ids: Option<Vec<ProcessId>>,
    /// These streams.
    pub stream_ids: Option<Vec<StreamId>>,
    /// Of this kind.
    pub kind: Option<StreamKind>,
}
