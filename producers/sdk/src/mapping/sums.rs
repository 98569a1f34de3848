//! Places in the mapping for what counters and histograms add up, so that a kill loses nothing of it.
//!
//! A place has a [`Header`], the sums, and two copies of how far they were read: the drain of an even number writes the one, the next drain the other. What was
//! read when a state was written down is thus there until the state after it is, and what lies beyond is that much more.
//!
//! A sum and the count beside it are stored one after the other: of the event that a thread was just adding one of the two may be there.

use super::{Mapping, next, reserve};
use crate::aggregate::{Bucket, COUNTER_BUCKETS};
use crossbeam_queue::ArrayQueue;
use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Relaxed, Release},
};

/// Counters of threads: 8,192 × 192 B = 1.5 MiB, of which only what is used is ever taken. 64 threads have 128 counters each. What finds none is on the heap.
const COUNTERS: usize = 8_192;
/// Histograms of threads: 1,024 × 24 KiB = 24 MiB, as above. 64 threads have 16 histograms each.
const HISTOGRAMS: usize = 1_024;
/// Where the sums begin in a place.
pub(crate) const SUMS_AT: usize = 64;
/// The sums, and the two copies.
const COPIES: usize = 3;

/// The begin of a place.
#[repr(C)]
pub(crate) struct Header {
    /// The thread's buffer, as in its slot; 0 where the place is nobody's.
    pub(crate) incarnation: AtomicU64,
    pub(crate) of: Of,
}

const _: () = assert!(size_of::<Header>() <= SUMS_AT && size_of::<Bucket>() == 16);

/// What is added up in a place.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Of {
    /// The call site's number plus one.
    pub(crate) site: u32,
    /// The property set's number.
    pub(crate) properties: u32,
}

/// Bytes of a place of so many buckets, from one to the next.
pub(crate) const fn place_bytes(buckets: usize) -> usize {
    (SUMS_AT + COPIES * buckets * size_of::<Bucket>()).next_multiple_of(64)
}

/// Bytes of all places, where a histogram has so many buckets.
pub(crate) const fn bytes(buckets: usize) -> usize {
    COUNTERS * place_bytes(COUNTER_BUCKETS) + HISTOGRAMS * place_bytes(buckets)
}

/// Where each place is, from the begin of the file, and how many buckets it has.
pub(crate) fn places(sums_at: usize, buckets: usize) -> impl Iterator<Item = (usize, usize)> {
    let histograms_at = sums_at + COUNTERS * place_bytes(COUNTER_BUCKETS);
    let counters = (0..COUNTERS).map(move |number| (sums_at + number * place_bytes(COUNTER_BUCKETS), COUNTER_BUCKETS));
    counters.chain((0..HISTOGRAMS).map(move |number| (histograms_at + number * place_bytes(buckets), buckets)))
}

/// Which places are taken.
#[derive(Debug)]
pub(super) struct Places {
    counters: Kind,
    histograms: Kind,
}

#[derive(Debug)]
struct Kind {
    at: usize,
    buckets: usize,
    count: usize,
    taken: AtomicU32,
    free: ArrayQueue<u32>,
}

impl Places {
    pub(super) fn new(at: usize, buckets: usize) -> Self {
        let kind =
            |at, buckets, count| Kind { at, buckets, count, taken: AtomicU32::new(0), free: ArrayQueue::new(count) };
        let counters = kind(at, COUNTER_BUCKETS, COUNTERS);
        Self { histograms: kind(at + COUNTERS * place_bytes(COUNTER_BUCKETS), buckets, HISTOGRAMS), counters }
    }

    fn kind(&self, buckets: usize) -> &Kind {
        if buckets == COUNTER_BUCKETS { &self.counters } else { &self.histograms }
    }
}

/// Sums in the mapping. Their place is nobody else's as long as this is.
#[derive(Debug)]
pub(crate) struct Sums {
    place: NonNull<u8>,
    buckets: usize,
}

// SAFETY: the place is this holder's, and all in it is atomic once it was handed out.
unsafe impl Send for Sums {}
// SAFETY: as above.
unsafe impl Sync for Sums {}

impl Mapping {
    /// A place for the thread whose buffer is `incarnation`, all of it zero; `None` when all are taken, or the disk has no room.
    pub(crate) fn sums(&self, incarnation: u64, of: Of, buckets: usize) -> Option<Sums> {
        if self.detached.load(Relaxed) {
            return None;
        }
        let kind = self.sums.kind(buckets);
        let number = kind.free.pop().or_else(|| next(&kind.taken, kind.count))?;
        let (at, bytes) = (kind.at + number as usize * place_bytes(kind.buckets), place_bytes(kind.buckets));
        if reserve(&self.file, at, bytes).is_err() {
            let _ = kind.free.push(number);
            return None;
        }
        // SAFETY: within the mapping, aligned to 64 bytes, and ours alone: given out once, or given back.
        unsafe {
            let place = self.base.add(at);
            place.write_bytes(0, bytes);
            let header = place.cast::<Header>();
            (&raw mut (*header.as_ptr()).of).write(of);
            // Last, so that whose place it is holds for the zeros too.
            header.as_ref().incarnation.store(incarnation, Release);
            Some(Sums { place, buckets })
        }
    }
}

impl Sums {
    /// The sums.
    pub(crate) fn all(&self) -> NonNull<[Bucket]> {
        self.copy(0)
    }

    /// Notes that `bucket` was read by `drain` as far as `sum` and `count`.
    pub(crate) fn note(&self, drain: u64, bucket: usize, sum: u64, count: u64) {
        // SAFETY: within the place, whose buckets are atomic.
        let noted = unsafe { &self.copy(1 + (drain % 2) as usize).as_ref()[bucket] };
        // A page that does not change need not be written back.
        if noted.load() != (sum, count) {
            noted.store(sum, count);
        }
    }

    fn copy(&self, copy: usize) -> NonNull<[Bucket]> {
        // SAFETY: within the place.
        let first = unsafe { self.place.add(SUMS_AT + copy * self.buckets * size_of::<Bucket>()) };
        NonNull::slice_from_raw_parts(first.cast(), self.buckets)
    }
}

impl Drop for Sums {
    fn drop(&mut self) {
        let Some(mapping) = super::current() else { return };
        // SAFETY: the place is ours; the field is atomic.
        unsafe { self.place.cast::<Header>().as_ref() }.incarnation.store(0, Release);
        let kind = mapping.sums.kind(self.buckets);
        let at = self.place.as_ptr() as usize - mapping.base.as_ptr() as usize - kind.at;
        let _ = kind.free.push((at / place_bytes(kind.buckets)) as u32);
    }
}
