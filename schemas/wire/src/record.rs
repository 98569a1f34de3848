//! A record of the log: a block or a process, told apart by the fingerprint in its first ten bytes.

use crate::{Block, Process, ProcessId, Result, Topic};

/// A decoded record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A run of a program.
    Process(Process),
    /// A run of a stream's events.
    Block(Block),
}

/// Which schema a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Process`].
    Process,
    /// [`Block`].
    Block,
}

/// Length of the Avro single-object header: marker C3 01 and the schema's CRC-64-AVRO fingerprint.
pub(crate) const SINGLE_OBJECT_HEADER: usize = 10;

/// The schema of a record, from its first ten bytes.
///
/// # Errors
/// Too short, no Avro single-object marker, or a fingerprint that no version of ours has.
pub fn record_kind(_record: &[u8]) -> Result<Kind> {
    todo!()
}

impl Record {
    /// Reads any record of the ingested topics.
    ///
    /// # Errors
    /// As [`Block::decode`] and [`Process::decode`].
    pub fn decode(record: &[u8]) -> Result<Self> {
        Ok(match record_kind(record)? {
            Kind::Process => Record::Process(Process::decode(record)?),
            Kind::Block => Record::Block(Block::decode(record)?),
        })
    }

    /// The process it belongs to; its lower-case text is the key in the log.
    #[must_use]
    pub fn process_id(&self) -> ProcessId {
        match self {
            Record::Process(process) => process.process_id,
            Record::Block(block) => block.header.process_id,
        }
    }

    /// The topic it belongs to.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Record::Process(_) => Topic::Processes,
            Record::Block(block) => block.header.kind.topic(),
        }
    }

    /// The Kafka headers that let people and tools see what a record is; never read by Framelake.
    /// `content-type`, `process-id`, and for blocks `stream-id`, `stream-kind`, `block-id`, `sequence`, `event-count`, `min-time`, `max-time`
    /// (RFC 3339, nanoseconds).
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        todo!()
    }
}
