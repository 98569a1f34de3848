//! The block: a sealed, compressed, self-contained run of a stream's events.

use crate::{BlockId, ProcessId, Result, StreamId, StreamKind, TimeMap, TimeSample, UnixNanos};

/// What is known of a block without opening its payload.
///
/// A row of a span stream is one span and takes one ordinal, given at its begin; it is made of two recorded
/// events, its begin and its end, and belongs to the block that holds the end. In every other kind of stream an
/// event is a row. See docs/decisions/0002-span-ordinals.md.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version of the payload's layout; 0 until the format is frozen.
    pub format_version: u32,
    /// The run of the program that recorded the events.
    pub process_id: ProcessId,
    /// The stream the block is a part of.
    pub stream_id: StreamId,
    /// What the events are.
    pub kind: StreamKind,
    /// The name of the thread whose spans these are; empty for streams of a whole process.
    pub thread_name: String,
    /// The operating system's number of that thread; 0 for streams of a whole process.
    pub thread_number: u64,
    /// Which clock the ticks are of: `tsc`, `cntvct` or `monotonic`.
    pub clock_domain: String,
    /// This block's own id.
    pub block_id: BlockId,
    /// The block's number in its stream, dense from 0.
    pub sequence: u64,
    /// The first ordinal given out in this block.
    pub first_ordinal: u64,
    /// How many ordinals were given out in this block, those of dropped events included; the next block's
    /// `first_ordinal` is `first_ordinal + ordinal_count`.
    pub ordinal_count: u64,
    /// Recorded events in the payload (a span's begin and end are two).
    pub event_count: u64,
    /// Rows that decoding yields, spans still open not counted.
    pub row_count: u64,
    /// Ordinals of this block whose events were dropped before they were recorded.
    pub dropped_count: u64,
    /// All rows of this stream lost so far, up to the seal of this block: dropped before they were recorded, or in
    /// blocks that were shed. Cumulative, so that a block that never arrives takes no count with it.
    pub dropped_total: u64,
    /// Wall − monotonic at the anchor of this process's time.
    pub anchor_ns: i64,
    /// The clocks where the block begins; the end sample of the drain before.
    pub begin: TimeSample,
    /// The clocks where the block ends; shared by all blocks of one drain.
    pub end: TimeSample,
    /// The least time of the rows: the begin of the earliest span that ends here. Equals `max_time` = the end
    /// sample's time where there are no rows.
    pub min_time: UnixNanos,
    /// The greatest time of the rows.
    pub max_time: UnixNanos,
}

impl Header {
    /// The map from this block's ticks to UTC nanoseconds.
    #[must_use]
    pub fn time_map(&self) -> TimeMap {
        TimeMap::new(self.begin, self.end, self.anchor_ns)
    }
}

/// A sealed block. It **is** its Avro record: [`Block::encode`] and [`Block::decode`] are the one authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What is known without opening the payload.
    pub header: Header,
    /// The zstd frame of the columns; opened by [`crate::decode`].
    pub payload: Vec<u8>,
}

impl Block {
    /// The block as an Avro single-object record, its CRC32C computed over header and payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        todo!()
    }

    /// Reads a record that [`Block::encode`] wrote, now or in an older version. Checks sizes, kinds and the CRC; does not open the
    /// payload. Never panics, and allocates no more than the input's length plus 64 KiB.
    ///
    /// # Errors
    /// Names the field and what is wrong with it.
    pub fn decode(_record: &[u8]) -> Result<Self> {
        todo!()
    }

    /// The CRC32C that stands in the record: the identity of the bytes, by which a re-sent block is told from another one that
    /// claims the same (stream, sequence).
    #[must_use]
    pub fn crc(&self) -> u32 {
        todo!()
    }
}
