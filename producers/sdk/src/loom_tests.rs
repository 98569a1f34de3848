//! Models of the hand-off from a thread's buffer to the background thread, run in every order that the memory model allows:
//! `RUSTFLAGS="--cfg loom" cargo test -p framelake --release --lib loom`.
//!
//! Chunks hold four words, so that a thread goes on to the next one after four events. Each word is also a cell of the model checker's: a word that is
//! read without having been handed over fails the model, whatever was read. The pool, crossbeam's queue, is stood in for by one that orders no more than
//! that does.

use crate::buffer::Buffer;
use crate::chunk::{self, CHUNK_BYTES};
use crate::event::{LOG, Lost, SPAN_END, TAG_BITS};
use crate::reader::{Event, Reader, Snapshot};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Runs `model` in every order with at most so many switches between threads that the thread itself did not ask for. It says whether what it is about
/// came to pass, which it must in one order and must not in another: otherwise it is a model of something else.
fn check(preemptions: usize, model: impl Fn() -> bool + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    let came = Arc::new([const { AtomicBool::new(false) }; 2]);
    let seen = came.clone();
    builder.check(move || seen[usize::from(model())].store(true, Relaxed));
    assert!(came.iter().all(|came| came.load(Relaxed)), "it came to pass never, or always: {came:?}");
}

/// A buffer whose atomics are all older than the threads.
fn buffer() -> Arc<Buffer> {
    let buffer = Buffer::new(String::new(), 1);
    let _ = (buffer.cursor.load(Relaxed), buffer.first.load(Relaxed));
    let _ = (buffer.drained.load(Relaxed), buffer.ended.load(Relaxed));
    buffer.lost.iter().for_each(|lost| {
        let _ = lost.load(Relaxed);
    });
    Arc::new(buffer)
}

/// Records an event of one word, or counts it as lost.
fn record(buffer: &Buffer, number: u64) {
    let Some(cursor) = buffer.make_room(1) else { return buffer.lose(Lost::Ends) };
    // SAFETY: `make_room` said so.
    unsafe {
        cursor.write(number << TAG_BITS | SPAN_END);
        buffer.publish(cursor.add(1));
    }
}

/// Records an event of two words, or counts it as lost.
fn record_long(buffer: &Buffer, number: u64) {
    let Some(cursor) = buffer.make_room(2) else { return buffer.lose(Lost::Ends) };
    // SAFETY: `make_room` said so.
    unsafe {
        cursor.write(number << TAG_BITS | LOG);
        cursor.add(1).write(1);
        buffer.publish(cursor.add(2));
    }
}

/// What a reader found.
#[derive(Debug, Default)]
struct Found {
    reader: Reader,
    numbers: Vec<u64>,
    lost: u64,
    /// Events that came before a loss that was before them, or behind one that was not.
    misplaced: usize,
}

impl Found {
    fn read(&mut self, buffer: &Buffer) -> Snapshot {
        let snapshot = self.reader.snapshot(buffer);
        self.reader.drain(snapshot, u64::MAX, 0, |ticks, event| match event {
            Event::End | Event::Log { .. } => {
                self.misplaced += usize::from(ticks != self.numbers.len() as u64 + self.lost + 1);
                self.numbers.push(ticks);
            }
            Event::Lost { what: Lost::Ends, count } => self.lost += count,
            other => panic!("nobody recorded {other:?}"),
        });
        self.reader.settle(buffer);
        snapshot
    }

    /// Everything up to `count` is there or was told as lost, once and in order.
    fn check(&self, count: u64) {
        assert!(self.numbers.is_sorted_by(|one, next| one < next), "{:?}", self.numbers);
        assert_eq!(self.numbers.len() as u64 + self.lost, count, "{:?}", self.numbers);
    }
}

/// Reads `reads` times while a thread records `events`, and once more when it is done. Also says how many had been read by then.
fn record_and_read(chunks: usize, events: u64, reads: usize, keeps: bool) -> (Found, usize) {
    chunk::set_budget(chunks * CHUNK_BYTES);
    let buffer = buffer();
    let writer = thread::spawn({
        let buffer = buffer.clone();
        move || (1..=events).for_each(|number| record(&buffer, number))
    });
    let mut found = Found::default();
    found.reader.keeps = keeps;
    for _ in 0..reads {
        found.read(&buffer);
    }
    let early = found.numbers.len();
    writer.join().unwrap();
    found.read(&buffer);
    found.check(events);
    assert_eq!(found.misplaced, 0, "{:?}", found.numbers);
    found.reader.release(&buffer);
    (found, early)
}

#[test]
fn a_reader_that_finds_the_first_chunk_finds_what_was_written_there() {
    check(6, || {
        let (found, early) = record_and_read(1, 2, 2, false);
        assert_eq!(found.lost, 0);
        early > 0
    });
}

#[test]
fn events_are_read_in_order_while_their_thread_goes_on_to_the_next_chunk() {
    check(4, || {
        let (found, early) = record_and_read(2, 6, 2, false);
        assert_eq!(found.lost, 0);
        early > 4
    });
}

#[test]
fn a_chunk_that_was_given_back_is_written_again_only_after_it_was_read() {
    // At once, and where recording is crash-safe once the drain is settled.
    for keeps in [false, true] {
        check(4, move || {
            // Two chunks have room for eight.
            record_and_read(2, 10, 2, keeps).0.lost == 0
        });
    }
}

#[test]
fn a_chunk_is_started_over_only_after_it_was_read_and_losses_are_told_once() {
    check(4, || record_and_read(1, 7, 3, false).0.numbers.len() > 4);
}

#[test]
fn a_chunk_that_was_started_over_before_it_was_full_is_read_from_its_start() {
    check(4, || {
        chunk::set_budget(CHUNK_BYTES);
        let buffer = buffer();
        let writer = thread::spawn({
            let buffer = buffer.clone();
            move || {
                (1..=3).for_each(|number| record(&buffer, number));
                // No room for it, and then some beyond where the chunk ended before.
                record_long(&buffer, 4);
                (5..=6).for_each(|number| record(&buffer, number));
            }
        });
        let mut found = Found::default();
        found.read(&buffer);
        found.read(&buffer);
        let early = found.numbers.last().copied();
        writer.join().unwrap();
        found.read(&buffer);
        found.check(6);
        assert_eq!(found.misplaced, 0, "{:?}", found.numbers);
        found.reader.release(&buffer);
        early.is_some_and(|number| number > 3)
    });
}

#[test]
fn a_chunk_goes_from_one_thread_to_another_through_the_pool() {
    check(3, || {
        chunk::set_budget(2 * CHUNK_BYTES);
        let buffers = [buffer(), buffer()];
        let writers = buffers.clone().map(|buffer| thread::spawn(move || record_five(&buffer)));
        let mut found = [Found::default(), Found::default()];
        for (found, buffer) in found.iter_mut().zip(&buffers) {
            found.read(buffer);
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        for (found, buffer) in found.iter_mut().zip(&buffers) {
            found.read(buffer);
            found.check(5);
            found.reader.release(buffer);
        }
        found.iter().all(|found| found.lost == 0)
    });
}

#[test]
fn who_sees_that_a_thread_ended_sees_all_it_wrote() {
    check(6, || {
        chunk::set_budget(2 * CHUNK_BYTES);
        let buffer = buffer();
        let writer = thread::spawn({
            let buffer = buffer.clone();
            move || {
                record_five(&buffer);
                buffer.end();
            }
        });
        let mut found = Found::default();
        let ended = found.read(&buffer).ended;
        if ended {
            found.check(5);
        }
        writer.join().unwrap();
        assert!(found.read(&buffer).ended);
        found.check(5);
        assert_eq!(found.lost, 0);
        found.reader.release(&buffer);
        ended
    });
}

#[test]
fn losses_that_were_read_are_not_told_again_where_they_are_written_down() {
    check(4, || record_lose_and_record(false));
    check(4, || record_lose_and_record(true));
}

/// Says whether a loss was read before what comes behind it.
fn record_lose_and_record(in_a_fresh_chunk: bool) -> bool {
    chunk::set_budget(2 * CHUNK_BYTES);
    let buffer = buffer();
    let writer = thread::spawn({
        let buffer = buffer.clone();
        move || {
            record(&buffer, 1);
            buffer.lose(Lost::Ends);
            // What was lost is written down at the begin of a chunk, or before the next event.
            assert!(!in_a_fresh_chunk || buffer.next_chunk());
            record(&buffer, 3);
        }
    });
    let mut found = Found::default();
    found.read(&buffer);
    found.read(&buffer);
    let early = found.lost > 0 && found.numbers.len() < 2;
    writer.join().unwrap();
    found.read(&buffer);
    assert_eq!((found.lost, found.misplaced, &found.numbers[..]), (1, 0, &[1, 3][..]));
    found.reader.release(&buffer);
    early
}

fn record_five(buffer: &Buffer) {
    (1..=5).for_each(|number| record(buffer, number));
}
