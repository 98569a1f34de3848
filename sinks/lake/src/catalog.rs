//! What a catalog must do.

use crate::{
    AddOutcome, BlockEntry, BlockFilter, Incarnation, NewPartition, Position, PositionRange, ProcessEntry, RecordMark,
    Result, Scope, ScopeCoverage, StreamEntry, StreamFilter, ViewPartition, ViewVersion,
};
use async_trait::async_trait;
use bytes::Bytes;
use framelake_log::{Offset, TopicId, TopicPartition};
use framelake_wire::{Header, Process, Topic, UnixNanos};
use std::{collections::BTreeMap, fmt, time::Duration};

/// How far a partition is in the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which log.
    pub incarnation: Incarnation,
    /// Topic and partition.
    pub topic_partition: TopicPartition,
    /// The offset to read next; everything below is in the lake.
    pub next: Offset,
    /// The segment whose commit moved it here; empty before the first.
    pub last_segment: String,
    /// The record at `next − 1`, as it was read; `None` where none was.
    pub last_record: Option<RecordMark>,
}

/// The part of one partition that a segment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which log.
    pub incarnation: Incarnation,
    /// Topic and partition.
    pub topic_partition: TopicPartition,
    /// Where progress must stand for the commit to count; `None` when the partition has none yet.
    pub expected: Option<Offset>,
    /// The first offset the run is complete from.
    pub from: Offset,
    /// The first offset beyond it.
    pub next: Offset,
}

/// A block of a segment, to be made visible.
#[derive(Clone, Debug)]
pub struct NewBlock {
    /// Its header.
    pub header: Header,
    /// CRC32C of the record.
    pub crc: u32,
    /// Where it stood in the log.
    pub position: Position,
    /// First byte of its Avro body in the segment.
    pub byte_offset: u64,
    /// Length of its Avro body.
    pub byte_length: u32,
    /// Length of the compressed payload.
    pub payload_bytes: u32,
    /// The whole record; needed when it has to become a dead letter (same identity, other bytes).
    pub record: Bytes,
}

/// A record that could not be taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where it stood.
    pub position: Position,
    /// Its key.
    pub key: Bytes,
    /// Its bytes.
    pub value: Bytes,
    /// What is wrong with it.
    pub reason: String,
}

/// A dead letter as SQL and `status` show it, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterEntry {
    /// Where it stood.
    pub position: Position,
    /// Its key, as text where it is UTF-8.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// What is wrong with it.
    pub reason: String,
    /// When it was found, by the catalog's clock.
    pub time: UnixNanos,
}

/// Positions of the log that never reached the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where the gap begins.
    pub from: Position,
    /// The offset after its end.
    pub to: Offset,
    /// Why: retention passed it, the topic was made anew.
    pub reason: String,
    /// When it was found, by the catalog's clock; ignored when a gap is handed in.
    pub time: UnixNanos,
}

/// All that one segment changes, in one transaction.
#[derive(Clone, Debug)]
pub struct SegmentCommit {
    /// The object's key.
    pub key: String,
    /// Its topic.
    pub topic: Topic,
    /// Its size.
    pub bytes: u64,
    /// Records in it, of any kind.
    pub record_count: u64,
    /// The fingerprint of the Avro schema of its blocks; `None` where it has none.
    pub block_schema: Option<u64>,
    /// What it holds; each must still be expected.
    pub runs: Vec<Run>,
    /// The last record of each run that has one at its very end.
    pub last_records: BTreeMap<TopicPartition, RecordMark>,
    /// Its blocks, in the order of their positions.
    pub blocks: Vec<NewBlock>,
    /// Its processes, in the order of their positions.
    pub processes: Vec<Process>,
    /// What could not be taken in.
    pub dead_letters: Vec<DeadLetter>,
    /// What was found missing before these runs.
    pub gaps: Vec<Gap>,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is in the lake.
    Committed {
        /// Blocks now visible.
        visible: u64,
        /// Blocks that were there already.
        duplicates: u64,
        /// Blocks that claim the identity of others: dead letters now.
        conflicts: u64,
    },
    /// It was in the lake already: this is the same commit again after an ambiguous answer.
    AlreadyCommitted,
    /// Progress is elsewhere, another worker was first, or the key is doomed: drop the batch, re-read progress.
    Superseded,
}

/// A segment as `maintain` and `status` see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentEntry {
    /// The object's key.
    pub key: String,
    /// Its topic.
    pub topic: Topic,
    /// Its size.
    pub bytes: u64,
    /// Greatest time of the rows in it; `None` where it has none.
    pub max_time: Option<UnixNanos>,
    /// When it was committed, by the catalog's clock.
    pub committed: UnixNanos,
}

/// A message that must leave the catalog for a topic of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Dense, from 1.
    pub number: i64,
    /// Where it goes.
    pub topic: Topic,
    /// Its key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
    /// Its headers.
    pub headers: Vec<(String, Bytes)>,
}

/// Sums for `framelake status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Processes known.
    pub processes: u64,
    /// Streams known.
    pub streams: u64,
    /// Visible blocks.
    pub blocks: u64,
    /// Recorded events in them.
    pub events: u64,
    /// Segments.
    pub segments: u64,
    /// Bytes of segments.
    pub segment_bytes: u64,
    /// View partitions.
    pub view_partitions: u64,
    /// Bytes of view partitions.
    pub view_bytes: u64,
    /// Blocks that came again.
    pub duplicate_blocks: u64,
    /// Sequences missing.
    pub missing_blocks: u64,
    /// Rows that programs know they lost.
    pub dropped_events: u64,
    /// Dead letters that are not forgotten yet.
    pub dead_letters: u64,
    /// Messages waiting in the outbox.
    pub outbox: u64,
}

/// The catalog: what makes blocks visible, and who knows what is where.
///
/// Every method is one transaction. An error that [`crate::Error::is_retryable`] leaves it open whether the transaction happened; every method
/// may be called again with the same arguments. What a `commit_segment` that returned made visible, every later read sees.
#[async_trait]
pub trait Catalog: fmt::Debug + Send + Sync + 'static {
    /// The number of that topic id, given now if it is new.
    async fn incarnation(&self, topic: Topic, id: TopicId) -> Result<Incarnation>;
    /// The number after `previous` for a topic whose log was rolled back in the partitions `lost`: the others keep their progress under it, those begin
    /// anew. Where the topic has another number than `previous` already, that one, and nothing changes.
    async fn next_incarnation(
        &self,
        topic: Topic,
        id: TopicId,
        previous: Incarnation,
        lost: &[u32],
    ) -> Result<Incarnation>;
    /// How far each partition is.
    async fn progress(&self) -> Result<Vec<Progress>>;
    /// Commits a segment (see [`CommitOutcome`]). The first position of a block wins; a block whose sequence is there already with the same CRC is a
    /// duplicate, with another CRC a dead letter; one below its stream's `expired_below` is dropped and counted as a duplicate.
    async fn commit_segment(&self, commit: SegmentCommit) -> Result<CommitOutcome>;

    /// Visible blocks, ordered by (stream, sequence).
    async fn blocks(&self, filter: &BlockFilter) -> Result<Vec<BlockEntry>>;
    /// The newest block (greatest sequence) of each stream that the filter names.
    async fn newest_blocks(&self, filter: &StreamFilter) -> Result<Vec<BlockEntry>>;
    /// Streams, ordered by (process, stream).
    async fn streams(&self, filter: &StreamFilter) -> Result<Vec<StreamEntry>>;
    /// Processes, ordered by id (that is, by start); all of them, or those named.
    async fn processes(&self, ids: Option<&[framelake_wire::ProcessId]>) -> Result<Vec<ProcessEntry>>;
    /// Dead letters, the newest first, at most `limit`.
    async fn dead_letters(&self, limit: u64) -> Result<Vec<DeadLetterEntry>>;
    /// Gaps of the log, the newest first, at most `limit`.
    async fn gaps(&self, limit: u64) -> Result<Vec<Gap>>;
    /// Forgets dead letters and gaps found before `found`, the oldest first, at most `limit` of each; returns how many of both. What of them still waits in
    /// the outbox leaves all the same.
    async fn forget_letters(&self, found: UnixNanos, limit: u64) -> Result<u64>;
    /// Sums.
    async fn status(&self) -> Result<Status>;

    /// What is covered of each of the scopes, in their order.
    async fn coverage(&self, view: &ViewVersion, scopes: &[Scope]) -> Result<Vec<ScopeCoverage>>;
    /// Adds a partition by compare-and-set of its scope's counter.
    async fn add_partition(&self, partition: NewPartition) -> Result<AddOutcome>;
    /// Takes partitions out of a view (they stay doomed objects until deleted): by object key.
    async fn retire_partitions(&self, objects: &[String]) -> Result<u64>;
    /// Partitions of all views of blocks of `topic`, by the greatest time of their rows, the oldest first, at most `limit`.
    async fn partitions(&self, topic: Topic, limit: u64) -> Result<Vec<ViewPartition>>;

    /// Messages not yet relayed, by number, at most `limit`.
    async fn outbox(&self, limit: u64) -> Result<Vec<OutboxEntry>>;
    /// Messages up to and with `number` are in their topics.
    async fn outbox_relayed(&self, number: i64) -> Result<()>;
    /// Takes or renews the named lease for `owner`; false while another holds it.
    async fn lease(&self, name: &str, owner: &str, duration: Duration) -> Result<bool>;

    /// Segments, the oldest commit first, at most `limit`.
    async fn segments(&self, topic: Option<Topic>, limit: u64) -> Result<Vec<SegmentEntry>>;
    /// Takes segments and their blocks out, raises `expired_below` of their streams, and dooms the objects.
    async fn expire_segments(&self, keys: &[String]) -> Result<()>;
    /// Ranges that meet this one and in which no block is visible any more, because retention took some out; ascending, disjoint.
    async fn expired(&self, range: &PositionRange) -> Result<Vec<PositionRange>>;
    /// Those of the keys that no segment or partition names and that are not doomed, or were deleted once: an object there was put late.
    async fn unknown_objects(&self, keys: &[String]) -> Result<Vec<String>>;
    /// No commit may name these keys any more. A tombstone among them has an object again, that is to be deleted.
    async fn doom(&self, keys: &[String]) -> Result<()>;
    /// Doomed keys whose grace is over (doomed longer ago than `grace`, by the catalog's clock) and whose objects are not deleted yet.
    async fn doomed(&self, grace: Duration, limit: u64) -> Result<Vec<String>>;
    /// These doomed objects are deleted. Their keys stay doomed, as tombstones: a commit that comes late must not name what is gone.
    async fn objects_deleted(&self, keys: &[String]) -> Result<()>;
    /// Forgets tombstones older than `keep` (by the catalog's clock), and the oldest of those beyond `keep_max`; at most `limit`. Returns how many.
    async fn forget_deleted(&self, keep: Duration, keep_max: u64, limit: u64) -> Result<u64>;
}
