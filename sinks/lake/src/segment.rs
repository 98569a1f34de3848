//! Segments: records of one topic packed into one object.
//!
//! A segment is an Avro object container file (codec null), so any Avro tool reads it. Each of its entries has the partition, offset and key of a record
//! and the record itself, in the Avro encoding it came in: a process, a block, or the bytes of what could not be taken in. The same runs of
//! the log give the same bytes and the same key, whoever packs them and whenever.

mod container;
mod read;
mod schema;

pub(crate) use read::read_blocks;

use crate::{DeadLetter, Gap, Incarnation, NewBlock, Position, RecordMark, Run, SegmentCommit};
use bytes::Bytes;
use framelake_log::{Offset, TopicPartition};
use framelake_wire::{
    Block, Header, Process, Topic,
    schema::{fingerprint, record_body},
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt::Write as _};

/// What a record turned out to be.
#[derive(Clone, Debug)]
pub enum Content {
    /// A block that can be made visible.
    Block {
        /// Its header.
        header: Box<Header>,
        /// [`Block::crc`].
        crc: u32,
        /// Length of its compressed payload.
        payload_bytes: u32,
    },
    /// A run of a program.
    Process(Box<Process>),
    /// What could not be taken in, and why.
    Poison(String),
}

impl From<&Block> for Content {
    fn from(block: &Block) -> Self {
        Content::Block {
            header: Box::new(block.header.clone()),
            crc: block.crc(),
            payload_bytes: u32::try_from(block.payload.len()).unwrap_or(u32::MAX),
        }
    }
}

impl Content {
    /// The block that was read from `record`. Its identity is the CRC that stands there, whichever schema that is of.
    ///
    /// # Errors
    /// The record is none, or of a schema that is not known.
    pub fn of_record(block: &Block, record: &[u8]) -> framelake_wire::Result<Self> {
        let crc = block.crc_in(fingerprint(record)?)?;
        Ok(Content::Block {
            header: Box::new(block.header.clone()),
            crc,
            payload_bytes: u32::try_from(block.payload.len()).unwrap_or(u32::MAX),
        })
    }

    /// Which of a segment's schemas it is written in.
    fn schema_kind(&self) -> Option<usize> {
        match self {
            Content::Block { .. } => Some(0),
            Content::Process(_) => Some(1),
            Content::Poison(_) => None,
        }
    }
}

#[derive(Debug)]
struct Entry {
    position: Position,
    key: Bytes,
    record: Bytes,
    content: Content,
}

impl Entry {
    /// Processes come first, then blocks by stream, then poison: a stream's blocks are read with one request.
    fn order(&self) -> impl Ord + use<> {
        let (class, owner) = match &self.content {
            Content::Process(_) => (0, None),
            Content::Block { header, .. } => (1, Some((header.process_id, header.stream_id, header.sequence))),
            Content::Poison(_) => (2, None),
        };
        (class, owner, self.position.topic_partition.partition, self.position.offset)
    }
}

/// Gathers records of one topic until they are worth an object.
#[derive(Debug)]
pub struct Builder {
    topic: Topic,
    incarnation: Incarnation,
    entries: Vec<Entry>,
    bytes: usize,
    /// How many keys of the same records were doomed before.
    attempt: u32,
    /// The schemas of the blocks and of the processes gathered.
    schemas: [Option<SchemaName>; 2],
}

/// The single-object header of a record, which names its schema.
type SchemaName = [u8; 10];

impl Builder {
    /// Nothing gathered yet of this topic, and of no other made anew under its name.
    #[must_use]
    pub fn new(topic: Topic, incarnation: Incarnation) -> Self {
        Self { topic, incarnation, entries: Vec::new(), bytes: 0, attempt: 0, schemas: [None; 2] }
    }

    /// Asks for another key, and so another object, than the same records had in the attempts before: their keys are doomed.
    #[must_use]
    pub fn attempt(self, attempt: u32) -> Self {
        Self { attempt, ..self }
    }

    /// Bytes of the records gathered: the object will be little larger.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Records gathered.
    #[must_use]
    pub fn record_count(&self) -> usize {
        self.entries.len()
    }

    /// Whether a record of this content can go into the same segment: one segment has one version of each schema, that its own schema names.
    /// Where it cannot, finish this segment and begin the next.
    #[must_use]
    pub fn fits(&self, content: &Content, record: &[u8]) -> bool {
        let Some(kind) = content.schema_kind() else { return true };
        self.schemas[kind].is_none_or(|name| record.first_chunk() == Some(&name))
    }

    /// Adds the record that stood at `partition` and `offset` with this key, byte for byte as the log had it.
    pub fn push(&mut self, partition: u32, offset: Offset, key: Bytes, record: Bytes, content: Content) {
        if let Some(kind) = content.schema_kind() {
            self.schemas[kind] = record.first_chunk().copied();
        }
        self.bytes += record.len() + key.len() + 16;
        let topic_partition = TopicPartition { topic: self.topic, partition };
        let position = Position { incarnation: self.incarnation, topic_partition, offset };
        self.entries.push(Entry { position, key, record, content });
    }

    /// Packs the records, which are all there are in these runs.
    ///
    /// # Panics
    /// A run is of another topic or incarnation than the builder.
    #[must_use]
    pub fn finish(self, mut runs: Vec<Run>) -> Sealed {
        assert!(
            runs.iter().all(|run| run.topic_partition.topic == self.topic && run.incarnation == self.incarnation),
            "runs of another log in a segment of {}#{}",
            self.topic,
            self.incarnation.0
        );
        runs.sort_unstable_by_key(|run| run.topic_partition);
        let mut entries = self.entries;
        entries.sort_by_cached_key(Entry::order);

        let block_schema = self.schemas[0].and_then(|name| fingerprint(&name).ok());
        let last_records = last_records(&runs, &entries);
        let described = describe(&runs, self.attempt);
        let mut container = container::Container::new(schema::segment_schema(), self.topic, &described);
        let (mut blocks, mut processes, mut dead_letters) = (Vec::new(), Vec::new(), Vec::new());
        let record_count = entries.len() as u64;
        for Entry { position, key, record, content } in entries {
            let partition = position.topic_partition.partition;
            let head = container::Head { partition, offset: position.offset.0, key: &key };
            match content {
                Content::Process(process) => {
                    container.push(&head, schema::PROCESS, record_body(&record));
                    processes.push((position, *process));
                }
                Content::Block { header, crc, payload_bytes } => {
                    let body = record_body(&record);
                    let byte_offset = container.push(&head, schema::BLOCK, body);
                    let byte_length = u32::try_from(body.len()).unwrap_or(u32::MAX);
                    let header = *header;
                    blocks.push(NewBlock { header, crc, position, byte_offset, byte_length, payload_bytes, record });
                }
                Content::Poison(reason) => {
                    container.push_bytes(&head, &record);
                    dead_letters.push(DeadLetter { position, key, value: record, reason });
                }
            }
        }
        blocks.sort_by_key(|block| block.position);
        processes.sort_by_key(|&(position, _)| position);
        dead_letters.sort_by_key(|letter| letter.position);
        let (bytes, hash) = container.finish();
        Sealed {
            key: key(self.topic, self.incarnation, &runs, &described, &hash),
            bytes,
            topic: self.topic,
            record_count,
            block_schema,
            runs,
            last_records,
            blocks,
            processes: processes.into_iter().map(|(_, process)| process).collect(),
            dead_letters,
        }
    }
}

/// A segment ready to be put.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The object's key; says which runs it holds, and of what content.
    pub key: String,
    /// The object.
    pub bytes: Bytes,
    topic: Topic,
    record_count: u64,
    block_schema: Option<u64>,
    runs: Vec<Run>,
    last_records: BTreeMap<TopicPartition, RecordMark>,
    blocks: Vec<NewBlock>,
    processes: Vec<Process>,
    dead_letters: Vec<DeadLetter>,
}

impl Sealed {
    /// What to commit once the object is put, with what was found missing before its runs.
    #[must_use]
    pub fn into_commit(self, gaps: Vec<Gap>) -> SegmentCommit {
        SegmentCommit {
            key: self.key,
            topic: self.topic,
            bytes: self.bytes.len() as u64,
            record_count: self.record_count,
            block_schema: self.block_schema,
            runs: self.runs,
            last_records: self.last_records,
            blocks: self.blocks,
            processes: self.processes,
            dead_letters: self.dead_letters,
            gaps,
        }
    }
}

/// The records that end the runs.
fn last_records(runs: &[Run], entries: &[Entry]) -> BTreeMap<TopicPartition, RecordMark> {
    let last = |run: &Run| {
        let is_it = |entry: &&Entry| {
            entry.position.topic_partition == run.topic_partition && entry.position.offset.0 + 1 == run.next.0
        };
        let entry = entries.iter().find(is_it)?;
        Some((run.topic_partition, RecordMark::of(&entry.key, &entry.record)))
    };
    runs.iter().filter_map(last).collect()
}

/// The runs in words: `3@100-220,4@7-9`, partition, first offset, the offset after the last; then `;1`, where this is not the first attempt.
fn describe(runs: &[Run], attempt: u32) -> String {
    let mut text = String::new();
    for run in runs {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{}@{}-{}", run.topic_partition.partition, run.from, run.next);
    }
    if attempt > 0 {
        let _ = write!(text, ";{attempt}");
    }
    text
}

/// `segments/<topic>/<incarnation>/<first run>[+<more>]-<hash>.avro`.
///
/// The hash is over the runs and the whole object, its sync marker aside, so that another layout of the same records is another object.
fn key(topic: Topic, incarnation: Incarnation, runs: &[Run], described: &str, content: &[u8; 32]) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{topic}#{}:{described}:", incarnation.0));
    hash.update(content);
    let mut key = format!("segments/{topic}/{}/", incarnation.0);
    if let Some(first) = runs.first() {
        let _ = write!(key, "{:04}-{:012}-{:012}", first.topic_partition.partition, first.from.0, first.next.0);
    }
    if runs.len() > 1 {
        let _ = write!(key, "+{}", runs.len() - 1);
    }
    key.push('-');
    for byte in &hash.finalize()[..8] {
        let _ = write!(key, "{byte:02x}");
    }
    key.push_str(".avro");
    key
}
