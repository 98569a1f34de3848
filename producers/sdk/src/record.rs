//! What the macros call. The fast paths are inlined into the program; everything rare is in cold functions.

use crate::clock::{self, OFF};
use crate::event::{FLOAT, FRAME, INTEGER, LOG, Lost, SPAN_BEGIN, SPAN_END, TAG_BITS};
use crate::site::CallSite;
use crate::thread;
use crate::{Level, PropertySet, text};
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Lines up to this level are recorded; 0 while nothing is.
pub(crate) static LEVEL: AtomicU32 = AtomicU32::new(0);

/// Whether lines of `level` are recorded now.
#[inline(always)]
#[must_use]
pub(crate) fn log_enabled(level: Level) -> bool {
    !cfg!(feature = "off") && level as u32 <= LEVEL.load(Relaxed)
}

/// Records a line without arguments.
#[inline(always)]
pub(crate) fn log(site: &'static CallSite) {
    let clock = clock::recording();
    let id = site.id();
    if clock != OFF && id != 0 {
        write(clock, LOG, [u64::from(id)], Lost::Logs);
    }
}

/// Records a line with arguments.
#[inline(never)]
pub(crate) fn log_formatted(site: &'static CallSite, arguments: fmt::Arguments<'_>) {
    let clock = clock::recording();
    let id = site.id();
    if clock == OFF || id == 0 {
        return;
    }
    let ticks = clock::now(clock);
    let Some(buffer) = thread::registered() else { return thread::count_unattributed() };
    if !text::record(buffer, id, ticks, arguments) {
        text::lose(buffer);
    }
}

/// A value that a metric can have. Integers beyond 63 bits are recorded as the greatest that fits.
pub trait MetricValue: sealed::Sealed {
    #[doc(hidden)]
    fn to_event(self) -> (u64, u64);
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! metric_value {
    ($($type:ty),* => $convert:expr) => {$(
        impl sealed::Sealed for $type {}
        impl MetricValue for $type {
            #[inline(always)]
            #[allow(clippy::useless_conversion, reason = "one expression for several types")]
            fn to_event(self) -> (u64, u64) {
                $convert(self)
            }
        }
    )*};
}

metric_value!(i8, i16, i32, i64, u8, u16, u32, bool => |value| (INTEGER, i64::from(value).cast_unsigned()));
metric_value!(u64, usize, isize => |value| (INTEGER, i64::try_from(value).unwrap_or(i64::MAX).cast_unsigned()));
metric_value!(f32, f64 => |value| (FLOAT, f64::from(value).to_bits()));

/// Records a measurement.
#[inline(always)]
pub fn metric(site: &'static CallSite, value: impl MetricValue, properties: PropertySet) {
    let clock = clock::recording();
    if clock == OFF {
        return;
    }
    let id = site.id();
    let (tag, bits) = value.to_event();
    if id != 0 {
        write(clock, tag, [u64::from(properties.id) << 32 | u64::from(id), bits], Lost::Metrics);
    }
}

/// Marks the end of a frame and the begin of the next.
#[inline(always)]
pub fn frame() {
    let clock = clock::recording();
    if clock != OFF {
        write(clock, FRAME, [], Lost::Frames);
    }
}

/// A span of the calling thread: begun when made, ended when dropped. Spans of a thread end in the reverse order of their begins.
#[derive(Debug)]
#[must_use = "a span ends when this is dropped"]
pub struct Span {
    /// [`OFF`] when the begin was not recorded: then the end must not be, either.
    clock: u32,
    /// Spans belong to a thread.
    _thread: PhantomData<*const ()>,
}

impl Span {
    /// Begins a span.
    #[inline(always)]
    pub fn begin(site: &'static CallSite) -> Self {
        let clock = clock::recording();
        if clock == OFF {
            return Self { clock, _thread: PhantomData };
        }
        let id = site.id();
        let begun = id != 0 && write(clock, SPAN_BEGIN, [u64::from(id)], Lost::Spans);
        Self { clock: if begun { clock } else { OFF }, _thread: PhantomData }
    }
}

impl Span {
    /// A span that is not recorded.
    #[inline(always)]
    pub fn none() -> Self {
        Self { clock: OFF, _thread: PhantomData }
    }
}

impl Drop for Span {
    #[inline(always)]
    fn drop(&mut self) {
        if self.clock != OFF {
            write(self.clock, SPAN_END, [], Lost::Ends);
        }
    }
}

/// Writes one event; says whether it was recorded. What was not is counted as `lost`.
#[inline(always)]
fn write<const N: usize>(clock: u32, tag: u64, rest: [u64; N], lost: Lost) -> bool {
    let buffer = thread::current();
    let Some(cursor) = buffer.room(1 + N) else { return write_slowly(clock, tag, &rest, lost) };
    let ticks = clock::now(clock);
    // SAFETY: `room` said that 1 + N words fit at the cursor.
    unsafe {
        cursor.write(ticks << TAG_BITS | tag);
        for (index, word) in rest.into_iter().enumerate() {
            cursor.add(1 + index).write(word);
        }
        buffer.publish(cursor.add(1 + N));
    }
    true
}

#[cold]
#[inline(never)]
fn write_slowly(clock: u32, tag: u64, rest: &[u64], lost: Lost) -> bool {
    let ticks = clock::now(clock);
    let Some(buffer) = thread::registered() else {
        thread::count_unattributed();
        return false;
    };
    let Some(cursor) = buffer.make_room(1 + rest.len()) else {
        buffer.lose(lost);
        return false;
    };
    // SAFETY: `make_room` said that the words fit at the cursor.
    unsafe {
        cursor.write(ticks << TAG_BITS | tag);
        cursor.add(1).copy_from_nonoverlapping(rest.as_ptr(), rest.len());
        buffer.publish(cursor.add(1 + rest.len()));
    }
    true
}
