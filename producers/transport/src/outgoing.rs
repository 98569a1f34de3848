//! A record on its way.

use framelake_wire::{ProcessId, StreamId, Topic};

/// An encoded record and what has to be known to send it, or to count its loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Where it goes; also says how dear it is when memory runs out.
    pub topic: Topic,
    /// Parts of attachments share the topic of log lines, and are cheaper: screenshots must not push out what says why they were taken.
    pub is_attachment: bool,
    /// Its key in the log.
    pub process_id: ProcessId,
    /// The Avro single-object record.
    pub bytes: Vec<u8>,
    /// What is lost with it; `None` for records that hold no rows.
    pub rows: Option<Rows>,
}

/// Rows of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The stream.
    pub stream_id: StreamId,
    /// How many.
    pub count: u64,
}

impl Outgoing {
    /// What it takes in the queue: its bytes and the bookkeeping beside them.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity() + size_of::<Self>()
    }
}
