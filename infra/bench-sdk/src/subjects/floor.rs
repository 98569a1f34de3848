//! The least that can be done: the clock read, and bytes stored in the thread's own buffer and published for another thread. No call site, no switch.

use super::Shown;
use crate::operation::operation;
use crate::{Kind, Nothing, Subject, compute, counter};
use std::cell::Cell;
use std::fmt::Write;
use std::hint::black_box;
use std::ptr;
use std::sync::atomic::{
    AtomicPtr, AtomicU32,
    Ordering::{Relaxed, Release},
};

pub const FLOOR: Subject = Subject {
    name: "floor",
    start: || Ok(Box::new(Nothing)),
    operations: &[
        (Kind::Loop, empty::OPERATION),
        (Kind::Clock, clock::OPERATION),
        (Kind::Span, span::OPERATION),
        (Kind::AsyncSpan, async_span::OPERATION),
        (Kind::StaticLog, static_log::OPERATION),
        (Kind::Log1, log_1::OPERATION),
        (Kind::Log3, log_3::OPERATION),
        (Kind::LogDisplay, log_display::OPERATION),
        (Kind::MetricInteger, metric_integer::OPERATION),
        (Kind::MetricFloat, metric_float::OPERATION),
        (Kind::MetricTag, metric_tag::OPERATION),
        (Kind::Counter, count::OPERATION),
        (Kind::Histogram, histogram::OPERATION),
        (Kind::DisabledLevel, disabled::OPERATION),
        (Kind::Work, work::OPERATION),
        (Kind::SpanWork, span_work::OPERATION),
    ],
};

/// As many as fit into a chunk of the SDK.
const WORDS: usize = 8_192;

/// A thread's own, and what it counts and how often values of each magnitude came.
struct Buffer {
    cursor: AtomicPtr<u64>,
    limit: Cell<*mut u64>,
    total: Cell<u64>,
    buckets: [Cell<u64>; 65],
}

// SAFETY: the cells are touched by the owner only, and by nobody in `UNREGISTERED`, which has no room and is left at the first event.
unsafe impl Sync for Buffer {}

impl Buffer {
    const fn new() -> Self {
        Self {
            cursor: AtomicPtr::new(ptr::null_mut()),
            limit: Cell::new(ptr::null_mut()),
            total: Cell::new(0),
            buckets: [const { Cell::new(0) }; 65],
        }
    }
}

static UNREGISTERED: Buffer = Buffer::new();

thread_local! {
    static CURRENT: Cell<&'static Buffer> = const { Cell::new(&UNREGISTERED) };
}

static ENABLED: AtomicU32 = AtomicU32::new(0);

/// The calling thread's buffer. Not by `get`: that is not inlined across codegen units, and a call is half an event.
#[inline(always)]
fn current() -> &'static Buffer {
    CURRENT.try_with(Cell::get).unwrap_or(&UNREGISTERED)
}

/// Stores what `fill` writes to the room for `words` words; it returns where it ended.
#[inline(always)]
fn store(words: usize, fill: impl FnOnce(*mut u64) -> *mut u64) {
    let mut buffer = current();
    let mut cursor = buffer.cursor.load(Relaxed);
    if (buffer.limit.get() as usize).wrapping_sub(cursor as usize) < words * 8 {
        (buffer, cursor) = start_over();
    }
    buffer.cursor.store(fill(cursor), Release);
}

/// The thread's buffer, made where it has none, and its begin.
#[cold]
#[inline(never)]
fn start_over() -> (&'static Buffer, *mut u64) {
    let mut buffer = current();
    if ptr::eq(buffer, &UNREGISTERED) {
        buffer = Box::leak(Box::new(Buffer::new()));
        // Touched, as the SDK's chunks are.
        buffer.limit.set(vec![1_u64; WORDS].leak().as_mut_ptr().wrapping_add(WORDS));
        CURRENT.set(buffer);
    }
    let start = buffer.limit.get().wrapping_sub(WORDS);
    buffer.cursor.store(start, Release);
    (buffer, start)
}

#[inline(always)]
fn event<const N: usize>(words: [u64; N]) {
    store(N, |cursor| {
        // SAFETY: `store` gives room for N words.
        unsafe {
            for (index, word) in words.into_iter().enumerate() {
                cursor.add(index).write(word);
            }
            cursor.add(N)
        }
    });
}

/// A record with the words given and `text` behind them.
#[inline(always)]
fn event_with_text<const N: usize>(words: [u64; N], text: &str) {
    let length = text.len().div_ceil(8);
    store(N + 1 + length, |cursor| {
        // SAFETY: `store` gives room for all of it.
        unsafe {
            for (index, word) in words.into_iter().enumerate() {
                cursor.add(index).write(word);
            }
            cursor.add(N).write(text.len() as u64);
            cursor.add(N + 1).cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), text.len());
            cursor.add(N + 1 + length)
        }
    });
}

/// Formats to memory that has room.
struct Text(*mut u8);

impl Write for Text {
    #[inline]
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        // SAFETY: `log_display`, the only user, has more room than its line is long.
        unsafe { self.0.copy_from_nonoverlapping(text.as_ptr(), text.len()) };
        self.0 = self.0.wrapping_add(text.len());
        Ok(())
    }
}

operation!(empty, [] index, text => {
    black_box(index);
});
operation!(clock, [] index, text => {
    black_box(counter());
});
operation!(span, [] index, text => {
    event([counter(), 1]);
    event([counter(), 2]);
});
operation!(async_span, [let mut id = 0;] index, text => {
    id += 1;
    event([counter(), 1, id]);
    event([counter(), 2, id]);
});
operation!(static_log, [] index, text => {
    event([counter(), 3]);
});
operation!(log_1, [] index, text => {
    event([counter(), 4, index]);
});
operation!(log_3, [] index, text => {
    event_with_text([counter(), 5, index, index], text);
});
operation!(log_display, [] index, text => {
    store(64, |cursor| {
        // SAFETY: `store` gives room for 512 bytes; the line has at most 100.
        unsafe { cursor.write(counter()) };
        let mut line = Text(cursor.wrapping_add(1).cast());
        let _ = write!(line, "player {} joined {} after {} ms", Shown(index), Shown(text), Shown(index));
        cursor.wrapping_add(64)
    });
});
operation!(metric_integer, [] index, text => {
    event([counter(), index]);
});
operation!(metric_float, [] index, text => {
    event([counter(), (index as f64).to_bits()]);
});
operation!(metric_tag, [] index, text => {
    event_with_text([counter(), index], text);
});
operation!(count, [start_over();] index, text => {
    let total = &current().total;
    total.set(total.get().wrapping_add(black_box(index)));
});
operation!(histogram, [start_over();] index, text => {
    let bucket = &current().buckets[64 - black_box(index).leading_zeros() as usize];
    bucket.set(bucket.get() + 1);
});
operation!(disabled, [] index, text => {
    if ENABLED.load(Relaxed) != 0 {
        event([counter(), index]);
    }
});
operation!(work, [let mut value = 1;] index, text => {
    value = black_box(compute(value));
});
operation!(span_work, [let mut value = 1;] index, text => {
    event([counter(), 1]);
    value = black_box(compute(value));
    event([counter(), 2]);
});
