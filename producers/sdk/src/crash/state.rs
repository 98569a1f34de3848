//! What has to be known to go on where a drain ended: written down at each, whole, so that the newest alone is enough.
//!
//! Another layout of it, or of what encoders save, is another [`VERSION`]: a golden file says when that is forgotten.

use super::bytes::{Bytes, put, put_bytes, put_short};
use crate::event::Lost;
use framelake_transport::Place;
use framelake_transport::journal::Marks;
use framelake_wire::{StreamId, StreamKind, TimeSample};

/// Which layout of [`State`] this is. Files of another are left for the version that wrote them.
pub(crate) const VERSION: u8 = 2;
/// What state files begin with.
pub(crate) const MAGIC: [u8; 8] = [b'F', b'L', b'S', b'T', b'A', b'T', b'E', b'0' + VERSION];
const _: () = assert!(VERSION < 10, "a digit says which it is");

/// The state behind a drain.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    /// The newest `Process` record.
    pub(crate) process: Vec<u8>,
    /// Blocks of the journal that count.
    pub(crate) marks: Marks,
    /// Those of them that are not to be sent any more.
    pub(crate) gone: Vec<Place>,
    /// Which drain of the recording it was. Its last digit in binary says where sums that were read are noted in the mapping.
    pub(crate) drain: u64,
    /// Attachments sealed: those whose files have a lower number.
    pub(crate) attached: u64,
    /// Parts of attachments that found no room and were passed on.
    pub(crate) attachments_lost: u64,
    pub(crate) clock_domain: String,
    /// The ticks at which the recording began.
    pub(crate) first_ticks: u64,
    /// The drain's sample, and what is known of the clock.
    pub(crate) newest: TimeSample,
    pub(crate) anchor_ns: i64,
    /// Ticks per nanosecond; 0 where not yet known.
    pub(crate) rate: f64,
    /// Names and numbers of threads, by the number that encoders know them by.
    pub(crate) names: Vec<(String, u64)>,
    pub(crate) threads: Vec<ThreadState>,
    /// Those of the whole process.
    pub(crate) streams: Vec<StreamState>,
}

/// How far a thread was read, and its stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ThreadState {
    /// Which of all buffers of the mapping it writes to; 0 for one that is not there.
    pub(crate) incarnation: u64,
    /// It ended, and was read to its end: its chunk may be another thread's by now.
    pub(crate) ended: bool,
    pub(crate) position: Position,
    /// Losses that were passed on, by [`Lost`].
    pub(crate) lost: [u64; Lost::COUNT],
    /// Its number in [`State::names`].
    pub(crate) name: u32,
    pub(crate) spans: StreamState,
}

/// Where the next event stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Position {
    /// In the thread's first chunk, at its begin.
    #[default]
    First,
    /// In a chunk of the mapping, so many words from its begin, as long as it was restarted so often.
    Chunk { number: u32, words: u32, restarts: u64 },
    /// In a chunk that is not in the mapping.
    Elsewhere,
}

/// A stream between two blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamState {
    /// [`StreamKind`]'s name.
    pub(crate) kind: String,
    pub(crate) stream_id: [u8; 16],
    pub(crate) sequence: u64,
    pub(crate) ordinals: u64,
    pub(crate) rows: u64,
    pub(crate) dropped: u64,
    /// Rows lost after they were sealed.
    pub(crate) lost: u64,
    /// [`framelake_wire::encode::Saved`].
    pub(crate) encoder: Vec<u8>,
}

impl StreamState {
    pub(crate) fn stream_id(&self) -> StreamId {
        StreamId::from_bytes(self.stream_id)
    }

    pub(crate) fn is(&self, kind: &StreamKind) -> bool {
        self.kind == kind.as_str()
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.kind.as_bytes());
        out.extend_from_slice(&self.stream_id);
        for number in [self.sequence, self.ordinals, self.rows, self.dropped, self.lost] {
            put(out, number);
        }
        put_bytes(out, &self.encoder);
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        Some(Self {
            kind: bytes.text()?,
            stream_id: bytes.array()?,
            sequence: bytes.number()?,
            ordinals: bytes.number()?,
            rows: bytes.number()?,
            dropped: bytes.number()?,
            lost: bytes.number()?,
            encoder: bytes.bytes()?.to_vec(),
        })
    }
}

impl ThreadState {
    fn write(&self, out: &mut Vec<u8>) {
        put(out, self.incarnation);
        put_short(out, u32::from(self.ended));
        let (tag, number, words, restarts) = match self.position {
            Position::First => (0, 0, 0, 0),
            Position::Chunk { number, words, restarts } => (1, number, words, restarts),
            Position::Elsewhere => (2, 0, 0, 0),
        };
        put_short(out, tag);
        put_short(out, number);
        put_short(out, words);
        put(out, restarts);
        for lost in self.lost {
            put(out, lost);
        }
        put_short(out, self.name);
        self.spans.write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        let incarnation = bytes.number()?;
        let ended = bytes.short()? != 0;
        let (tag, number, words, restarts) = (bytes.short()?, bytes.short()?, bytes.short()?, bytes.number()?);
        let position = match tag {
            0 => Position::First,
            1 => Position::Chunk { number, words, restarts },
            2 => Position::Elsewhere,
            _ => return None,
        };
        let mut lost = [0; Lost::COUNT];
        for lost in &mut lost {
            *lost = bytes.number()?;
        }
        Some(Self { incarnation, ended, position, lost, name: bytes.short()?, spans: StreamState::read(bytes)? })
    }
}

impl State {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        put_bytes(&mut out, &self.process);
        out.extend_from_slice(&self.marks.to_bytes());
        put_short(&mut out, self.gone.len() as u32);
        for Place { number, index } in &self.gone {
            put(&mut out, *number);
            put_short(&mut out, *index);
        }
        for number in [self.drain, self.attached, self.attachments_lost] {
            put(&mut out, number);
        }
        put_bytes(&mut out, self.clock_domain.as_bytes());
        put(&mut out, self.first_ticks);
        put(&mut out, self.newest.ticks);
        put(&mut out, self.newest.monotonic_ns.cast_unsigned());
        put(&mut out, self.newest.wall_ns.cast_unsigned());
        put(&mut out, self.anchor_ns.cast_unsigned());
        put(&mut out, self.rate.to_bits());
        put_short(&mut out, self.names.len() as u32);
        for (name, number) in &self.names {
            put_bytes(&mut out, name.as_bytes());
            put(&mut out, *number);
        }
        put_short(&mut out, self.threads.len() as u32);
        for thread in &self.threads {
            thread.write(&mut out);
        }
        put_short(&mut out, self.streams.len() as u32);
        for stream in &self.streams {
            stream.write(&mut out);
        }
        out
    }

    /// `None` where that is no state of this version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        let state = Self {
            process: bytes.bytes()?.to_vec(),
            marks: Marks::from_bytes(&bytes.array()?),
            gone: bytes.list(|bytes| Some(Place { number: bytes.number()?, index: bytes.short()? }))?,
            drain: bytes.number()?,
            attached: bytes.number()?,
            attachments_lost: bytes.number()?,
            clock_domain: bytes.text()?,
            first_ticks: bytes.number()?,
            newest: TimeSample { ticks: bytes.number()?, monotonic_ns: bytes.signed()?, wall_ns: bytes.signed()? },
            anchor_ns: bytes.signed()?,
            rate: f64::from_bits(bytes.number()?),
            names: bytes.list(|bytes| Some((bytes.text()?, bytes.number()?)))?,
            threads: bytes.list(ThreadState::read)?,
            streams: bytes.list(StreamState::read)?,
        };
        bytes.0.is_empty().then_some(state)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
