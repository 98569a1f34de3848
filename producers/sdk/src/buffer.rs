//! A thread's buffer: written by its thread alone, read by the background thread up to the published position.
//!
//! The writer's side is here, the reader's in `reader.rs`. The rules that make the sharing sound:
//! - Only the owner thread writes `cursor`, its limits, `chunk` and the words of its chunk at and beyond `cursor`.
//! - The reader reads only words before a `cursor` it loaded with Acquire; the owner stored it with Release after writing them.
//! - A chunk goes back to the pool by the reader, once its `next` is set and its events were read; the owner never looks back at it.
//! - The owner may start its chunk over only when `drained` says that the reader is done with all of it.
//!
//! Most events take a quick way: one comparison with `small_limit`, the processor's counter read, the words stored, the position published. That limit is
//! null where anything else is to be seen to first: nothing is recorded yet, an event is being formatted behind the position, what was lost is not yet
//! written down, or events are stamped by another clock. So none of this is asked for each event.

mod handle;

use crate::aggregate::Table;
use crate::chunk::{self, Chunk};
use crate::clock;
use crate::event::{LOST, Lost, TAG_BITS};
use crate::sync::{AtomicBool, AtomicPtr, AtomicU64};
use crate::text::Text;
use crate::thread::Busy;
use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Words of the longest event without arguments.
pub(crate) const SMALL_WORDS: usize = 4;

pub(crate) use handle::{Handle, LAYOUT};

/// How far a buffer may be written.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) all: *mut u64,
    /// On the quick way.
    pub(crate) small: *mut u64,
}

/// A thread's buffer.
#[repr(C, align(128))]
pub(crate) struct Buffer {
    /// The published write position: everything before it in the chunk is whole.
    pub(crate) cursor: AtomicPtr<u64>,
    /// From here on there is no room for [`SMALL_WORDS`]; null where the quick way is closed.
    small_limit: Cell<*mut u64>,
    /// One past the last word that may be written. Equal to `cursor` while an event is being formatted behind it.
    limit: Cell<*mut u64>,
    /// The chunk that `cursor` is in.
    chunk: Cell<Option<NonNull<Chunk>>>,
    /// What was lost in this thread so far, by [`Lost`].
    pub(crate) lost: [AtomicU64; Lost::COUNT],
    /// How much of `lost` was written down in the chunks.
    told: [Cell<u64>; Lost::COUNT],
    /// Whether that is not all: what is lost is written down before the next event, whose place among the others is behind it.
    is_untold: Cell<bool>,
    /// The ticks of the last loss, by [`Lost`].
    lost_ticks: [Cell<u64>; Lost::COUNT],
    /// Words written before those of the chunk.
    base: Cell<u64>,
    /// An event that is being formatted.
    pub(crate) text: Text,
    /// What the thread counts.
    pub(crate) aggregates: Table,

    /// The thread's first chunk, for the reader to begin with.
    pub(crate) first: AtomicPtr<Chunk>,
    /// Words that the reader is done with, of all that were ever written.
    pub(crate) drained: AtomicU64,
    /// The thread has ended; nothing more is written.
    pub(crate) ended: AtomicBool,
    /// The thread's name.
    pub(crate) name: String,
    /// The operating system's number of the thread.
    pub(crate) number: u64,
}

// SAFETY: the cells and `text` are touched by the owner thread only (`small_limit`, `limit`, `chunk`, `base`, `told`, `is_untold`, `lost_ticks`, `text` are used in
// methods that only the thread-local in `thread.rs` leads to); everything else is atomic. A buffer without an owner has no one who touches its cells.
unsafe impl Sync for Buffer {}
// SAFETY: as above; the pointers are to chunks, which belong to the process.
unsafe impl Send for Buffer {}

impl Buffer {
    /// A buffer without a chunk: the first event takes the slow path.
    pub(crate) const fn new(name: String, number: u64) -> Self {
        Self {
            cursor: AtomicPtr::new(ptr::null_mut()),
            small_limit: Cell::new(ptr::null_mut()),
            limit: Cell::new(ptr::null_mut()),
            chunk: Cell::new(None),
            lost: [const { AtomicU64::new(0) }; Lost::COUNT],
            told: [const { Cell::new(0) }; Lost::COUNT],
            is_untold: Cell::new(false),
            lost_ticks: [const { Cell::new(0) }; Lost::COUNT],
            base: Cell::new(0),
            text: Text::new(),
            aggregates: Table::new(),
            first: AtomicPtr::new(ptr::null_mut()),
            drained: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            name,
            number,
        }
    }

    /// Where [`SMALL_WORDS`] words may be written in the quick way; `None` when it is closed or the chunk has no room for them.
    #[inline(always)]
    pub(crate) fn room_for_small(&self) -> Option<*mut u64> {
        // Loaded once: the compiler does not merge atomic loads.
        let cursor = self.cursor.load(Relaxed);
        (cursor < self.small_limit.get()).then_some(cursor)
    }

    /// Where `words` words may be written in the quick way; `None` when it is closed or the chunk has no room for them and [`SMALL_WORDS`].
    #[inline(always)]
    pub(crate) fn room(&self, words: usize) -> Option<*mut u64> {
        let cursor = self.cursor.load(Relaxed);
        // Signed: the limit may be below the position, as null is.
        let bytes = (self.small_limit.get() as isize).wrapping_sub(cursor as isize);
        (bytes >= (words.max(SMALL_WORDS) - (SMALL_WORDS - 1)) as isize * 8).then_some(cursor)
    }

    /// Whether anything was ever recorded here.
    #[inline(always)]
    pub(crate) fn has_chunk(&self) -> bool {
        self.chunk.get().is_some()
    }

    /// Whether there are `bytes` behind the write position, for what comes next.
    #[inline(always)]
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        !self.is_untold.get() && self.left() >= bytes
    }

    /// Bytes behind the write position.
    #[inline(always)]
    fn left(&self) -> usize {
        self.limit.get() as usize - self.cursor.load(Relaxed) as usize
    }

    /// Moves the write position to `cursor`: the words before it are whole.
    #[inline(always)]
    pub(crate) fn publish(&self, cursor: *mut u64) {
        #[cfg(all(test, loom))]
        crate::sync::wrote(self.chunk.get(), self.cursor.load(Relaxed), cursor);
        self.cursor.store(cursor, Release);
    }

    /// Where `words` words may be written, after going on to a fresh chunk where that is needed and possible.
    pub(crate) fn make_room(&self, words: usize) -> Option<*mut u64> {
        if self.text.is_open() {
            self.text.spill(self);
        }
        if self.left() >= (self.untold_words() + words) * 8 {
            self.tell_losses();
        } else if !self.next_chunk() {
            return None;
        }
        self.has_room(words * 8).then(|| self.cursor.load(Relaxed))
    }

    /// Goes on to a fresh chunk; says whether there was one. What was lost meanwhile is told at its begin.
    pub(crate) fn next_chunk(&self) -> bool {
        // An instrumented allocator that records while a chunk is allocated must not ask for one itself.
        let Some(_busy) = Busy::enter() else { return false };
        let Some(fresh) = chunk::take() else { return self.restart_chunk() };
        let fresh = fresh.0;
        self.base.set(self.written());
        let cursor = self.cursor.load(Relaxed);
        let full = self.chunk.replace(Some(fresh));
        self.limit.set(chunk::limit(fresh));
        match full {
            // The link before the position: a reader that sees the position in the fresh chunk finds the way there.
            Some(full) => {
                // SAFETY: `full` was our chunk; the reader frees it only after it has seen `next`.
                let full = unsafe { full.as_ref() };
                full.end.store(cursor, Relaxed);
                full.next.store(fresh.as_ptr(), Release);
                self.publish(chunk::start(fresh));
            }
            // The position before the chunk: a reader that finds the first chunk finds a position in it.
            None => {
                self.publish(chunk::start(fresh));
                self.first.store(fresh.as_ptr(), Release);
            }
        }
        self.tell_losses();
        if chunk::is_low() {
            crate::wake::wake();
        }
        true
    }

    /// Where the pool has nothing left: the thread's own chunk once more, if the reader is done with all that was written.
    fn restart_chunk(&self) -> bool {
        crate::wake::wake();
        let Some(chunk) = self.chunk.get() else { return false };
        let written = self.written();
        if written == self.base.get() || self.drained.load(Acquire) != written {
            return false;
        }
        self.base.set(written);
        // SAFETY: it is our chunk, and not linked on.
        let header = unsafe { chunk.as_ref() };
        // In this order: a reader that sees the new count sees the new position (see `Reader::snapshot`).
        self.publish(chunk::start(chunk));
        header.restarts.store(header.restarts.load(Relaxed) + 1, Release);
        self.tell_losses();
        true
    }

    /// Words written so far.
    fn written(&self) -> u64 {
        self.chunk.get().map_or(0, |chunk| {
            let bytes = self.cursor.load(Relaxed) as usize - chunk::start(chunk) as usize;
            self.base.get() + bytes as u64 / 8
        })
    }

    /// Counts an event that found no room, or whose `Display` panicked.
    pub(crate) fn lose(&self, lost: Lost) {
        let count = &self.lost[lost as usize];
        // Only the owner adds, so no locked instruction is needed.
        count.store(count.load(Relaxed) + 1, Release);
        self.is_untold.set(true);
        // Not when it is told: the event behind it may have its ticks by then.
        self.lost_ticks[lost as usize].set(clock::now_as_last());
        self.small_limit.set(ptr::null_mut());
    }

    /// Words that it takes to write down what was lost.
    fn untold_words(&self) -> usize {
        if !self.is_untold.get() {
            return 0;
        }
        let is_untold = |lost: &Lost| self.lost[*lost as usize].load(Relaxed) != self.told[*lost as usize].get();
        2 * Lost::ALL.iter().filter(|lost| is_untold(lost)).count()
    }

    /// Writes down what was lost, for which there is room, and opens the quick way.
    fn tell_losses(&self) {
        if self.is_untold.replace(false) {
            for lost in Lost::ALL {
                let count = self.lost[lost as usize].load(Relaxed);
                if count == self.told[lost as usize].replace(count) {
                    continue;
                }
                assert!(
                    self.has_room(2 * 8),
                    "a fresh chunk has room, and who writes on looked whether the old one has"
                );
                let (cursor, ticks) = (self.cursor.load(Relaxed), self.lost_ticks[lost as usize].get());
                // SAFETY: there is room.
                unsafe {
                    cursor.write(ticks << TAG_BITS | LOST);
                    cursor.add(1).write(count << 8 | lost as u64);
                    self.publish(cursor.add(2));
                }
            }
        }
        let is_quick = clock::is_by_counter();
        self.small_limit.set(if is_quick { self.limit.get().wrapping_sub(SMALL_WORDS - 1) } else { ptr::null_mut() });
    }

    /// Closes the room behind the write position and with it the quick way, so that events recorded while another is formatted there take the slow one, which
    /// finds no room either before [`Buffer::reopen`].
    #[inline(always)]
    pub(crate) fn close(&self) -> Limits {
        let small = self.small_limit.replace(ptr::null_mut());
        Limits { all: self.limit.replace(self.cursor.load(Relaxed)), small }
    }

    /// Undoes [`Buffer::close`].
    #[inline(always)]
    pub(crate) fn reopen(&self, limits: Limits) {
        self.limit.set(limits.all);
        if !self.is_untold.get() {
            self.small_limit.set(limits.small);
        }
    }

    /// The thread ends: nothing is written after this.
    pub(crate) fn end(&self) {
        self.ended.store(true, Release);
    }
}

/// Has the memory ready that will be written soon: the processor does not foresee the next page, and the background thread's core has what was read there
/// last. Without it one span in 200 waits for that, and p99.9 is five times as long.
#[inline(always)]
pub(crate) fn prefetch(cursor: *mut u64) {
    /// A score of spans.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    const AHEAD_BYTES: usize = 512;
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch of any address does no harm, and every x86-64 processor takes the instruction, if only to ignore it.
    unsafe {
        core::arch::asm!(
            "prefetchw [{} + {}]", in(reg) cursor, const AHEAD_BYTES, options(nostack, preserves_flags, readonly)
        );
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = cursor;
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::chunk::CHUNK_WORDS;
    use crate::event::SPAN_END;
    use crate::reader::{Event, Reader};

    /// Records an event of one word in either way.
    fn record(buffer: &Buffer, number: u64) {
        let cursor = buffer.room_for_small().or_else(|| buffer.make_room(1)).expect("a chunk has room for it");
        // SAFETY: there is room.
        unsafe { cursor.write(number << TAG_BITS | SPAN_END) };
        buffer.publish(cursor.wrapping_add(1));
    }

    #[test]
    fn a_buffer_without_a_chunk_has_no_room() {
        let buffer = Buffer::new(String::new(), 1);
        assert!(buffer.room_for_small().is_none());
        assert!((0..=2 * SMALL_WORDS).all(|words| buffer.room(words).is_none()));
    }

    #[test]
    fn what_is_lost_is_told_before_the_next_event_also_where_that_still_fits() {
        let _one = crate::RECORDS.lock();
        chunk::set_budget(1024 * 1024);
        let buffer = Buffer::new(String::new(), 1);
        for number in [1, 2] {
            record(&buffer, number);
            assert!(buffer.make_room(CHUNK_WORDS + 1).is_none());
            [Lost::Logs, Lost::Ends, Lost::Logs].into_iter().for_each(|lost| buffer.lose(lost));
        }
        record(&buffer, 3);
        record(&buffer, 4);

        let (mut found, mut reader) = (Vec::new(), Reader::default());
        let snapshot = reader.snapshot(&buffer);
        reader.drain(snapshot, u64::MAX, 0, |ticks, event| {
            found.push(match event {
                Event::End => ticks.to_string(),
                Event::Lost { what, count } => format!("{count} {what:?}"),
                other => panic!("nobody recorded {other:?}"),
            });
        });
        reader.settle(&buffer);
        reader.release(&buffer);
        assert_eq!(found, ["1", "1 Ends", "2 Logs", "2", "1 Ends", "2 Logs", "3", "4"]);
    }

    #[test]
    fn losses_have_the_ticks_of_the_clock_also_when_recording_has_stopped() {
        let _one = crate::RECORDS.lock();
        chunk::set_budget(1024 * 1024);
        clock::start_recording(clock::MONOTONIC, 0);
        let buffer = Buffer::new(String::new(), 1);
        record(&buffer, 1);
        clock::stop_recording();
        let before = clock::now(clock::MONOTONIC);
        buffer.lose(Lost::Ends);
        let now = before..=clock::now(clock::MONOTONIC);
        record(&buffer, 2);

        let (mut found, mut reader) = (Vec::new(), Reader::default());
        let snapshot = reader.snapshot(&buffer);
        reader.drain(snapshot, u64::MAX, 0, |ticks, event| {
            if matches!(event, Event::Lost { .. }) {
                found.push(now.contains(&ticks));
            }
        });
        reader.settle(&buffer);
        reader.release(&buffer);
        assert_eq!(found, [true]);
        clock::start_recording(clock::choose(), 0);
        clock::stop_recording();
    }
}
