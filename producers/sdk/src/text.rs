//! Events whose size is known only when they are written: `Display` and `Debug` of foreign types, formatted straight into the thread's chunk.
//!
//! The arguments go behind the write position, which is moved over them at the end. Meanwhile user code runs, and may itself record
//! events: the buffer is closed so that those take the slow path, which first moves the unfinished arguments out of the way, to the heap.

use crate::arg::{Args, ErasedArg};
use crate::buffer::Buffer;
use crate::chunk::CHUNK_WORDS;
use crate::clock;
use crate::event::{LOG_ARGS, TAG_BITS};
use crate::thread::Busy;
use framelake_wire::limits::STRING_BYTES_MAX;
use framelake_wire::{Arg, raw::ARGS_MAX};
use std::cell::{Cell, UnsafeCell};
use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;
use std::{fmt, ptr};

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
    start: Cell<*mut u8>,
    limit: Cell<*mut u8>,
    /// Bytes that the text being formatted may still take.
    left: Cell<usize>,
    /// The chunk ended.
    full: Cell<bool>,
    /// For [`Buffer::reopen`].
    closed: Cell<*mut u64>,
    /// The arguments where they had to make way.
    spilled: UnsafeCell<Option<Vec<u8>>>,
}

impl Text {
    pub(crate) const fn new() -> Self {
        Self {
            at: Cell::new(ptr::null_mut()),
            start: Cell::new(ptr::null_mut()),
            limit: Cell::new(ptr::null_mut()),
            left: Cell::new(0),
            full: Cell::new(false),
            closed: Cell::new(ptr::null_mut()),
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
        // SAFETY: the bytes between were written by `push`.
        let bytes = unsafe { std::slice::from_raw_parts(start, at as usize - start as usize) };
        self.set_spilled(Some(bytes.to_vec()));
        buffer.reopen(self.closed.get());
    }

    fn set_spilled(&self, bytes: Option<Vec<u8>>) -> Option<Vec<u8>> {
        // SAFETY: owner thread only, and no reference to it outlives a statement.
        unsafe { std::mem::replace(&mut *self.spilled.get(), bytes) }
    }

    /// Opens the room behind the write position for attempt `attempt`; says whether there is any.
    fn begin(&self, buffer: &Buffer, head: &Head, attempt: usize) -> bool {
        let has_room = match attempt {
            0 => buffer.has_room(ROOM_MIN) || buffer.make_room(ROOM_MIN / 8).is_some(),
            1 => buffer.next_chunk(),
            _ => true,
        };
        if has_room {
            self.open(buffer, head);
        }
        has_room
    }

    fn open(&self, buffer: &Buffer, head: &Head) {
        let start = buffer.cursor.load(Relaxed);
        self.closed.set(buffer.close());
        // SAFETY: the caller made room for ROOM_MIN bytes, which is more than a head takes.
        let start = unsafe { start.add(head.count).cast::<u8>() };
        self.start.set(start);
        self.at.set(start);
        self.limit.set(buffer.limit().cast());
        self.full.set(false);
    }

    /// Ends what is open and returns its bytes; `None` when it was spilled.
    fn close(&self, buffer: &Buffer) -> Option<usize> {
        if !self.is_open() {
            return None;
        }
        let bytes = self.at.replace(ptr::null_mut()) as usize - self.start.get() as usize;
        buffer.reopen(self.closed.get());
        Some(bytes)
    }

    /// Bytes written so far.
    fn written(&self) -> usize {
        if self.is_open() {
            return self.at.get() as usize - self.start.get() as usize;
        }
        // SAFETY: as in `set_spilled`.
        unsafe { (*self.spilled.get()).as_ref() }.map_or(0, Vec::len)
    }

    #[inline]
    fn push(&self, bytes: &[u8]) -> fmt::Result {
        let at = self.at.get();
        if at.is_null() {
            return self.push_spilled(bytes);
        }
        if self.full.get() || (self.limit.get() as usize - at as usize) < bytes.len() {
            self.full.set(true);
            return Err(fmt::Error);
        }
        // SAFETY: there is room, which nobody else writes to while this is open.
        unsafe { copy_bytes(bytes, at) };
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

    /// Appends a whole word. What was written so far is whole words.
    #[inline]
    fn word(&self, word: u64) -> fmt::Result {
        let at = self.at.get();
        if at.is_null() || self.limit.get() as usize - (at as usize) < 8 {
            return self.push(&word.to_ne_bytes());
        }
        // SAFETY: there is room, which nobody else writes to while this is open; words are where words belong.
        unsafe { at.cast::<u64>().write(word) };
        self.at.set(at.wrapping_add(8));
        Ok(())
    }

    /// Appends zeros up to a whole word.
    #[inline]
    fn pad(&self, bytes: usize) -> fmt::Result {
        let (at, missing) = (self.at.get(), bytes.next_multiple_of(8) - bytes);
        if at.is_null() || self.limit.get() as usize - (at as usize) < 8 {
            return self.push(&[0; 8][..missing]);
        }
        // SAFETY: as in `word`; what is beyond the missing bytes is written later or never looked at.
        unsafe { at.cast::<u64>().write_unaligned(0) };
        self.at.set(at.wrapping_add(missing));
        Ok(())
    }

    /// Writes `word` over one written before, `at` bytes from the start.
    fn patch(&self, at: usize, word: u64) {
        let bytes = word.to_ne_bytes();
        if self.is_open() {
            // SAFETY: these bytes were written by `push`.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.get().add(at), bytes.len()) };
            return;
        }
        // SAFETY: as in `set_spilled`.
        if let Some(spilled) = unsafe { &mut *self.spilled.get() } {
            spilled[at..at + 8].copy_from_slice(&bytes);
        }
    }

    /// A text of at most `bytes_max` bytes: its length, its bytes, zeros up to a whole word.
    fn text(&self, bytes_max: usize, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) -> fmt::Result {
        let begin = self.written();
        self.word(0)?;
        self.left.set(bytes_max);
        // An error is a text that was cut, a chunk that ended, or a `Display` that failed: what it wrote before stays.
        let _ = write(&mut Writer(self));
        if self.full.get() && self.is_open() {
            return Err(fmt::Error);
        }
        self.end_text(begin)
    }

    /// A string of at most `bytes_max` bytes, as [`Text::text`] writes one.
    #[cfg(any(feature = "tracing", feature = "log"))]
    #[inline]
    fn str(&self, bytes_max: usize, text: &str) -> fmt::Result {
        if text.len() > bytes_max {
            return self.cut(bytes_max, text);
        }
        self.word(text.len() as u64)?;
        self.push(text.as_bytes())?;
        self.pad(text.len())
    }

    /// Ends the text that begins at `begin`.
    fn end_text(&self, begin: usize) -> fmt::Result {
        let bytes = self.written() - begin - 8;
        self.pad(bytes)?;
        self.patch(begin, bytes as u64);
        Ok(())
    }

    #[inline(never)]
    fn formatted(&self, bytes_max: usize, arguments: fmt::Arguments<'_>) -> fmt::Result {
        self.text(bytes_max, |writer| fmt::write(writer, arguments))
    }

    #[inline(never)]
    fn cut(&self, bytes_max: usize, text: &str) -> fmt::Result {
        self.text(bytes_max, |writer| writer.write_str(text))
    }

    #[inline(always)]
    fn arg(&self, bytes_max: usize, arg: &dyn ErasedArg) -> fmt::Result {
        if let Some(arguments) = arg.as_formatted() {
            return self.formatted(bytes_max, arguments);
        }
        if let Arg::Str(text) | Arg::Text(text) = arg.as_arg() {
            return self.cut(bytes_max, text);
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
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = self.0.left.get();
        if text.len() <= left {
            self.0.left.set(left - text.len());
            return self.0.push(text.as_bytes());
        }
        self.0.left.set(0);
        if left >= CUT.len() {
            self.0.push(&text.as_bytes()[..text.floor_char_boundary(left - CUT.len())])?;
            self.0.push(CUT.as_bytes())?;
        }
        Err(fmt::Error)
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

/// Undoes what unfinished arguments did to their buffer, also when a `Display` panics.
struct Unwind<'a> {
    buffer: &'a Buffer,
    /// What is being written around this, where a `Display` records.
    outer: Option<Vec<u8>>,
    left: usize,
}

impl Drop for Unwind<'_> {
    fn drop(&mut self) {
        let text = &self.buffer.text;
        let _ = text.close(self.buffer);
        text.set_spilled(self.outer.take());
        text.left.set(self.left);
    }
}

/// Records an event with `args`. Says whether there was room.
#[inline]
pub(crate) fn record<A: Args>(buffer: &Buffer, state: u32, head: &Head, args: &A) -> bool {
    let mut head = Head { words: head.words, count: head.count };
    write(buffer, state, &mut head, |text, bytes_max, _| {
        let mut written = Ok(());
        args.for_each(|arg| {
            if written.is_ok() {
                written = text.arg(bytes_max, arg);
            }
        });
        written
    })
}

/// Records an event whose arguments, and their sorts, `find` finds one by one: the last word of `head` is for their codes. Says whether there was room.
#[cfg(any(feature = "tracing", feature = "log"))]
pub(crate) fn record_found(buffer: &Buffer, state: u32, head: &mut Head, find: &dyn Fn(&mut Found<'_>)) -> bool {
    let id = head.words[1];
    write(buffer, state, head, |text, bytes_max, head| {
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
            self.more = Some(self.text.written());
            self.add(Arg::Text(""), |text, bytes_max| {
                text.left.set(bytes_max);
                text.word(0)
            });
        }
        if self.written.is_err() {
            return;
        }
        let _ = fmt::write(&mut Writer(self.text), arguments);
        if self.text.full.get() && self.text.is_open() {
            self.written = Err(fmt::Error);
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
#[inline]
fn write(buffer: &Buffer, state: u32, head: &mut Head, fill: impl Fn(&Text, usize, &mut Head) -> fmt::Result) -> bool {
    let text = &buffer.text;
    if Busy::is_entered() {
        return false;
    }
    if text.is_open() {
        text.spill(buffer);
    }
    let called = clock::now(state);
    let unwind = Unwind { buffer, outer: text.set_spilled(None), left: text.left.get() };
    // In the chunk at hand, in a fresh one, and there with short texts.
    for (attempt, bytes_max) in [STRING_BYTES_MAX, STRING_BYTES_MAX, SHORT_BYTES].into_iter().enumerate() {
        if !text.begin(buffer, head, attempt) {
            return false;
        }
        let written = fill(text, bytes_max, head);
        match text.close(buffer) {
            Some(bytes) if written.is_ok() => {
                publish(buffer, stamp(state, head, called), head, bytes);
                return true;
            }
            Some(_) => {}
            None => {
                let spilled = text.set_spilled(None).unwrap_or_default();
                drop(unwind);
                return written.is_ok() && copy(buffer, stamp(state, head, called), head, &spilled);
            }
        }
    }
    false
}

/// Lines are of the time when they were called for. A span begins when its fields are known: those that began while they were formatted came before.
fn stamp(state: u32, head: &Head, called: u64) -> u64 {
    if head.words[0] == LOG_ARGS { called } else { clock::now(state) }
}

/// Records an event whose arguments had to be written on the heap.
fn copy(buffer: &Buffer, ticks: u64, head: &Head, args: &[u8]) -> bool {
    let Some(cursor) = buffer.make_room(head.count + args.len() / 8) else { return false };
    // SAFETY: `make_room` said so; arguments are whole words.
    unsafe { ptr::copy_nonoverlapping(args.as_ptr(), cursor.add(head.count).cast::<u8>(), args.len()) };
    publish(buffer, ticks, head, args.len());
    true
}

/// Writes the head of an event whose arguments of `bytes` stand behind it, and publishes both.
fn publish(buffer: &Buffer, ticks: u64, head: &Head, bytes: usize) {
    let cursor = buffer.cursor.load(Relaxed);
    // SAFETY: the arguments were written within the room, and are whole words.
    unsafe {
        cursor.copy_from_nonoverlapping(head.words.as_ptr(), head.count);
        cursor.write(ticks << TAG_BITS | head.words[0]);
        buffer.publish(cursor.add(head.count + bytes / 8));
    }
}
