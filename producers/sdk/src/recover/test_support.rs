//! What tests of recovery share: names, seals, and mappings made up word by word.

use crate::buffer::LAYOUT;
use crate::chunk::{CHUNK_BYTES, HEADER_BYTES};
use crate::mapping::sums::{self, Header, Of, SUMS_AT};
use crate::mapping::{self, BUFFER_AT, FileHeader, LIVE, MAGIC, PAGE, SlotHeader};
use framelake_wire::encode::{CallSite, Dictionary, PropertiesId, Seal, SiteId, ThreadId};
use framelake_wire::raw::RawBuf;
use framelake_wire::{Arg, BlockId, ProcessId, StreamId, StreamKind, TimeSample};
use std::mem::offset_of;

/// One name for each number.
pub(crate) struct Names;

impl Dictionary for Names {
    fn site(&self, _: SiteId) -> CallSite<'_> {
        CallSite { name: "site", ..CallSite::default() }
    }

    fn properties(&self, _: PropertiesId) -> &[(String, String)] {
        &[]
    }

    fn thread(&self, _: ThreadId) -> (&str, u64) {
        ("thread", 1)
    }
}

pub(crate) fn seal(kind: StreamKind) -> Seal<'static> {
    let sample = |ticks: u64| TimeSample { ticks, monotonic_ns: ticks as i64, wall_ns: ticks as i64 };
    Seal {
        process_id: ProcessId::from_bytes([1; 16]),
        stream_id: StreamId::from_bytes([2; 16]),
        kind,
        thread: None,
        clock_domain: "monotonic",
        block_id: BlockId::from_bytes([3; 16]),
        sequence: 0,
        dropped_total: 0,
        anchor_ns: 0,
        begin: sample(0),
        end: sample(1_000),
    }
}

pub(crate) fn raw(args: &[Arg<'_>]) -> RawBuf {
    RawBuf::of(args)
}

/// Where the mapping that was made up lay.
const BASE: u64 = 0x7000_0000;

/// The bytes of a mapping in which each thread wrote so much to its one chunk; the first has incarnation 1.
pub(crate) fn mapping(threads: &[Vec<u64>]) -> Vec<u8> {
    let count = threads.len();
    let mut bytes = vec![0; mapping::sums_at(count, count) + sums::bytes(LAYOUT.buckets)];
    let mut put = |at: usize, number: &[u8]| bytes[at..at + number.len()].copy_from_slice(number);
    put(offset_of!(FileHeader, magic), &MAGIC.to_ne_bytes());
    put(offset_of!(FileHeader, base), &BASE.to_ne_bytes());
    let halves = [
        (offset_of!(FileHeader, state), LIVE as usize),
        (offset_of!(FileHeader, slots), count),
        (offset_of!(FileHeader, chunks), count),
        (offset_of!(FileHeader, lost_count), LAYOUT.lost_count),
        (offset_of!(FileHeader, cursor_at), LAYOUT.cursor_at),
        (offset_of!(FileHeader, first_at), LAYOUT.first_at),
        (offset_of!(FileHeader, lost_at), LAYOUT.lost_at),
        (offset_of!(FileHeader, buckets), LAYOUT.buckets),
    ];
    for (at, number) in halves {
        put(at, &(number as u32).to_ne_bytes());
    }
    for (index, words) in threads.iter().enumerate() {
        let chunk = mapping::chunks_at(count) + index * CHUNK_BYTES;
        let slot = (1 + index) * PAGE;
        let first = BASE + chunk as u64;
        put(slot + offset_of!(SlotHeader, incarnation), &(index as u64 + 1).to_ne_bytes());
        put(slot + BUFFER_AT + LAYOUT.first_at, &first.to_ne_bytes());
        let cursor = first + (HEADER_BYTES + 8 * words.len()) as u64;
        put(slot + BUFFER_AT + LAYOUT.cursor_at, &cursor.to_ne_bytes());
        for (word, at) in words.iter().zip((chunk + HEADER_BYTES..).step_by(8)) {
            put(at, &word.to_ne_bytes());
        }
    }
    bytes
}

/// Puts sums into a mapping of `threads` threads: those of `place`, which is `incarnation`'s, and in each of its buckets what was added up, and what the
/// drains of even and of odd numbers read of it.
pub(crate) fn put_sums(
    mapping: &mut [u8],
    threads: usize,
    place: usize,
    incarnation: u64,
    of: Of,
    all: &[(usize, [(u64, u64); 3])],
) {
    let (at, buckets) =
        sums::places(mapping::sums_at(threads, threads), LAYOUT.buckets).nth(place).expect("there are so many");
    let mut put =
        |offset: usize, number: &[u8]| mapping[at + offset..at + offset + number.len()].copy_from_slice(number);
    put(offset_of!(Header, incarnation), &incarnation.to_ne_bytes());
    let header = offset_of!(Header, of);
    put(header + offset_of!(Of, site), &of.site.to_ne_bytes());
    put(header + offset_of!(Of, properties), &of.properties.to_ne_bytes());
    for (bucket, copies) in all {
        for (copy, (sum, count)) in copies.iter().enumerate() {
            let at = SUMS_AT + (copy * buckets + bucket) * 16;
            put(at, &sum.to_ne_bytes());
            put(at + 8, &count.to_ne_bytes());
        }
    }
}
