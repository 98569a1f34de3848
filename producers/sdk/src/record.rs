//! What the macros call. The fast paths are inlined into the program; everything rare is in cold functions.

use crate::arg::{Args, Formatted};
use crate::buffer::{self, SMALL_WORDS};
use crate::clock::{self, OFF};
use crate::event::{
    ASYNC_BEGIN, ASYNC_BEGIN_ARGS, ASYNC_END, FLOAT, FRAME, INTEGER, LOG, LOG_ARGS, Lost, METRIC_ARGS, SPAN_BEGIN,
    SPAN_BEGIN_ARGS, SPAN_END, TAG_BITS,
};
use crate::site::CallSite;
use crate::text::{self, Head};
use crate::thread;
use crate::{Level, PropertySet};
use framelake_wire::{Arg, raw::WHOLE};
use std::fmt;
use std::marker::PhantomData;

/// A call site whose events are recorded, and the clock to stamp them with.
#[derive(Clone, Copy, Debug)]
pub struct On {
    state: u32,
    /// A whole word, as it is recorded.
    id: u64,
}

impl On {
    /// The call site's number plus one.
    pub(crate) fn id(self) -> u32 {
        self.id as u32
    }

    /// The state of recording.
    #[cfg(feature = "tracing")]
    pub(crate) fn state(self) -> u32 {
        self.state
    }
}

/// Whether events of `site` are recorded now.
#[inline(always)]
#[must_use]
pub fn on(site: &'static CallSite) -> Option<On> {
    let state = clock::recording();
    if state == OFF { None } else { on_in(state, site) }
}

#[inline(always)]
fn on_in(state: u32, site: &'static CallSite) -> Option<On> {
    Some(On { state, id: site.id(state)? })
}

/// Whether lines of `site`, which are of `level`, are recorded now.
#[inline(always)]
#[must_use]
pub fn log_on(level: Level, site: &'static CallSite) -> Option<On> {
    let state = clock::recording();
    if clock::has_level(state, level as u32) { on_in(state, site) } else { None }
}

/// Records a line without arguments.
#[inline(always)]
pub fn log(on: On) {
    write(on.state, LOG, [on.id], Lost::Logs);
}

/// Records a line with arguments.
#[inline(always)]
pub fn log_args<A: Args>(on: On, args: A) {
    write_args(on, LOG_ARGS, [], [], Lost::Logs, args);
}

/// Records a line whose arguments are not kept apart.
#[inline(never)]
pub fn log_formatted(on: On, arguments: fmt::Arguments<'_>) {
    let args = (Formatted::Text(arguments),);
    write_composed(on.state, head(LOG_ARGS, on.id, 1, [], WHOLE, []), Lost::Logs, &args);
}

/// Records a line whose arguments `find` finds one by one.
#[cfg(any(feature = "tracing", feature = "log"))]
pub(crate) fn log_found(on: On, find: &dyn Fn(&mut text::Found<'_>)) {
    let Some(buffer) = thread::registered() else { return thread::count_unattributed() };
    let mut head = head(LOG_ARGS, on.id, 0, [], 0, []);
    text::record_found(buffer, on.state, &mut head, Lost::Logs, find);
}

/// A value that a metric can have. Integers beyond 63 bits are recorded as the greatest that fits.
pub trait MetricValue: sealed::Sealed {
    #[doc(hidden)]
    const TAG: u64;
    #[doc(hidden)]
    fn to_word(self) -> u64;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! metric_value {
    ($($type:ty),* => $tag:expr, $convert:expr) => {$(
        impl sealed::Sealed for $type {}
        impl MetricValue for $type {
            const TAG: u64 = $tag;
            #[inline(always)]
            #[allow(clippy::useless_conversion, reason = "one expression for several types")]
            fn to_word(self) -> u64 {
                $convert(self)
            }
        }
    )*};
}

metric_value!(i8, i16, i32, i64, u8, u16, u32, bool => INTEGER, |value| i64::from(value).cast_unsigned());
metric_value!(u64, usize, isize => INTEGER, |value| i64::try_from(value).unwrap_or(i64::MAX).cast_unsigned());
metric_value!(f32, f64 => FLOAT, |value| f64::from(value).to_bits());

/// Records a measurement.
#[inline(always)]
pub fn metric<V: MetricValue>(site: &'static CallSite, value: V, properties: PropertySet) {
    if let Some(on) = on(site) {
        metric_on(on, value, properties);
    }
}

/// Records a measurement of a call site that is recorded.
#[inline(always)]
pub(crate) fn metric_on<V: MetricValue>(on: On, value: V, properties: PropertySet) {
    write(on.state, V::TAG, [u64::from(properties.id) << 32 | on.id, value.to_word()], Lost::Metrics);
}

/// Records a measurement with tags, at most 15 of them.
#[inline(always)]
pub fn metric_args<V: MetricValue, A: Args>(on: On, value: V, tags: A) {
    const { assert!(A::COUNT < framelake_wire::raw::ARGS_MAX, "a measurement has at most 15 tags") };
    let code = if V::TAG == INTEGER { Arg::I64(0).code() } else { Arg::F64(0.0).code() };
    write_args(on, METRIC_ARGS, [], [(code, value.to_word())], Lost::Metrics, tags);
}

/// Marks the end of a frame and the begin of the next.
#[inline(always)]
pub fn frame() {
    let state = clock::recording();
    if state != OFF {
        write(state, FRAME, [], Lost::Frames);
    }
}

/// A span of the calling thread: begun when made, ended when dropped. Spans of a thread end in the reverse order of their begins.
#[derive(Debug)]
#[must_use = "a span ends when this is dropped"]
pub struct Span {
    /// [`OFF`] when the begin was not recorded: then the end must not be, either.
    state: u32,
    /// Spans belong to a thread.
    _thread: PhantomData<*const ()>,
}

impl Span {
    /// Begins a span.
    #[inline(always)]
    pub fn begin(site: &'static CallSite) -> Self {
        match on(site) {
            Some(on) => Self::of(on, write(on.state, SPAN_BEGIN, [on.id], Lost::Spans)),
            None => Self::none(),
        }
    }

    /// Begins a span with fields.
    #[doc(hidden)]
    #[inline(always)]
    pub fn begin_with<A: Args>(on: On, fields: A) -> Self {
        Self::of(on, write_args(on, SPAN_BEGIN_ARGS, [], [], Lost::Spans, fields))
    }

    /// A span that is not recorded.
    #[inline(always)]
    pub fn none() -> Self {
        Self { state: OFF, _thread: PhantomData }
    }

    #[inline(always)]
    fn of(on: On, begun: bool) -> Self {
        Self { state: if begun { on.state } else { OFF }, _thread: PhantomData }
    }
}

impl Drop for Span {
    #[inline(always)]
    fn drop(&mut self) {
        if self.state != OFF {
            write(self.state, SPAN_END, [], Lost::Ends);
        }
    }
}

/// Begins a span of this thread without fields; says whether that was recorded.
#[cfg(feature = "tracing")]
#[inline(always)]
pub(crate) fn begin_span(on: On, ticks: u64) -> bool {
    let buffer = thread::current();
    let Some(cursor) = buffer.room_for_small() else {
        let head = [on.id];
        return write_words(on.state, SPAN_BEGIN, Some(ticks), &head, std::iter::empty(), Lost::Spans);
    };
    // SAFETY: `room_for_small` said that two words and more fit at the cursor.
    unsafe {
        cursor.write(ticks << TAG_BITS | SPAN_BEGIN);
        cursor.add(1).write(on.id);
        buffer.publish(cursor.add(2));
    }
    true
}

/// Counts a span of this thread that is not recorded, neither begin nor end.
#[cfg(feature = "tracing")]
#[cold]
pub(crate) fn lose_span() {
    match thread::registered() {
        Some(buffer) => buffer.lose(Lost::Spans),
        None => thread::count_unattributed(),
    }
}

/// Ends the innermost span of this thread, begun under `state`.
#[cfg(feature = "tracing")]
#[inline(always)]
pub(crate) fn end_span(state: u32) {
    write(state, SPAN_END, [], Lost::Ends);
}

/// A span that may begin on one thread and end on another: a request, a task, a future ([`crate::Instrument`]). It ends when dropped.
///
/// Its parent is the async span that was [current](AsyncSpan::in_scope) on the thread where it began.
#[derive(Debug)]
#[must_use = "a span ends when this is dropped"]
pub struct AsyncSpan {
    /// [`OFF`] when the begin was not recorded.
    state: u32,
    id: u64,
}

impl AsyncSpan {
    /// Begins a span.
    #[inline(always)]
    pub fn begin(site: &'static CallSite) -> Self {
        match on(site) {
            Some(on) => {
                Self::write_begin(on, |on, id, parent| write(on.state, ASYNC_BEGIN, [on.id, id, parent], Lost::Asyncs))
            }
            None => Self::none(),
        }
    }

    /// Begins a span with fields.
    #[doc(hidden)]
    #[inline(always)]
    pub fn begin_with<A: Args>(on: On, fields: A) -> Self {
        Self::write_begin(on, |on, id, parent| write_args(on, ASYNC_BEGIN_ARGS, [id, parent], [], Lost::Asyncs, fields))
    }

    /// A span that is not recorded.
    #[inline(always)]
    pub fn none() -> Self {
        Self { state: OFF, id: 0 }
    }

    #[inline(always)]
    fn write_begin(on: On, write: impl FnOnce(On, u64, u64) -> bool) -> Self {
        let id = thread::next_async();
        if write(on, id, thread::current_async()) { Self { state: on.state, id } } else { Self::none() }
    }

    /// Runs `f` with this span as the current one: async spans that begin meanwhile on this thread are its children.
    #[inline]
    pub fn in_scope<T>(&self, f: impl FnOnce() -> T) -> T {
        let _entered = self.enter();
        f()
    }

    #[inline(always)]
    pub(crate) fn enter(&self) -> Entered {
        // Where this span is not recorded its children are its parent's.
        if self.state == OFF { Entered { around: None, _thread: PhantomData } } else { Entered::within(self.id) }
    }
}

impl Drop for AsyncSpan {
    #[inline(always)]
    fn drop(&mut self) {
        if self.state != OFF {
            write(self.state, ASYNC_END, [self.id], Lost::AsyncEnds);
        }
    }
}

/// While it lives an async span is the current one.
pub(crate) struct Entered {
    around: Option<u64>,
    _thread: PhantomData<*const ()>,
}

impl Entered {
    #[inline(always)]
    pub(crate) fn within(id: u64) -> Self {
        Self { around: Some(thread::set_current_async(id)), _thread: PhantomData }
    }
}

impl Drop for Entered {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(around) = self.around {
            thread::set_current_async(around);
        }
    }
}

/// The clock, where it is read before the way to the buffer is known: its reading takes longer than all else, and waits for what was loaded before it
/// where that is not in the first-level cache. With the begin of a span it is the other way round: what is loaded for it serves its end, too.
#[inline(always)]
fn read_first(tag: u64) -> Option<u64> {
    if is_begin(tag) || !clock::HAS_COUNTER { None } else { Some(clock::counter()) }
}

#[inline(always)]
fn is_begin(tag: u64) -> bool {
    matches!(tag, SPAN_BEGIN | SPAN_BEGIN_ARGS | ASYNC_BEGIN | ASYNC_BEGIN_ARGS)
}

/// Writes one event; says whether it was recorded. What was not is counted as `lost`.
#[inline(always)]
fn write<const N: usize>(state: u32, tag: u64, rest: [u64; N], lost: Lost) -> bool {
    const { assert!(N < SMALL_WORDS, "the quick look at the room is for this many words") };
    let early = read_first(tag);
    let buffer = thread::current();
    let Some(cursor) = buffer.room_for_small() else {
        // One by one: whatever a pointer leads to must be in memory, and the quick way would store it there, too.
        let word = |index| rest.get(index).copied().unwrap_or(0);
        return write_slowly(state, tag, lost, N, word(0), word(1), word(2));
    };
    if tag == SPAN_BEGIN {
        // Only spans are so many that it pays.
        buffer::prefetch(cursor);
    }
    // SAFETY: `room_for_small` said that as many words fit at the cursor as there are at most.
    unsafe {
        cursor.write(early.unwrap_or_else(clock::counter) << TAG_BITS | tag);
        for (index, word) in rest.into_iter().enumerate() {
            cursor.add(1 + index).write(word);
        }
        buffer.publish(cursor.add(1 + N));
    }
    true
}

/// As [`write`]: the `count` words behind the first are the first of `a`, `b` and `c`.
#[cold]
#[inline(never)]
fn write_slowly(state: u32, tag: u64, lost: Lost, count: usize, a: u64, b: u64, c: u64) -> bool {
    // What it takes to make room is no part of a span: its begin is read behind that.
    let early = if is_begin(tag) { None } else { Some(clock::now(state)) };
    let Some(buffer) = thread::registered() else {
        thread::count_unattributed();
        return false;
    };
    let Some(cursor) = buffer.make_room(1 + count) else {
        buffer.lose(lost);
        return false;
    };
    let (ticks, rest) = (early.unwrap_or_else(|| clock::now(state)), [a, b, c]);
    // SAFETY: `make_room` said that the words fit at the cursor.
    unsafe {
        cursor.write(ticks << TAG_BITS | tag);
        cursor.add(1).copy_from_nonoverlapping(rest[..count].as_ptr(), count);
        buffer.publish(cursor.add(1 + count));
    }
    true
}

/// Writes one event of `ticks`, or of now, whose words behind the first are `head` and `rest`; says whether it was recorded.
#[cfg(feature = "tracing")]
#[inline(always)]
pub(crate) fn write_words(
    state: u32,
    tag: u64,
    ticks: Option<u64>,
    head: &[u64],
    rest: impl ExactSizeIterator<Item = u64>,
    lost: Lost,
) -> bool {
    let count = 1 + head.len() + rest.len();
    let mut buffer = thread::current();
    let mut room = buffer.room(count);
    if room.is_none() {
        let Some(registered) = thread::registered() else {
            thread::count_unattributed();
            return false;
        };
        buffer = registered;
        room = buffer.make_room(count);
    }
    let Some(cursor) = room else {
        buffer.lose(lost);
        return false;
    };
    let ticks = ticks.unwrap_or_else(|| clock::now(state));
    let (mut at, mut left) = (cursor, rest.len());
    // SAFETY: there is room for `count` words at the cursor; exactly so many are written, whatever `rest` says of its length.
    unsafe {
        at.write(ticks << TAG_BITS | tag);
        for word in head {
            at = at.add(1);
            at.write(*word);
        }
        for word in rest.take(left) {
            at = at.add(1);
            at.write(word);
            left -= 1;
        }
        for _ in 0..left {
            at = at.add(1);
            at.write(0);
        }
        buffer.publish(at.add(1));
    }
    true
}

/// Writes one event with arguments, `before` their codes and with `first` before them; says whether it was recorded.
#[inline(always)]
fn write_args<A: Args, const B: usize, const F: usize>(
    on: On,
    tag: u64,
    before: [u64; B],
    first: [(u8, u64); F],
    lost: Lost,
    args: A,
) -> bool {
    let codes = first.iter().rev().fold(A::CODES, |codes, (code, _)| codes << 4 | u64::from(*code));
    if A::FORMATTED {
        let head = head(tag, on.id, A::COUNT + F, before, codes, first.map(|(_, word)| word));
        return write_composed(on.state, head, lost, &args);
    }
    let early = read_first(tag);
    let buffer = thread::current();
    let Some(cursor) = buffer.room(3 + B + F + args.words()) else {
        let head = head(tag, on.id, A::COUNT + F, before, codes, first.map(|(_, word)| word));
        // Moved, so that only this way stores them where a reference can lead to.
        return write_composed_slowly(on.state, head, lost, args);
    };
    // SAFETY: `room` said that all these words fit at the cursor.
    unsafe {
        cursor.write(early.unwrap_or_else(clock::counter) << TAG_BITS | tag);
        cursor.add(1).write(((A::COUNT + F) as u64) << 32 | on.id);
        for (index, word) in before.into_iter().enumerate() {
            cursor.add(2 + index).write(word);
        }
        cursor.add(2 + B).write(codes);
        for (index, (_, word)) in first.into_iter().enumerate() {
            cursor.add(3 + B + index).write(word);
        }
        let end = args.write(cursor.add(3 + B + F));
        buffer.publish(end);
    }
    true
}

#[inline(always)]
fn head<const B: usize, const F: usize>(
    tag: u64,
    id: u64,
    count: usize,
    before: [u64; B],
    codes: u64,
    first: [u64; F],
) -> Head {
    let mut head = Head::new(tag, (count as u64) << 32 | id);
    before.into_iter().for_each(|word| head.push(word));
    head.push(codes);
    first.into_iter().for_each(|word| head.push(word));
    head
}

/// Writes an event whose size is not known before it is written.
#[inline(never)]
fn write_composed<A: Args>(state: u32, mut head: Head, lost: Lost, args: &A) -> bool {
    let Some(buffer) = thread::current_or_registered() else {
        thread::count_unattributed();
        return false;
    };
    text::record(buffer, state, &mut head, lost, args)
}

#[cold]
#[inline(never)]
fn write_composed_slowly<A: Args>(state: u32, head: Head, lost: Lost, args: A) -> bool {
    write_composed(state, head, lost, &args)
}
