//! Counters and histograms, added up in the thread: an event is a few plain additions, and what becomes of a second's worth of them is one row.
//!
//! Only the owner thread writes its table; the background thread reads it at every seal and takes the difference to what it read before. A sum and its count
//! are not read at one instant, so one of the two may be an event ahead: the next seal makes up for it.

use crate::buffer::Buffer;
use crate::clock::{self, OFF};
use crate::mapping::{
    self,
    sums::{Of, Sums},
};
use crate::record::{self, MetricValue};
use crate::site::CallSite;
use crate::thread;
use crate::{PropertySet, event};
use framelake_wire::{Arg, raw::RawBuf};
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// Counters and histograms of a process that are added up; further ones are recorded event by event. 256 pointers are 2 KiB for each thread that counts.
const SITES_MAX: usize = 256;
/// Eight buckets for each power of two, so that a bucket's values differ by at most an eighth; its mean is exact.
const BUCKETS_PER_TWO: u32 = 8;
/// From 2^-30 (a nanosecond, in seconds) to 2^34 (16 GiB, in bytes); what lies beyond goes to the last bucket on its side. 64 × 8 × 16 B = 8 KiB.
const EXPONENT_MIN: i32 = -30;
const EXPONENT_MAX: i32 = 34;
pub(crate) const BUCKETS: usize = ((EXPONENT_MAX - EXPONENT_MIN) as u32 * BUCKETS_PER_TWO) as usize;

/// A counter's buckets: one for integers, one for floats. A counter in a function for all numbers adds up both, because statics are the same for all of its types.
pub(crate) const COUNTER_BUCKETS: usize = 2;
const INTEGERS: usize = 0;
const FLOATS: usize = 1;

/// How many sites have a place in the tables.
static PLACES: AtomicU32 = AtomicU32::new(0);

/// The sums of one thread, by place of their call sites.
pub(crate) struct Table {
    slots: [AtomicPtr<Slot>; SITES_MAX],
}

/// What one call site added up in one thread.
struct Slot {
    site: u32,
    properties: PropertySet,
    buckets: Buckets,
}

/// Sums on the heap, or in the [mapping] where recording is crash-safe.
struct Buckets {
    all: NonNull<[Bucket]>,
    sums: Option<Sums>,
}

impl Buckets {
    fn new(buffer: &Buffer, of: Of, count: usize) -> Self {
        let sums = mapping::current().and_then(|mapping| {
            let incarnation = mapping.incarnation(ptr::from_ref(buffer).cast())?;
            mapping.sums(incarnation, of, count)
        });
        let on_heap = || NonNull::from(Box::leak((0..count).map(|_| Bucket::default()).collect::<Box<[_]>>()));
        Self { all: sums.as_ref().map_or_else(on_heap, Sums::all), sums }
    }
}

impl Deref for Buckets {
    type Target = [Bucket];

    #[inline(always)]
    fn deref(&self) -> &[Bucket] {
        // SAFETY: they are there until this is dropped, and atomic.
        unsafe { self.all.as_ref() }
    }
}

impl Drop for Buckets {
    fn drop(&mut self) {
        if self.sums.is_none() {
            // SAFETY: made by `Box` in `new`, and dropped once.
            drop(unsafe { Box::from_raw(self.all.as_ptr()) });
        }
    }
}

/// A sum (the bits of an `i64` or an `f64`) and of how many.
#[repr(C)]
#[derive(Default)]
pub(crate) struct Bucket {
    sum: AtomicU64,
    count: AtomicU64,
}

impl Bucket {
    /// Only the owner adds, so no locked instruction is needed.
    #[inline(always)]
    fn add(&self, sum: impl FnOnce(u64) -> u64) {
        self.sum.store(sum(self.sum.load(Relaxed)), Relaxed);
        self.count.store(self.count.load(Relaxed) + 1, Relaxed);
    }

    pub(crate) fn load(&self) -> (u64, u64) {
        let count = self.count.load(Relaxed);
        (self.sum.load(Relaxed), count)
    }

    pub(crate) fn store(&self, sum: u64, count: u64) {
        self.sum.store(sum, Relaxed);
        self.count.store(count, Relaxed);
    }
}

impl Table {
    pub(crate) const fn new() -> Self {
        Self { slots: [const { AtomicPtr::new(ptr::null_mut()) }; SITES_MAX] }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        for slot in &mut self.slots {
            let slot = *slot.get_mut();
            if !slot.is_null() {
                // SAFETY: made by `Box::into_raw` in `make`, and nobody else has it: the table is ours alone.
                drop(unsafe { Box::from_raw(slot) });
            }
        }
    }
}

/// Adds `value` to what this thread counted.
#[inline(always)]
pub fn counter<V: MetricValue>(site: &'static CallSite, value: V) {
    counter_with(site, PropertySet::EMPTY, value);
}

/// As [`counter`], of a call site whose measurements all have these properties.
#[inline(always)]
pub(crate) fn counter_with<V: MetricValue>(site: &'static CallSite, properties: PropertySet, value: V) {
    add(
        site,
        properties,
        value,
        |slot, word| {
            if V::TAG == event::INTEGER {
                slot.buckets[INTEGERS].add(|sum| sum.wrapping_add(word));
            } else {
                slot.buckets[FLOATS].add(|sum| (f64::from_bits(sum) + f64::from_bits(word)).to_bits());
            }
        },
        COUNTER_BUCKETS,
    );
}

/// Adds `value` to what this thread observed.
#[inline(always)]
pub fn histogram<V: MetricValue>(site: &'static CallSite, value: V) {
    histogram_with(site, PropertySet::EMPTY, value);
}

/// As [`histogram`], of a call site whose measurements all have these properties.
#[inline(always)]
pub(crate) fn histogram_with<V: MetricValue>(site: &'static CallSite, properties: PropertySet, value: V) {
    add(
        site,
        properties,
        value,
        |slot, word| {
            let value = if V::TAG == event::INTEGER { word.cast_signed() as f64 } else { f64::from_bits(word) };
            slot.buckets[bucket_of(value)].add(|sum| (f64::from_bits(sum) + value).to_bits());
        },
        BUCKETS,
    );
}

#[inline(always)]
fn add<V: MetricValue>(
    site: &'static CallSite,
    properties: PropertySet,
    value: V,
    add: impl FnOnce(&Slot, u64),
    buckets: usize,
) {
    let state = clock::recording();
    if state == OFF {
        return;
    }
    let word = value.to_word();
    let place = site.place(state);
    let table = &thread::current().aggregates;
    if let Some(slot) = table.slots.get(place as usize) {
        // SAFETY: a slot lives as long as its table, which lives as long as the buffer.
        if let Some(slot) = unsafe { slot.load(Relaxed).as_ref() } {
            return add(slot, word);
        }
    }
    add_slowly(site, properties, state, V::TAG == event::INTEGER, word, add, buckets);
}

#[cold]
#[inline(never)]
fn add_slowly(
    site: &'static CallSite,
    properties: PropertySet,
    state: u32,
    is_integer: bool,
    word: u64,
    add: impl FnOnce(&Slot, u64),
    buckets: usize,
) {
    let Some(on) = record::on(site) else { return };
    let Some(buffer) = thread::registered() else { return thread::count_unattributed() };
    let mut place = site.place(state);
    if place == NO_PLACE {
        place = site.take_place(&PLACES, state);
    }
    let make = |slot| make(buffer, slot, on.id(), properties, buckets);
    let slot = buffer.aggregates.slots.get(place as usize).and_then(make);
    match slot {
        Some(slot) => add(slot, word),
        // Beyond the tables each event is a row.
        None if is_integer => record::metric_on(on, word.cast_signed(), properties),
        None => record::metric_on(on, f64::from_bits(word), properties),
    }
}

/// The place of a call site that has none yet.
pub(crate) const NO_PLACE: u32 = u32::MAX;

fn make<'a>(
    buffer: &Buffer,
    slot: &'a AtomicPtr<Slot>,
    site: u32,
    properties: PropertySet,
    buckets: usize,
) -> Option<&'a Slot> {
    // SAFETY: as in `add`.
    if let Some(slot) = unsafe { slot.load(Relaxed).as_ref() } {
        return Some(slot);
    }
    let _busy = thread::Busy::enter()?;
    let buckets = Buckets::new(buffer, Of { site, properties: properties.id }, buckets);
    slot.store(Box::into_raw(Box::new(Slot { site, properties, buckets })), Release);
    // SAFETY: as in `add`.
    unsafe { slot.load(Relaxed).as_ref() }
}

/// Exponent and the three highest bits of the mantissa are the bucket's number.
#[inline(always)]
fn bucket_of(value: f64) -> usize {
    const SHIFT: u32 = 52 - BUCKETS_PER_TWO.ilog2();
    const BIAS: i64 = ((EXPONENT_MIN + 1023) as i64) * BUCKETS_PER_TWO as i64;
    // Negative ones have the sign bit and go below all others; so does NaN, which is no size.
    let number = if value > 0.0 { (value.to_bits() >> SHIFT).cast_signed() - BIAS } else { 0 };
    number.clamp(0, BUCKETS as i64 - 1) as usize
}

/// What was read of one thread's table before.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// By place, by bucket: sum and count.
    slots: Vec<Vec<(u64, u64)>>,
}

impl Seen {
    /// Calls `take` with the call site, its properties, and the value and the count of what was added since the last call, for each bucket. Where
    /// recording is crash-safe, `drain` says which drain that is.
    pub(crate) fn read(&mut self, drain: u64, buffer: &Buffer, mut take: impl FnMut(u32, PropertySet, RawBuf)) {
        let places = (PLACES.load(Acquire) as usize).min(SITES_MAX);
        if self.slots.len() < places {
            self.slots.resize_with(places, Vec::new);
        }
        for (slot, seen) in buffer.aggregates.slots.iter().zip(&mut self.slots) {
            // SAFETY: a slot lives as long as its table, and was whole before its pointer was stored.
            let Some(slot) = (unsafe { slot.load(Acquire).as_ref() }) else { continue };
            seen.resize(slot.buckets.len(), (0, 0));
            for (index, (bucket, seen)) in slot.buckets.iter().zip(seen).enumerate() {
                let (sum, count) = bucket.load();
                if count != seen.1 {
                    let (before, of) = std::mem::replace(seen, (sum, count));
                    take(slot.site, slot.properties, row(slot.buckets.len(), index, before, sum, count - of));
                }
                if let Some(sums) = &slot.buckets.sums {
                    sums.note(drain, index, seen.0, seen.1);
                }
            }
        }
    }
}

/// The row of what was added to bucket `index` of so many. A counter's has the sum, a histogram's the mean of a bucket; both how many they are of.
pub(crate) fn row(buckets: usize, index: usize, before: u64, sum: u64, count: u64) -> RawBuf {
    let is_counter = buckets == COUNTER_BUCKETS;
    let value = if is_counter && index == INTEGERS {
        Arg::I64(sum.wrapping_sub(before).cast_signed())
    } else {
        let sum = f64::from_bits(sum) - f64::from_bits(before);
        Arg::F64(if is_counter { sum } else { sum / count as f64 })
    };
    RawBuf::of(&[value, Arg::U64(count)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_ascend_and_hold_what_differs_by_an_eighth_at_most() {
        assert_eq!(bucket_of(f64::NEG_INFINITY), 0);
        assert_eq!((bucket_of(f64::NAN), bucket_of(0.0), bucket_of(-5.0)), (0, 0, 0));
        assert_eq!(bucket_of(f64::INFINITY), BUCKETS - 1);
        assert_eq!(bucket_of(1.0) + 1, bucket_of(1.125));
        assert_eq!(bucket_of(1.124), bucket_of(1.0));
        let mut value = 1e-9;
        let mut last = bucket_of(value);
        while value < 1e10 {
            value *= 1.125;
            let bucket = bucket_of(value);
            assert!(bucket > last, "{value}");
            last = bucket;
        }
    }
}
