//! Formatting a log line straight into the thread's chunk.
//!
//! The text goes behind the write position, which is moved over it at the end. Meanwhile user code runs (`Display`, `Debug`), and may itself record
//! events: the buffer is closed so that those take the slow path, which first moves the unfinished text out of the way, to the heap.

use crate::buffer::Buffer;
use crate::event::{LOG_TEXT, Lost, TAG_BITS};
use crate::thread::Busy;
use framelake_wire::limits::STRING_BYTES_MAX;
use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::Ordering::Relaxed;
use std::{fmt, ptr};

/// Ends a text that was cut.
const CUT: &str = "…";
/// A chunk with less room than this is not begun with: its rest would only be formatted twice.
const ROOM_MIN: usize = 256;

/// The text being formatted, if any.
pub(crate) struct Text {
    /// Where the next byte goes; null when no text is open in the chunk.
    at: Cell<*mut u8>,
    start: Cell<*mut u8>,
    limit: Cell<*mut u8>,
    /// Why the text ended early.
    cut: Cell<Cut>,
    /// The buffer's limit, to be put back.
    buffer_limit: Cell<*mut u64>,
    /// The text where it had to make way.
    spilled: UnsafeCell<Option<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    No,
    /// The chunk ended: another try in a fresh one may help.
    ByChunk,
    /// The longest text there is.
    ByLimit,
}

impl Text {
    pub(crate) const fn new() -> Self {
        Self {
            at: Cell::new(ptr::null_mut()),
            start: Cell::new(ptr::null_mut()),
            limit: Cell::new(ptr::null_mut()),
            cut: Cell::new(Cut::No),
            buffer_limit: Cell::new(ptr::null_mut()),
            spilled: UnsafeCell::new(None),
        }
    }

    /// Whether a text is being formatted behind the write position.
    pub(crate) fn is_open(&self) -> bool {
        !self.at.get().is_null()
    }

    /// Moves the open text to the heap and opens the buffer again: an event is recorded in the midst of it.
    pub(crate) fn spill(&self, buffer: &Buffer) {
        // An instrumented allocator may record events just now: they find no room and no chunk.
        let _busy = Busy::enter();
        let (start, at) = (self.start.get(), self.at.replace(ptr::null_mut()));
        // SAFETY: the bytes between were written by `push`.
        let text = unsafe { std::slice::from_raw_parts(start, at as usize - start as usize) };
        self.set_spilled(Some(String::from_utf8_lossy(text).into_owned()));
        buffer.reopen(self.buffer_limit.get());
    }

    fn set_spilled(&self, text: Option<String>) -> Option<String> {
        // SAFETY: owner thread only, and no reference to it outlives a statement.
        unsafe { std::mem::replace(&mut *self.spilled.get(), text) }
    }

    fn open(&self, buffer: &Buffer) {
        let start = buffer.cursor.load(Relaxed);
        let limit = buffer.close();
        self.buffer_limit.set(limit);
        // SAFETY: the caller made room for ROOM_MIN bytes behind two words.
        let start = unsafe { start.add(2).cast::<u8>() };
        let room = (limit as usize - start as usize).min(STRING_BYTES_MAX) - CUT.len();
        self.start.set(start);
        self.at.set(start);
        self.limit.set(start.wrapping_add(room));
        self.cut.set(Cut::No);
    }

    /// Ends the open text and returns its bytes; `None` when it was spilled.
    fn close(&self, buffer: &Buffer) -> Option<usize> {
        if !self.is_open() {
            return None;
        }
        let bytes = self.at.replace(ptr::null_mut()) as usize - self.start.get() as usize;
        buffer.reopen(self.buffer_limit.get());
        Some(bytes)
    }

    fn push(&self, text: &str) -> fmt::Result {
        if !self.is_open() {
            return self.push_spilled(text);
        }
        if self.cut.get() != Cut::No {
            return Err(fmt::Error);
        }
        let (at, limit) = (self.at.get(), self.limit.get());
        let room = limit as usize - at as usize;
        let taken = if text.len() <= room { text } else { &text[..text.floor_char_boundary(room)] };
        // SAFETY: `taken` is within the room, which nobody else writes to while the text is open.
        unsafe { ptr::copy_nonoverlapping(taken.as_ptr(), at, taken.len()) };
        self.at.set(at.wrapping_add(taken.len()));
        if taken.len() == text.len() {
            return Ok(());
        }
        let full = limit as usize - self.start.get() as usize == STRING_BYTES_MAX - CUT.len();
        self.cut.set(if full { Cut::ByLimit } else { Cut::ByChunk });
        // Room for this was kept.
        // SAFETY: as above.
        unsafe { ptr::copy_nonoverlapping(CUT.as_ptr(), self.at.get(), CUT.len()) };
        self.at.set(self.at.get().wrapping_add(CUT.len()));
        self.limit.set(self.at.get());
        Err(fmt::Error)
    }

    fn push_spilled(&self, text: &str) -> fmt::Result {
        let _busy = Busy::enter();
        // SAFETY: as in `set_spilled`; while busy, an instrumented allocator that logs gets no further than the check in `record`.
        let Some(spilled) = (unsafe { &mut *self.spilled.get() }) else { return Err(fmt::Error) };
        let room = (STRING_BYTES_MAX - CUT.len()).saturating_sub(spilled.len());
        if room < 4 {
            return Err(fmt::Error);
        }
        if text.len() <= room {
            spilled.push_str(text);
            return Ok(());
        }
        spilled.push_str(&text[..text.floor_char_boundary(room)]);
        spilled.push_str(CUT);
        Err(fmt::Error)
    }
}

struct Writer<'a>(&'a Text);

impl fmt::Write for Writer<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push(text)
    }
}

/// Undoes what an unfinished text did to its buffer, also when a `Display` panics.
struct Unwind<'a> {
    buffer: &'a Buffer,
    /// The text around this one, where a `Display` logs.
    outer: Option<String>,
}

impl Drop for Unwind<'_> {
    fn drop(&mut self) {
        let _ = self.buffer.text.close(self.buffer);
        self.buffer.text.set_spilled(self.outer.take());
    }
}

/// Records a log line whose text is `arguments`. Says whether there was room.
pub(crate) fn record(buffer: &Buffer, site: u32, ticks: u64, arguments: fmt::Arguments<'_>) -> bool {
    let text = &buffer.text;
    if Busy::is_entered() {
        return false;
    }
    if text.is_open() {
        text.spill(buffer);
    }
    let mut unwind = Unwind { buffer, outer: text.set_spilled(None) };
    if buffer.room_bytes() < ROOM_MIN && !buffer.next_chunk() {
        return false;
    }
    text.open(buffer);
    let _ = fmt::write(&mut Writer(text), arguments);
    let mut bytes = text.close(buffer);
    if bytes.is_some() && text.cut.get() == Cut::ByChunk && buffer.next_chunk() {
        text.open(buffer);
        let _ = fmt::write(&mut Writer(text), arguments);
        bytes = text.close(buffer);
    }
    match bytes {
        Some(bytes) => {
            publish(buffer, site, ticks, bytes);
            true
        }
        None => {
            let spilled = text.set_spilled(unwind.outer.take()).unwrap_or_default();
            let copied = copy(buffer, site, ticks, &spilled);
            std::mem::forget(unwind);
            copied
        }
    }
}

/// Records a log line whose text had to be formatted on the heap.
fn copy(buffer: &Buffer, site: u32, ticks: u64, text: &str) -> bool {
    let Some(cursor) = buffer.make_room(2 + text.len().div_ceil(8)) else { return false };
    // SAFETY: `make_room` said so.
    unsafe { ptr::copy_nonoverlapping(text.as_ptr(), cursor.add(2).cast::<u8>(), text.len()) };
    publish(buffer, site, ticks, text.len());
    true
}

/// Writes the head of a line whose text of `bytes` stands behind it, and publishes both.
fn publish(buffer: &Buffer, site: u32, ticks: u64, bytes: usize) {
    let cursor = buffer.cursor.load(Relaxed);
    // SAFETY: the text was written within the room, which is whole words.
    unsafe {
        cursor.write(ticks << TAG_BITS | LOG_TEXT);
        cursor.add(1).write((bytes as u64) << 32 | u64::from(site));
        buffer.publish(cursor.add(2 + bytes.div_ceil(8)));
    }
}

/// The line found no room.
pub(crate) fn lose(buffer: &Buffer) {
    buffer.lose(Lost::Logs);
}
