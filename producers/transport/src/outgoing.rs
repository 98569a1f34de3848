//! A record on its way.

use framelake_wire::{ProcessId, StreamId, Topic};
use std::sync::Arc;

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
    /// Keeps what else holds it, such as a [journal](crate::journal), until the record reached its end.
    pub hold: Hold,
}

/// Dropped when a record reached its end: it was acknowledged, refused or shed, or waits on disk. A copy of a record holds nothing, and knows its place.
#[derive(Debug, Default)]
pub struct Hold {
    held: Option<Arc<()>>,
    place: Option<Place>,
}

/// Where a record stands in a [journal](crate::journal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's number.
    pub number: u64,
    /// Which of the file's records it is, from 0.
    pub index: u32,
}

impl Hold {
    /// A hold that can tell whether there are others.
    #[must_use]
    pub fn new() -> Self {
        Self { held: Some(Arc::new(())), place: None }
    }

    /// The same once more, for the record at `place`.
    #[must_use]
    pub fn share(&self, place: Place) -> Self {
        Self { held: self.held.clone(), place: Some(place) }
    }

    /// Where the record stands in a journal, if it does.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// Whether nobody shares it any more.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.held.as_ref().is_none_or(|held| Arc::strong_count(held) == 1)
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        Self { held: None, place: self.place }
    }
}

/// Who holds a record is no part of it.
impl PartialEq for Hold {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Hold {}

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
