//! The mapping of a dead process, as bytes: what each of its threads had written. No IO, and no byte of it is trusted.

use crate::buffer::LAYOUT;
use crate::chunk::{CHUNK_BYTES, CHUNK_WORDS, HEADER_BYTES};
use crate::crash::state::{Position, ThreadState};
use crate::event::Lost;
use crate::mapping::sums::{self, Header, Of, SUMS_AT};
use crate::mapping::{self, BUFFER_AT, FileHeader, MAGIC, NAME_BYTES_MAX, PAGE, SlotHeader};
use std::mem::offset_of;

/// Slots and chunks that a file may say it has; beyond these it is damaged. The pool has at most 8,192 chunks.
const COUNT_MAX: u64 = 1 << 16;

/// What the mapping's first page says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not yet written to its end.
    Unfinished,
    /// Of another version, or no mapping.
    Unknown,
    /// With this state.
    Mapping(u32),
}

/// The bytes of the file.
pub(super) struct Image<'a> {
    bytes: &'a [u8],
    slots: u64,
    chunks: u64,
    buckets: u64,
    base: u64,
    cursor_at: usize,
    first_at: usize,
    lost_at: usize,
}

/// What a thread added up and nobody had read.
#[derive(Debug, PartialEq)]
pub(super) struct Sum {
    pub(super) incarnation: u64,
    pub(super) of: Of,
    /// How many buckets it is one of.
    pub(super) buckets: usize,
    pub(super) bucket: usize,
    /// The sum as far as it was read.
    pub(super) before: u64,
    pub(super) sum: u64,
    /// Of how many events that is more.
    pub(super) count: u64,
}

/// The buffer of a thread.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) incarnation: u64,
    pub(super) name: String,
    pub(super) number: u64,
    cursor: u64,
    first: u64,
    pub(super) lost: [u64; Lost::COUNT],
}

/// What a thread wrote that was not yet sealed, piece by piece.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) pieces: Vec<Vec<u64>>,
    /// What leads on from there cannot be read: a chunk outside the file, or nonsense.
    pub(super) is_cut_off: bool,
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk::<8>()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk::<4>()?))
}

/// What a file is that begins with `bytes`.
pub(super) fn kind(bytes: &[u8]) -> Kind {
    match word(bytes, offset_of!(FileHeader, magic)) {
        None | Some(0) => Kind::Unfinished,
        Some(MAGIC) => half(bytes, offset_of!(FileHeader, state)).map_or(Kind::Unknown, Kind::Mapping),
        Some(_) => Kind::Unknown,
    }
}

impl<'a> Image<'a> {
    /// `None` where the header makes no sense.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let number = |at| half(bytes, at).map(u64::from);
        let image = Self {
            bytes,
            slots: number(offset_of!(FileHeader, slots))?,
            chunks: number(offset_of!(FileHeader, chunks))?,
            buckets: number(offset_of!(FileHeader, buckets))?,
            base: word(bytes, offset_of!(FileHeader, base))?,
            cursor_at: number(offset_of!(FileHeader, cursor_at))? as usize,
            first_at: number(offset_of!(FileHeader, first_at))? as usize,
            lost_at: number(offset_of!(FileHeader, lost_at))? as usize,
        };
        let fields = [image.cursor_at, image.first_at, image.lost_at + 8 * (LAYOUT.lost_count - 1)];
        let losses = number(offset_of!(FileHeader, lost_count))?;
        let sane = image.slots <= COUNT_MAX
            && image.chunks <= COUNT_MAX
            && image.buckets == LAYOUT.buckets as u64
            && losses == LAYOUT.lost_count as u64
            && fields.iter().all(|at| BUFFER_AT + at + 8 <= PAGE);
        sane.then_some(image)
    }

    /// The buffers that are to be recovered.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> + use<'a, '_> {
        (0..self.slots as usize).filter_map(|number| self.slot(number))
    }

    /// Parts of attachments that found no room.
    pub(super) fn attachments_lost(&self) -> u64 {
        word(self.bytes, offset_of!(FileHeader, attachments_lost)).unwrap_or(0)
    }

    /// What was added up beyond what `drain` had read.
    pub(super) fn sums(&self, drain: u64) -> impl Iterator<Item = Sum> + use<'a, '_> {
        let at = mapping::sums_at(self.slots as usize, self.chunks as usize);
        sums::places(at, self.buckets as usize).flat_map(move |(at, buckets)| self.sums_at(at, buckets, drain))
    }

    fn sums_at(&self, at: usize, buckets: usize, drain: u64) -> impl Iterator<Item = Sum> + use<'a> {
        let place = self.bytes.get(at..).and_then(|rest| rest.get(..sums::place_bytes(buckets))).unwrap_or_default();
        let incarnation = word(place, offset_of!(Header, incarnation)).unwrap_or(0);
        let field = |field: usize| half(place, offset_of!(Header, of) + field).unwrap_or(0);
        let of = Of { site: field(offset_of!(Of, site)), properties: field(offset_of!(Of, properties)) };
        let copy = 1 + (drain % 2) as usize;
        let number = move |copy: usize, bucket: usize, of: usize| {
            word(place, SUMS_AT + ((copy * buckets + bucket) * 2 + of) * 8).unwrap_or(0)
        };
        (0..if incarnation == 0 { 0 } else { buckets }).filter_map(move |bucket| {
            let count = number(0, bucket, 1).wrapping_sub(number(copy, bucket, 1));
            let (before, sum) = (number(copy, bucket, 0), number(0, bucket, 0));
            (count > 0).then_some(Sum { incarnation, of, buckets, bucket, before, sum, count })
        })
    }

    fn slot(&self, number: usize) -> Option<Slot> {
        let page = self.bytes.get((1 + number) * PAGE..)?.get(..PAGE)?;
        let incarnation = word(page, offset_of!(SlotHeader, incarnation)).filter(|incarnation| *incarnation != 0)?;
        let name_bytes = word(page, offset_of!(SlotHeader, name_bytes))?.min(NAME_BYTES_MAX as u64) as usize;
        let name = &page[offset_of!(SlotHeader, name)..][..name_bytes];
        let field = |at: usize| word(page, BUFFER_AT + at);
        let mut lost = [0; Lost::COUNT];
        for (index, lost) in lost.iter_mut().enumerate() {
            *lost = field(self.lost_at + 8 * index)?;
        }
        Some(Slot {
            incarnation,
            name: String::from_utf8_lossy(name).into_owned(),
            number: word(page, offset_of!(SlotHeader, number))?,
            cursor: field(self.cursor_at)?,
            first: field(self.first_at)?,
            lost,
        })
    }

    /// What the thread of `slot` wrote behind where it was read to.
    pub(super) fn written(&self, slot: &Slot, read: Option<&ThreadState>) -> Written {
        let mut written = Written::default();
        let (mut chunk, mut from) = match read.map(|read| read.position) {
            // It was read to its end, and its chunk may be another's.
            _ if read.is_some_and(|read| read.ended) => return written,
            None | Some(Position::First) if slot.first == 0 => return written,
            None | Some(Position::First) => match self.number(slot.first) {
                Some((number, 0)) => (number, 0),
                _ => return Written { is_cut_off: true, ..written },
            },
            Some(Position::Elsewhere) => return Written { is_cut_off: true, ..written },
            Some(Position::Chunk { number, words, restarts }) => {
                let same = self.chunk(u64::from(number)).and_then(|chunk| word(chunk, 16)) == Some(restarts);
                // It is started over only when all of it had been read.
                (u64::from(number), if same { u64::from(words) } else { 0 })
            }
        };
        // A chain has each chunk once at most.
        for _ in 0..=self.chunks {
            let Some(bytes) = self.chunk(chunk) else { break };
            let (next, end) = (word(bytes, 0).unwrap_or(0), word(bytes, 8).unwrap_or(0));
            let in_chunk = |pointer: u64| match self.number(pointer) {
                // One past its last word is the next one's begin.
                Some((number, 0)) if number == chunk + 1 => Some(CHUNK_WORDS as u64),
                Some((number, at)) if number == chunk => {
                    (at as usize).checked_sub(HEADER_BYTES).filter(|at| at.is_multiple_of(8)).map(|at| at as u64 / 8)
                }
                _ => None,
            };
            if next == 0 {
                // The position is elsewhere only where the thread was just going on to this chunk, and had written nothing to it.
                if let Some(end) = in_chunk(slot.cursor) {
                    written.push(bytes, from, end);
                }
                return written;
            }
            let Some(end) = in_chunk(end) else { break };
            written.push(bytes, from, end);
            match self.number(next) {
                Some((number, 0)) => (chunk, from) = (number, 0),
                _ => break,
            }
        }
        written.is_cut_off = true;
        written
    }

    fn chunk(&self, number: u64) -> Option<&'a [u8]> {
        if number >= self.chunks {
            return None;
        }
        let at = mapping::chunks_at(self.slots as usize) + number as usize * CHUNK_BYTES;
        self.bytes.get(at..)?.get(..CHUNK_BYTES)
    }

    /// Which chunk `pointer` was into, and at which byte of it.
    fn number(&self, pointer: u64) -> Option<(u64, u64)> {
        let at = pointer.checked_sub(self.base)?.checked_sub(mapping::chunks_at(self.slots as usize) as u64)?;
        let number = at / CHUNK_BYTES as u64;
        // The end of the last chunk is a place too.
        (number <= self.chunks).then_some((number, at % CHUNK_BYTES as u64))
    }
}

impl Written {
    fn push(&mut self, chunk: &[u8], from: u64, to: u64) {
        let words = &chunk[HEADER_BYTES..];
        let (from, to) = (from.min(CHUNK_WORDS as u64) as usize, to as usize);
        if let Some(bytes) = words.get(from * 8..to * 8)
            && !bytes.is_empty()
        {
            self.pieces.push(bytes.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word)).collect());
        }
    }
}
