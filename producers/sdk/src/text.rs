//! Events whose size is known only when they are written: `Display` and `Debug` of foreign types, formatted straight into the thread's chunk.
//!
//! The arguments go behind the write position, which is moved over them at the end. Meanwhile user code runs, and may itself record
//! events: the buffer is closed so that those take the slow path, which first moves the unfinished arguments out of the way, to the heap.

use crate::arg::{ArgValue, Args, Visit};
use crate::buffer::{Buffer, Limits};
use crate::chunk::CHUNK_WORDS;
use crate::clock;
use crate::event::{LOG_ARGS, Lost, TAG_BITS};
use crate::thread::Busy;
use framelake_wire::limits::STRING_BYTES_MAX;
use framelake_wire::{Arg, raw::ARGS_MAX};
use std::cell::{Cell, UnsafeCell};
use std::fmt::{Display as _, Write as _};
use std::sync::atomic::Ordering::Relaxed;
use std::{fmt, mem, ptr};

/// Ends a text that was cut.
const CUT: &str = "…";
/// A chunk with less room than this is not begun with: its rest would only be formatted twice.
const ROOM_MIN: usize = 256;
/// Where the texts of one event do not fit into a chunk, each is cut to this: 16 × (3,968 + 8) are 62 KiB.
const SHORT_BYTES: usize = 3_968;
const _: () = assert!(cfg!(loom) || ARGS_MAX * (SHORT_BYTES + 8) + HEAD_WORDS * 8 <= CHUNK_WORDS * 8);

const HEAD_WORDS: usize = 6;

/// The words of an event before its arguments; the first is the tag, to which the ticks are added.
#[derive(Debug)]
pub(crate) struct Head {
    words: [u64; HEAD_WORDS],
    count: usize,
}

impl Head {
    #[inline(always)]
    pub(crate) fn new(tag: u64, word: u64) -> Self {
        let mut words = [0; HEAD_WORDS];
        words[0] = tag;
        words[1] = word;
        Self { words, count: 2 }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, word: u64) {
        self.words[self.count] = word;
        self.count += 1;
    }
}

/// The arguments that are being written, if any are.
pub(crate) struct Text {
    /// Where the next byte goes; null when nothing is open in the chunk.
    at: Cell<*mut u8>,
    /// Up to here bytes are written at once: to the end of the chunk, or to where the text being formatted is as long as it may be. Equal to `at` when
    /// something else is to be seen to first.
    end: Cell<*mut u8>,
    start: Cell<*mut u8>,
    /// The buffer's limits, to be put back.
    limit: Cell<*mut u8>,
    small_limit: Cell<*mut u64>,
    /// Where the text being formatted begins, in bytes from the start, and how many it may take.
    begin: Cell<usize>,
    bytes_max: Cell<usize>,
    /// The chunk ended: what was left out since is missed also where the rest made way.
    full: Cell<bool>,
    /// The arguments where they had to make way.
    spilled: UnsafeCell<Option<Vec<u8>>>,
}

impl Text {
    pub(crate) const fn new() -> Self {
        Self {
            at: Cell::new(ptr::null_mut()),
            end: Cell::new(ptr::null_mut()),
            start: Cell::new(ptr::null_mut()),
            limit: Cell::new(ptr::null_mut()),
            small_limit: Cell::new(ptr::null_mut()),
            begin: Cell::new(0),
            bytes_max: Cell::new(0),
            full: Cell::new(false),
            spilled: UnsafeCell::new(None),
        }
    }

    /// Whether arguments are being written behind the write position.
    pub(crate) fn is_open(&self) -> bool {
        !self.at.get().is_null()
    }

    /// Moves the open arguments to the heap and opens the buffer again: an event is recorded in the midst of them.
    pub(crate) fn spill(&self, buffer: &Buffer) {
        // An instrumented allocator may record events just now: they find no room and no chunk.
        let _busy = Busy::enter();
        let (start, at) = (self.start.get(), self.at.replace(ptr::null_mut()));
        self.end.set(ptr::null_mut());
        // SAFETY: the bytes between were written while this was open.
        let bytes = unsafe { std::slice::from_raw_parts(start, at as usize - start as usize) };
        self.set_spilled(Some(bytes.to_vec()));
        buffer.reopen(self.limits());
    }

    fn set_spilled(&self, bytes: Option<Vec<u8>>) -> Option<Vec<u8>> {
        // SAFETY: owner thread only, and no reference to it outlives a statement.
        unsafe { std::mem::replace(&mut *self.spilled.get(), bytes) }
    }

    fn is_spilled(&self) -> bool {
        // SAFETY: as in `set_spilled`.
        unsafe { (*self.spilled.get()).is_some() }
    }

    /// Opens the room behind the write position for attempt `attempt`; says whether there is any.
    #[inline(always)]
    fn begin(&self, buffer: &Buffer, head: &Head, attempt: usize) -> bool {
        let has_room = match attempt {
            1 => buffer.next_chunk(),
            // Also where the chunk was fresh for the attempt before: whoever recorded in the midst of that may have filled it.
            _ => buffer.has_room(ROOM_MIN) || buffer.make_room(ROOM_MIN / 8).is_some(),
        };
        if has_room {
            self.open(buffer, head);
        }
        has_room
    }

    #[inline(always)]
    fn open(&self, buffer: &Buffer, head: &Head) {
        let cursor = buffer.cursor.load(Relaxed);
        let limits = buffer.close();
        // SAFETY: the caller made room for ROOM_MIN bytes, which is more than a head takes, also with all of its words: a copy of as many as there are
        // would be a call. The arguments go over those that are too many.
        let start = unsafe {
            cursor.cast::<[u64; HEAD_WORDS]>().write(head.words);
            cursor.add(head.count).cast::<u8>()
        };
        self.start.set(start);
        self.at.set(start);
        self.limit.set(limits.all.cast());
        self.end.set(limits.all.cast());
        self.small_limit.set(limits.small);
        self.full.set(false);
    }

    /// Ends what is open and returns its bytes; `None` when it was spilled.
    #[inline(always)]
    fn close(&self, buffer: &Buffer) -> Option<usize> {
        let at = self.at.replace(ptr::null_mut());
        self.end.set(ptr::null_mut());
        if at.is_null() {
            return None;
        }
        buffer.reopen(self.limits());
        Some(at as usize - self.start.get() as usize)
    }

    #[inline(always)]
    fn limits(&self) -> Limits {
        Limits { all: self.limit.get().cast(), small: self.small_limit.get() }
    }

    /// Bytes written so far.
    #[inline(always)]
    fn written(&self) -> usize {
        if self.is_open() { self.at.get() as usize - self.start.get() as usize } else { self.written_spilled() }
    }

    #[cold]
    fn written_spilled(&self) -> usize {
        // SAFETY: as in `set_spilled`.
        unsafe { (*self.spilled.get()).as_ref() }.map_or(0, Vec::len)
    }

    /// Whether `bytes` may be written at once.
    #[inline(always)]
    fn has_room(&self, bytes: usize) -> bool {
        self.end.get() as usize - self.at.get() as usize >= bytes
    }

    /// Appends bytes as far as the chunk goes, or on the heap where they made way.
    #[cold]
    fn push(&self, bytes: &[u8]) -> fmt::Result {
        if self.full.get() {
            return Err(fmt::Error);
        }
        let at = self.at.get();
        if at.is_null() {
            return self.push_spilled(bytes);
        }
        if (self.limit.get() as usize - at as usize) < bytes.len() {
            self.full.set(true);
            self.end.set(at);
            return Err(fmt::Error);
        }
        // SAFETY: there is room, which nobody else writes to while this is open.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len()) };
        self.at.set(at.wrapping_add(bytes.len()));
        Ok(())
    }

    #[cold]
    fn push_spilled(&self, bytes: &[u8]) -> fmt::Result {
        // SAFETY: as in `set_spilled`; while busy, an instrumented allocator that logs gets no further than the check in `record`.
        let Some(spilled) = (unsafe { &mut *self.spilled.get() }) else { return Err(fmt::Error) };
        let _busy = Busy::enter();
        spilled.extend_from_slice(bytes);
        Ok(())
    }

    /// A piece of a text that cannot be written at once: it is too long, or the chunk ended, or this was spilled.
    #[cold]
    #[inline(never)]
    fn push_str(&self, piece: &str) -> fmt::Result {
        let taken = self.written() - self.begin.get();
        let left = self.bytes_max.get() - taken;
        if piece.len() <= left {
            return self.push(piece.as_bytes());
        }
        // It ends here, whatever comes.
        self.end.set(self.at.get());
        self.bytes_max.set(taken);
        if left >= CUT.len() {
            let cut = piece.floor_char_boundary(left - CUT.len());
            self.bytes_max.set(taken + cut + CUT.len());
            self.push(&piece.as_bytes()[..cut])?;
            self.push(CUT.as_bytes())?;
            self.end.set(self.at.get());
        }
        Err(fmt::Error)
    }

    /// Appends a whole word. What was written so far is whole words.
    #[inline(always)]
    fn word(&self, word: u64) -> fmt::Result {
        if !self.has_room(8) {
            return self.push(&word.to_ne_bytes());
        }
        let at = self.at.get();
        // SAFETY: there is room, which nobody else writes to while this is open; words are where words belong.
        unsafe { at.cast::<u64>().write(word) };
        self.at.set(at.wrapping_add(8));
        Ok(())
    }

    /// Begins a text of at most `bytes_max` bytes: its length comes first. Says where.
    #[inline(always)]
    fn begin_text(&self, bytes_max: usize) -> Result<usize, fmt::Error> {
        self.bytes_max.set(bytes_max);
        if !self.has_room(8) {
            return self.begin_text_slowly();
        }
        // The word is written when the length is known.
        let at = self.at.get().wrapping_add(8);
        self.at.set(at);
        let begin = at as usize - self.start.get() as usize;
        self.begin.set(begin);
        if self.end.get() as usize - at as usize > bytes_max {
            self.end.set(at.wrapping_add(bytes_max));
        }
        Ok(begin)
    }

    #[cold]
    #[inline(never)]
    fn begin_text_slowly(&self) -> Result<usize, fmt::Error> {
        self.push(&[0; 8])?;
        self.begin.set(self.written());
        Ok(self.begin.get())
    }

    /// Ends the text that begins at `begin`: zeros up to a whole word, and its length.
    #[inline(always)]
    fn end_text(&self, begin: usize) -> fmt::Result {
        if !self.has_room(8) {
            return self.end_text_slowly(begin);
        }
        let (at, start) = (self.at.get(), self.start.get());
        let bytes = at as usize - start as usize - begin;
        // SAFETY: there is room for a word, which nobody else writes to while this is open; what is beyond the missing bytes is written later or never looked
        // at. The word before the text is its own.
        unsafe {
            at.cast::<u64>().write_unaligned(0);
            start.add(begin - 8).cast::<u64>().write(bytes as u64);
        }
        self.at.set(at.wrapping_add(bytes.wrapping_neg() % 8));
        self.end.set(self.limit.get());
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn end_text_slowly(&self, begin: usize) -> fmt::Result {
        if self.full.get() {
            return Err(fmt::Error);
        }
        let bytes = self.written() - begin;
        self.push(&[0; 8][..bytes.wrapping_neg() % 8])?;
        let length = (bytes as u64).to_ne_bytes();
        if self.is_open() {
            self.end.set(self.limit.get());
            // SAFETY: as in `end_text`.
            unsafe { ptr::copy_nonoverlapping(length.as_ptr(), self.start.get().add(begin - 8), 8) };
            return Ok(());
        }
        // SAFETY: as in `set_spilled`.
        if let Some(spilled) = unsafe { &mut *self.spilled.get() } {
            spilled[begin - 8..begin].copy_from_slice(&length);
        }
        Ok(())
    }

    /// A text of at most `bytes_max` bytes: its length, its bytes, zeros up to a whole word.
    #[inline(always)]
    fn text(&self, bytes_max: usize, write: impl FnOnce() -> fmt::Result) -> fmt::Result {
        let begin = self.begin_text(bytes_max)?;
        // An error is a text that was cut, a chunk that ended, or a `Display` that failed: what it wrote before stays.
        let _ = write();
        self.end_text(begin)
    }

    /// A string of at most `bytes_max` bytes, as [`Text::text`] writes one.
    #[cfg(any(feature = "tracing", feature = "log"))]
    #[inline]
    fn str(&self, bytes_max: usize, text: &str) -> fmt::Result {
        self.text(bytes_max, || Writer(self).write_str(text))
    }

    #[cfg(any(feature = "tracing", feature = "log"))]
    #[inline(never)]
    fn formatted(&self, bytes_max: usize, arguments: fmt::Arguments<'_>) -> fmt::Result {
        self.text(bytes_max, || fmt::write(&mut Writer(self), arguments))
    }

    /// `f` writes to this.
    #[inline(always)]
    fn arg<A: ArgValue>(&self, bytes_max: usize, arg: &A, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(formatted) = arg.as_formatted() {
            return self.text(bytes_max, || formatted.fmt(f));
        }
        if let Arg::Str(text) | Arg::Text(text) = arg.as_arg() {
            return self.text(bytes_max, || Writer(self).write_str(text));
        }
        let mut word = [0; 1];
        // SAFETY: what is no text is one word.
        unsafe { arg.write(word.as_mut_ptr()) };
        self.word(word[0])
    }
}

struct Writer<'a>(&'a Text);

impl fmt::Write for Writer<'_> {
    #[inline]
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let text = self.0;
        if !text.has_room(piece.len()) {
            return text.push_str(piece);
        }
        let at = text.at.get();
        // SAFETY: there is room, which nobody else writes to while this is open.
        unsafe { copy_bytes(piece.as_bytes(), at) };
        text.at.set(at.wrapping_add(piece.len()));
        Ok(())
    }
}

/// The arguments of an event, which write themselves to `text` as words and texts when they are displayed by one that writes there: so one formatter is set
/// up for all of them.
struct Composed<'a, A> {
    args: &'a A,
    text: &'a Text,
    bytes_max: usize,
}

impl<A: Args> fmt::Display for Composed<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut composing = Composing { text: self.text, bytes_max: self.bytes_max, f, written: Ok(()) };
        self.args.visit(&mut composing);
        composing.written
    }
}

struct Composing<'a, 'b, 'c> {
    text: &'a Text,
    bytes_max: usize,
    f: &'b mut fmt::Formatter<'c>,
    written: fmt::Result,
}

impl Visit<'_> for Composing<'_, '_, '_> {
    #[inline(always)]
    fn arg<A: ArgValue>(&mut self, arg: &A) {
        if self.written.is_ok() {
            self.written = self.text.arg(self.bytes_max, arg, self.f);
        }
    }
}

/// Copies `bytes` to `to`. Most pieces of a text are a few digits or a word: those are not worth a call.
///
/// # Safety
/// There must be room for them, which they do not overlap.
#[inline(always)]
unsafe fn copy_bytes(bytes: &[u8], to: *mut u8) {
    let (from, count) = (bytes.as_ptr(), bytes.len());
    // SAFETY: all reads lie within `bytes`, all writes within as much room. Both halves may overlap: they write the same bytes.
    unsafe {
        match count {
            8..=16 => {
                let (first, last) =
                    (from.cast::<u64>().read_unaligned(), from.add(count - 8).cast::<u64>().read_unaligned());
                to.cast::<u64>().write_unaligned(first);
                to.add(count - 8).cast::<u64>().write_unaligned(last);
            }
            4..8 => {
                let (first, last) =
                    (from.cast::<u32>().read_unaligned(), from.add(count - 4).cast::<u32>().read_unaligned());
                to.cast::<u32>().write_unaligned(first);
                to.add(count - 4).cast::<u32>().write_unaligned(last);
            }
            0 => {}
            1..4 => {
                let (first, middle, last) = (from.read(), from.add(count / 2).read(), from.add(count - 1).read());
                to.write(first);
                to.add(count / 2).write(middle);
                to.add(count - 1).write(last);
            }
            _ => ptr::copy_nonoverlapping(from, to, count),
        }
    }
}

/// Where a `Display` panics: closes what is open, and counts the event.
struct Unwind<'a> {
    buffer: &'a Buffer,
    lost: Lost,
}

impl Drop for Unwind<'_> {
    #[cold]
    fn drop(&mut self) {
        let text = &self.buffer.text;
        let _ = text.close(self.buffer);
        text.set_spilled(None);
        self.buffer.lose(self.lost);
    }
}

/// What is being written around an event that a `Display` records: put back also where that panics.
struct Around<'a> {
    text: &'a Text,
    spilled: Option<Vec<u8>>,
    begin: usize,
    bytes_max: usize,
    full: bool,
}

impl<'a> Around<'a> {
    fn take(text: &'a Text) -> Self {
        Self {
            text,
            spilled: text.set_spilled(None),
            begin: text.begin.get(),
            bytes_max: text.bytes_max.get(),
            full: text.full.get(),
        }
    }
}

impl Drop for Around<'_> {
    fn drop(&mut self) {
        self.text.set_spilled(self.spilled.take());
        self.text.begin.set(self.begin);
        self.text.bytes_max.set(self.bytes_max);
        self.text.full.set(self.full);
    }
}

/// Records an event with `args`. Says whether it was; what was not is counted as `lost`.
#[inline(always)]
pub(crate) fn record<A: Args>(buffer: &Buffer, state: u32, head: &mut Head, lost: Lost, args: &A) -> bool {
    write(buffer, state, head, lost, &|text, bytes_max, _| {
        fmt::write(&mut Writer(text), format_args!("{}", Composed { args, text, bytes_max }))
    })
}

/// As [`record`], an event whose arguments, and their sorts, `find` finds one by one: the last word of `head` is for their codes.
#[cfg(any(feature = "tracing", feature = "log"))]
pub(crate) fn record_found(
    buffer: &Buffer,
    state: u32,
    head: &mut Head,
    lost: Lost,
    find: &dyn Fn(&mut Found<'_>),
) -> bool {
    let id = head.words[1];
    write(buffer, state, head, lost, &|text, bytes_max, head| {
        let mut found = Found { text, bytes_max, count: 0, codes: 0, more: None, written: Ok(()) };
        find(&mut found);
        found.end_more();
        head.words[1] = (found.count as u64) << 32 | id;
        head.words[head.count - 1] = found.codes;
        found.written
    })
}

/// Takes arguments as they are found. What does not fit any more is left out here, and written again where there is more room.
#[cfg(any(feature = "tracing", feature = "log"))]
pub(crate) struct Found<'a> {
    text: &'a Text,
    bytes_max: usize,
    count: usize,
    codes: u64,
    /// Where the text begins that holds what has no argument of its own.
    more: Option<usize>,
    written: fmt::Result,
}

#[cfg(any(feature = "tracing", feature = "log"))]
impl Found<'_> {
    /// How many arguments there are.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// An argument that is one word.
    #[inline]
    pub(crate) fn word(&mut self, arg: Arg<'_>, word: u64) {
        self.add(arg, |text, _| text.word(word));
    }

    /// No value.
    #[inline]
    pub(crate) fn none(&mut self) {
        self.word(Arg::None, 0);
    }

    /// A string.
    #[inline]
    pub(crate) fn str(&mut self, value: &str) {
        self.add(Arg::Str(""), |text, bytes_max| text.str(bytes_max, value));
    }

    /// Text that must yet be formatted.
    #[inline]
    pub(crate) fn text(&mut self, arguments: fmt::Arguments<'_>) {
        self.add(Arg::Text(""), |text, bytes_max| text.formatted(bytes_max, arguments));
    }

    /// Text that goes behind what is in the last argument, which is for all that has no argument of its own.
    pub(crate) fn more(&mut self, arguments: fmt::Arguments<'_>) {
        if self.more.is_none() {
            let mut begin = None;
            self.add(Arg::Text(""), |text, bytes_max| {
                begin = Some(text.begin_text(bytes_max)?);
                Ok(())
            });
            self.more = begin;
        }
        if self.more.is_some() && self.written.is_ok() {
            // What finds no room is seen where the text ends.
            let _ = fmt::write(&mut Writer(self.text), arguments);
        }
    }

    fn end_more(&mut self) {
        if let Some(begin) = self.more.take()
            && self.written.is_ok()
        {
            self.written = self.text.end_text(begin);
        }
    }

    #[inline]
    fn add(&mut self, arg: Arg<'_>, write: impl FnOnce(&Text, usize) -> fmt::Result) {
        if self.count == ARGS_MAX {
            return;
        }
        self.codes |= u64::from(arg.code()) << (4 * self.count);
        self.count += 1;
        if self.written.is_ok() {
            self.written = write(self.text, self.bytes_max);
        }
    }
}

/// Records an event whose arguments `fill` writes, each text of at most so many bytes.
#[inline(always)]
fn write(
    buffer: &Buffer,
    state: u32,
    head: &mut Head,
    lost: Lost,
    fill: &impl Fn(&Text, usize, &mut Head) -> fmt::Result,
) -> bool {
    let recorded = if Busy::is_entered() {
        false
    } else if buffer.text.is_open() || buffer.text.is_spilled() {
        write_within(buffer, state, head, lost, fill)
    } else {
        write_alone(buffer, state, head, lost, fill)
    };
    if !recorded {
        buffer.lose(lost);
    }
    recorded
}

/// As [`write`], while another event is being formatted.
#[cold]
#[inline(never)]
fn write_within(
    buffer: &Buffer,
    state: u32,
    head: &mut Head,
    lost: Lost,
    fill: &impl Fn(&Text, usize, &mut Head) -> fmt::Result,
) -> bool {
    if buffer.text.is_open() {
        buffer.text.spill(buffer);
    }
    let _around = Around::take(&buffer.text);
    write_alone(buffer, state, head, lost, fill)
}

/// As [`write`], while no other event is being formatted; counts nothing but what a panic leaves out.
#[inline]
fn write_alone(
    buffer: &Buffer,
    state: u32,
    head: &mut Head,
    lost: Lost,
    fill: &impl Fn(&Text, usize, &mut Head) -> fmt::Result,
) -> bool {
    let called = clock::now(state);
    let unwind = Unwind { buffer, lost };
    let written = match attempt(buffer, head, 0, fill) {
        Ok(bytes) => Some(bytes),
        Err(failed) => write_otherwise(buffer, head, failed, fill),
    };
    mem::forget(unwind);
    if let Some(bytes) = written {
        publish(buffer, stamp(state, head, called), head, bytes);
    }
    written.is_some()
}

/// Why an attempt to write the arguments of an event behind the write position came to nothing.
enum Failed {
    /// There is no room at all.
    NoRoom,
    /// There is too little.
    Full,
    /// They stand on the heap, since an event was recorded in the midst of them; all of them, or not.
    Spilled(fmt::Result),
}

/// Attempt `number` to write the arguments of an event behind the write position; says how many bytes they are.
#[inline(always)]
fn attempt(
    buffer: &Buffer,
    head: &mut Head,
    number: usize,
    fill: &impl Fn(&Text, usize, &mut Head) -> fmt::Result,
) -> Result<usize, Failed> {
    let text = &buffer.text;
    if !text.begin(buffer, head, number) {
        return Err(Failed::NoRoom);
    }
    let written = fill(text, if number < 2 { STRING_BYTES_MAX } else { SHORT_BYTES }, head);
    match text.close(buffer) {
        Some(bytes) => written.map(|()| bytes).map_err(|_| Failed::Full),
        None if text.full.get() => {
            text.set_spilled(None);
            Err(Failed::Full)
        }
        None => Err(Failed::Spilled(written)),
    }
}

/// Writes what did not fit into the chunk at hand to a fresh one, and there with short texts; and what was spilled, wherever there is room. Says how many
/// bytes of arguments stand behind the write position; `None` where there is no room.
#[cold]
#[inline(never)]
fn write_otherwise(
    buffer: &Buffer,
    head: &mut Head,
    mut failed: Failed,
    fill: &impl Fn(&Text, usize, &mut Head) -> fmt::Result,
) -> Option<usize> {
    for number in 1.. {
        match failed {
            Failed::Full if number <= 2 => {}
            Failed::Full | Failed::NoRoom => return None,
            Failed::Spilled(Err(_)) => {
                buffer.text.set_spilled(None);
                return None;
            }
            Failed::Spilled(Ok(())) => {
                let spilled = buffer.text.set_spilled(None).unwrap_or_default();
                return copy(buffer, head, &spilled);
            }
        }
        failed = match attempt(buffer, head, number, fill) {
            Ok(bytes) => return Some(bytes),
            Err(failed) => failed,
        };
    }
    None
}

/// Lines are of the time when they were called for. A span begins when its fields are known: those that began while they were formatted came before.
fn stamp(state: u32, head: &Head, called: u64) -> u64 {
    if head.words[0] == LOG_ARGS { called } else { clock::now(state) }
}

/// Writes an event whose arguments had to be written on the heap behind the write position.
fn copy(buffer: &Buffer, head: &Head, args: &[u8]) -> Option<usize> {
    let cursor = buffer.make_room(head.count + args.len() / 8)?;
    // SAFETY: `make_room` said so; arguments are whole words.
    unsafe {
        cursor.copy_from_nonoverlapping(head.words.as_ptr(), head.count);
        ptr::copy_nonoverlapping(args.as_ptr(), cursor.add(head.count).cast::<u8>(), args.len());
    }
    Some(args.len())
}

/// Stamps an event whose arguments of `bytes` stand behind its head, and publishes both.
#[inline(always)]
fn publish(buffer: &Buffer, ticks: u64, head: &Head, bytes: usize) {
    let (cursor, last) = (buffer.cursor.load(Relaxed), head.count - 1);
    // SAFETY: the head and the arguments were written within the room, and are whole words.
    unsafe {
        cursor.write(ticks << TAG_BITS | head.words[0]);
        // How many arguments there are and what they are may be known only now.
        cursor.add(1).write(head.words[1]);
        cursor.add(last).write(head.words[last]);
        buffer.publish(cursor.add(head.count + bytes / 8));
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::arg::{Formatted, Str};
    use crate::chunk;
    use crate::event::SPAN_END;
    use crate::reader::{Event, Reader};

    /// Writes pieces of these lengths, and records between them where it says so.
    struct Pieces<'a> {
        lengths: Vec<usize>,
        records: Option<(&'a Buffer, usize)>,
    }

    /// Its characters take two bytes, and are cut as one.
    fn piece(length: usize) -> String {
        let text = "\u{fc}".repeat(length / 2);
        if length.is_multiple_of(2) { text } else { text + "u" }
    }

    impl fmt::Display for Pieces<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            for (index, length) in self.lengths.iter().enumerate() {
                if let Some((buffer, at)) = self.records
                    && at == index
                {
                    assert!(line(buffer, &(Formatted::Value(&"meanwhile"),)));
                }
                // What goes on after an error adds nothing.
                let _ = f.write_str(&piece(*length));
            }
            Ok(())
        }
    }

    fn line<A: Args>(buffer: &Buffer, args: &A) -> bool {
        let mut head = Head::new(LOG_ARGS, (A::COUNT as u64) << 32 | 1);
        head.push(A::CODES);
        record(buffer, clock::MONOTONIC, &mut head, Lost::Logs, args)
    }

    impl Pieces<'_> {
        /// What is kept of it where a text has at most so many bytes.
        fn kept(&self, bytes_max: usize) -> String {
            let mut kept = String::new();
            for piece in self.lengths.iter().map(|length| piece(*length)) {
                let left = bytes_max - kept.len();
                if piece.len() > left {
                    if left >= CUT.len() {
                        kept += &piece[..piece.floor_char_boundary(left - CUT.len())];
                        kept += CUT;
                    }
                    break;
                }
                kept += &piece;
            }
            kept
        }
    }

    /// Records lines of one word until the chunk has so many words left.
    struct Fills<'a> {
        buffer: &'a Buffer,
        left: usize,
    }

    impl fmt::Display for Fills<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let _ = f.write_str(&piece(STRING_BYTES_MAX));
            while self.buffer.text.is_open() || self.buffer.has_room((self.left + 1) * 8) {
                let cursor = self.buffer.make_room(1).expect("a chunk has room for it");
                // SAFETY: there is room.
                unsafe { cursor.write(SPAN_END) };
                self.buffer.publish(cursor.wrapping_add(1));
            }
            Ok(())
        }
    }

    #[test]
    fn texts_that_are_too_long_stay_within_the_chunk_that_was_filled_while_they_were_formatted() {
        let _one = crate::RECORDS.lock();
        chunk::set_budget(1024 * 1024);
        let buffer = Buffer::new(String::new(), 1);
        let mut reader = Reader::default();
        let long = piece(CHUNK_WORDS * 8 / 3);
        for left in [0, 1, HEAD_WORDS, ROOM_MIN / 8] {
            let fills = Fills { buffer: &buffer, left };
            let args = (Str::new(&long), Str::new(&long), Formatted::Value(&fills));
            let written = line(&buffer, &args);
            let (mut lines, mut lost) = (0, 0);
            let snapshot = reader.snapshot(&buffer);
            reader.drain(snapshot, u64::MAX, 0, |_, event| match event {
                Event::End => {}
                Event::Log { args, .. } => {
                    assert_eq!(args.count(), 3);
                    lines += 1;
                }
                Event::Lost { what: Lost::Logs, count } => lost += count,
                other => panic!("nobody recorded {other:?}"),
            });
            assert_eq!((lines, lost), if written { (1, 0) } else { (0, 1) });
            reader.settle(&buffer);
        }
        reader.release(&buffer);
    }

    #[test]
    fn texts_are_whole_or_cut_at_their_limit_wherever_the_chunk_ends_and_whoever_records_meanwhile() {
        let _one = crate::RECORDS.lock();
        chunk::set_budget(1024 * 1024);
        let buffer = Buffer::new(String::new(), 1);
        let (mut reader, mut random) = (Reader::default(), 1_u64);
        let mut random = |below: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % below
        };
        let (mut cut, mut short) = (0, 0);
        for turn in 0..if cfg!(miri) { 60 } else { 3_000 } {
            // Of some pieces and bytes, or of many; one in three makes way.
            let (pieces, bytes) = [(6, 20), (40, 100), (6, STRING_BYTES_MAX * 2 / 3)][turn % 3];
            let mut texts = || {
                let mut lengths: Vec<usize> = (0..random(pieces)).map(|_| random(bytes)).collect();
                if turn % 100 == 2 {
                    // Too little is left for the sign that it was cut.
                    lengths = vec![STRING_BYTES_MAX - 1, 2, 1];
                }
                Pieces { records: (random(3) == 0).then(|| (&buffer, random(lengths.len() + 1))), lengths }
            };
            let (one, other) = (texts(), texts());
            let text = piece(random(bytes));
            let args = (Formatted::Value(&one), Str::new(&text), Formatted::Text(format_args!("{other}")), turn as u64);
            let written = line(&buffer, &args);

            let (mut found, mut lost) = (Vec::new(), 0);
            let snapshot = reader.snapshot(&buffer);
            reader.drain(snapshot, u64::MAX, 0, |_, event| match event {
                Event::Log { args, .. } if args.count() == 1 => {
                    assert!(args.iter().eq([Arg::Text("meanwhile")]));
                }
                Event::Log { args, .. } => found.extend(args.iter().map(|arg| arg.to_string())),
                Event::Lost { what: Lost::Logs, count } => lost += count,
                other => panic!("nobody recorded {other:?}"),
            });
            reader.settle(&buffer);
            let expected = |bytes_max| {
                let text = Pieces { lengths: vec![text.len()], records: None }.kept(bytes_max);
                [one.kept(bytes_max), text, other.kept(bytes_max), turn.to_string()]
            };
            let long = expected(STRING_BYTES_MAX);
            cut += long.iter().filter(|text| text.ends_with(CUT)).count();
            let is_too_long = long.iter().map(String::len).sum::<usize>() + 10 * 8 > CHUNK_WORDS * 8;
            let makes_way = [&one, &other].iter().any(|text| text.records.is_some());
            match (is_too_long, makes_way) {
                (false, _) => assert_eq!(found, long),
                (true, false) => assert_eq!(found, expected(SHORT_BYTES)),
                // What was written elsewhere by then is not written again.
                (true, true) => assert!(found.is_empty() || found == expected(SHORT_BYTES)),
            }
            assert_eq!((written, lost), (!found.is_empty(), u64::from(!written)));
            short += usize::from(is_too_long && written);
        }
        reader.release(&buffer);
        assert!(cfg!(miri) || cut > 100 && short > 100, "{cut} {short}");
    }
}
