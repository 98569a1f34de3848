//! The reading side of a thread's buffer: one reader per buffer, on the background thread.

use crate::buffer::Buffer;
use crate::chunk::{self, Chunk, FreeChunk};
use crate::crash::state::Position;
use crate::event::{
    ASYNC_BEGIN, ASYNC_BEGIN_ARGS, ASYNC_END, ASYNC_END_ARGS, FLOAT, FRAME, INTEGER, LOG, LOG_ARGS, LOST, Lost,
    METRIC_ARGS, SPAN_BEGIN, SPAN_BEGIN_ARGS, SPAN_END, TAG_BITS, TAG_MASK,
};
use framelake_wire::{Arg, raw::Raw};
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// An event as it was recorded. `site` is the call site's number plus one, as in [`crate::site::CallSite`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    Begin { site: u32, fields: Raw<'a> },
    End,
    Log { site: u32, args: Raw<'a> },
    Metric { site: u32, properties: u32, args: Raw<'a> },
    Frame,
    AsyncBegin { site: u32, id: u64, parent: u64, fields: Raw<'a> },
    AsyncEnd { id: u64, fields: Option<Raw<'a>> },
    Lost { what: Lost, count: u64 },
}

/// Reads a thread's buffer from where it left off.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    chunk: Option<NonNull<Chunk>>,
    /// The next word to read.
    position: usize,
    /// Restarts of `chunk` that were seen.
    restarts: u64,
    /// Words read so far.
    read: u64,
    /// Losses passed on so far.
    losses: Losses,
    /// How far the buffer was written when the last drain stopped at a later event; 0 where it did not.
    waited: usize,
    /// Words that were passed over since they are no events.
    pub(crate) unreadable: u64,
    /// Whether what is drained stays where it is until [`Reader::settle`]. Otherwise each chunk is given back as soon as it is read: at a flood the writer
    /// needs it long before the drain is over.
    pub(crate) keeps: bool,
    /// Chunks that were read to their end and not yet given back.
    passed: Vec<FreeChunk>,
}

/// Losses of a thread that were passed on so far, by [`Lost`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Losses(pub(crate) [u64; Lost::COUNT]);

impl Losses {
    /// Passes on what `total` is beyond what is known.
    pub(crate) fn report(&mut self, what: Lost, total: u64, ticks: u64, take: &mut impl FnMut(u64, Event<'_>)) {
        let known = &mut self.0[what as usize];
        if total > *known {
            take(ticks, Event::Lost { what, count: total - *known });
            *known = total;
        }
    }
}

// SAFETY: the chunk belongs to the buffer that this reader alone reads.
unsafe impl Send for Reader {}

/// How far a buffer had been written when it was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Snapshot {
    cursor: usize,
    lost: [u64; Lost::COUNT],
    /// Whether the thread had ended: then this is all there ever will be.
    pub(crate) ended: bool,
}

impl Reader {
    /// How far `buffer` is written now.
    pub(crate) fn snapshot(&mut self, buffer: &Buffer) -> Snapshot {
        // Before the position, so that an end that is seen covers all that was written; losses likewise, so that those counted
        // here are not older than what is read: what was told in the chunks meanwhile is not told twice.
        let ended = buffer.ended.load(Acquire);
        let lost = std::array::from_fn(|index| buffer.lost[index].load(Acquire));
        if self.chunk.is_none() {
            self.chunk = NonNull::new(buffer.first.load(Acquire));
            self.position = self.chunk.map_or(0, |chunk| chunk::start(chunk) as usize);
        }
        let Some(chunk) = self.chunk else { return Snapshot { cursor: 0, lost, ended } };
        // SAFETY: the chunk stays ours to read until `drain` has followed its `next`.
        let header = unsafe { chunk.as_ref() };
        loop {
            let restarts = header.restarts.load(Acquire);
            let cursor = buffer.cursor.load(Acquire) as usize;
            if header.restarts.load(Acquire) != restarts {
                continue;
            }
            if restarts != self.restarts {
                // The owner found everything read and started over.
                self.restarts = restarts;
                self.position = chunk::start(chunk) as usize;
            }
            return Snapshot { cursor, lost, ended };
        }
    }

    /// Hands everything up to `snapshot` to `take` with its ticks, but nothing from the first event on that is later than `until`, and reports losses; says
    /// whether that was all. `now` stamps losses that were not yet written down. [`Reader::settle`] follows.
    ///
    /// Buffers are looked at one after the other. With ticks that were read before the first of them, a drain has all events of all threads up to one
    /// instant, none without what it followed from: no child before its parent, no end before its begin.
    pub(crate) fn drain(
        &mut self,
        snapshot: Snapshot,
        until: u64,
        now: u64,
        mut take: impl FnMut(u64, Event<'_>),
    ) -> bool {
        // What was there when the last drain stopped was waited for once, and is not again, whatever its ticks are. What came since is.
        let mut waited = std::mem::take(&mut self.waited);
        while let Some(chunk) = self.chunk {
            let within = chunk::start(chunk) as usize..=chunk::limit(chunk) as usize;
            let (end, next) = if within.contains(&snapshot.cursor) {
                (snapshot.cursor, None)
            } else {
                // SAFETY: as in `snapshot`.
                let header = unsafe { chunk.as_ref() };
                let next = NonNull::new(header.next.load(Acquire)).expect("the writer went on from this chunk");
                (header.end.load(Relaxed) as usize, Some(next))
            };
            let waited_here = match waited {
                0 => self.position,
                at if within.contains(&at) => {
                    waited = 0;
                    at
                }
                _ => end,
            };
            if !(self.read_to(waited_here, u64::MAX, &mut take) && self.read_to(end, until, &mut take)) {
                self.waited = snapshot.cursor;
                return false;
            }
            let Some(next) = next else { break };
            self.chunk = Some(next);
            self.position = chunk::start(next) as usize;
            self.restarts = 0;
            // The writer went on to `next` and never comes back; nobody else knows the chunk.
            let passed = FreeChunk(chunk);
            if self.keeps { self.passed.push(passed) } else { chunk::give(passed) }
        }
        for what in Lost::ALL {
            self.losses.report(what, snapshot.lost[what as usize], now, &mut take);
        }
        true
    }

    /// Gives back the chunks that were read, and lets the owner start its own over: nothing that was drained will be asked for again.
    pub(crate) fn settle(&mut self, buffer: &Buffer) {
        self.passed.drain(..).for_each(chunk::give);
        buffer.drained.store(self.read, Release);
    }

    /// Where the next event will stand, and what was lost before it.
    pub(crate) fn position(&self) -> (Position, [u64; Lost::COUNT]) {
        let position = match self.chunk {
            None => Position::First,
            Some(chunk) => match chunk::number(chunk) {
                Some(number) => {
                    let words = ((self.position - chunk::start(chunk) as usize) / 8) as u32;
                    Position::Chunk { number, words, restarts: self.restarts }
                }
                None => Position::Elsewhere,
            },
        };
        (position, self.losses.0)
    }

    /// Gives the chunk of an ended thread back. Nothing may be read afterwards.
    pub(crate) fn release(&mut self, buffer: &Buffer) {
        buffer.first.store(std::ptr::null_mut(), Relaxed);
        if let Some(chunk) = self.chunk.take() {
            chunk::give(FreeChunk(chunk));
        }
    }

    /// Reads up to `end`, or to an event later than `until`; says whether there was none.
    fn read_to(&mut self, end: usize, until: u64, take: &mut impl FnMut(u64, Event<'_>)) -> bool {
        let bytes = end.saturating_sub(self.position);
        if bytes == 0 {
            return true;
        }
        #[cfg(all(test, loom))]
        crate::sync::read(self.chunk, self.position, end);
        // SAFETY: the words between the reader's position and a published one are initialized, aligned, within one chunk, and not
        // written again until this reader has passed them (module `buffer`).
        let words = unsafe { std::slice::from_raw_parts(self.position as *const u64, bytes / 8) };
        // A writer that a signal handler interrupted which records itself may have left half an event: what follows it in the chunk is passed over.
        let stop = read_until(words, until, &mut self.losses, take);
        let (later, passed) = match stop {
            Stop::Later(left) => (true, words.len() - left),
            Stop::End => (false, words.len()),
            Stop::Broken(left) => {
                self.unreadable += left as u64;
                (false, words.len())
            }
        };
        self.read += passed as u64;
        self.position += passed * 8;
        !later
    }
}

/// What ended the reading of words.
enum Stop {
    /// Nothing was left.
    End,
    /// What is no event, or not whole, so many words before the end.
    Broken(usize),
    /// An event later than asked for, so many words before the end.
    Later(usize),
}

/// Hands the events in `words` to `take`, with their ticks. What is no event, or not whole, ends them; says whether nothing was.
pub(crate) fn read(words: &[u64], losses: &mut Losses, take: &mut impl FnMut(u64, Event<'_>)) -> bool {
    matches!(read_until(words, u64::MAX, losses, take), Stop::End)
}

/// As [`read`], up to the first event later than `until`.
fn read_until(words: &[u64], until: u64, losses: &mut Losses, take: &mut impl FnMut(u64, Event<'_>)) -> Stop {
    let mut rest = words;
    while let [first, after @ ..] = rest {
        let ticks = first >> TAG_BITS;
        if ticks > until {
            return Stop::Later(rest.len());
        }
        // Never more words than there are: a writer interrupted by a signal handler that records may have left half an event.
        rest = match (first & TAG_MASK, after) {
            (SPAN_END, _) => {
                take(ticks, Event::End);
                after
            }
            (SPAN_BEGIN, [site, after @ ..]) => {
                take(ticks, Event::Begin { site: *site as u32, fields: Raw::default() });
                after
            }
            (SPAN_BEGIN_ARGS, [head, after @ ..]) => {
                let Some((fields, after)) = args(*head, after) else { return Stop::Broken(rest.len()) };
                take(ticks, Event::Begin { site: *head as u32, fields });
                after
            }
            (LOG, [site, after @ ..]) => {
                take(ticks, Event::Log { site: *site as u32, args: Raw::default() });
                after
            }
            (LOG_ARGS, [head, after @ ..]) => {
                let Some((args, after)) = args(*head, after) else { return Stop::Broken(rest.len()) };
                take(ticks, Event::Log { site: *head as u32, args });
                after
            }
            (tag @ (INTEGER | FLOAT), [head, after @ ..]) => {
                let code = if tag == INTEGER { Arg::I64(0).code() } else { Arg::F64(0.0).code() };
                let Some((args, after)) = Raw::take(1, u64::from(code), after) else { return Stop::Broken(rest.len()) };
                take(ticks, Event::Metric { site: *head as u32, properties: (head >> 32) as u32, args });
                after
            }
            (METRIC_ARGS, [head, after @ ..]) => {
                let Some((args, after)) = args(*head, after) else { return Stop::Broken(rest.len()) };
                take(ticks, Event::Metric { site: *head as u32, properties: 0, args });
                after
            }
            (ASYNC_BEGIN, [site, id, parent, after @ ..]) => {
                let (site, id, parent) = (*site as u32, *id, *parent);
                take(ticks, Event::AsyncBegin { site, id, parent, fields: Raw::default() });
                after
            }
            (ASYNC_BEGIN_ARGS, [head, id, parent, after @ ..]) => {
                let Some((fields, after)) = args(*head, after) else { return Stop::Broken(rest.len()) };
                take(ticks, Event::AsyncBegin { site: *head as u32, id: *id, parent: *parent, fields });
                after
            }
            (ASYNC_END, [id, after @ ..]) => {
                take(ticks, Event::AsyncEnd { id: *id, fields: None });
                after
            }
            (ASYNC_END_ARGS, [head, id, after @ ..]) => {
                let Some((fields, after)) = args(*head, after) else { return Stop::Broken(rest.len()) };
                take(ticks, Event::AsyncEnd { id: *id, fields: Some(fields) });
                after
            }
            (FRAME, _) => {
                take(ticks, Event::Frame);
                after
            }
            (LOST, [word, after @ ..]) => {
                if let Some(what) = Lost::from_word(*word) {
                    losses.report(what, word >> 8, ticks, take);
                }
                after
            }
            _ => return Stop::Broken(rest.len()),
        };
    }
    Stop::End
}

/// The arguments behind word 1 of an event, and what follows them.
#[inline]
fn args(head: u64, words: &[u64]) -> Option<(Raw<'_>, &[u64])> {
    let (codes, words) = words.split_first()?;
    Raw::take((head >> 32) as usize, *codes, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    /// Lets the writer end also where the reader panics.
    struct Turn<'a>(&'a AtomicUsize);

    impl Drop for Turn<'_> {
        fn drop(&mut self) {
            self.0.store(usize::MAX, Release);
        }
    }

    #[test]
    fn a_reader_that_finds_the_first_chunk_finds_a_position_in_it() {
        let _one = crate::RECORDS.lock();
        chunk::set_budget(1024 * 1024);
        // Miri switches threads by chance, and takes a thousand times as long.
        let rounds = if cfg!(miri) { 50 } else { 5_000 };
        let buffers: Vec<Buffer> = (0..rounds).map(|number| Buffer::new(String::new(), number)).collect();
        let turn = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let turn = Turn(&turn);
            let begun = turn.0;
            scope.spawn(|| {
                for (index, buffer) in buffers.iter().enumerate() {
                    while begun.load(Acquire) <= index {
                        std::hint::spin_loop();
                    }
                    buffer.next_chunk();
                }
            });
            for (index, buffer) in buffers.iter().enumerate() {
                turn.0.store(index + 1, Release);
                let mut reader = Reader::default();
                while reader.chunk.is_none() {
                    let snapshot = reader.snapshot(buffer);
                    reader.drain(snapshot, u64::MAX, 0, |_, _| panic!("nothing was recorded"));
                }
                reader.release(buffer);
            }
        });
    }

    /// Writes marks of frames with these ticks.
    fn record(buffer: &Buffer, ticks: impl IntoIterator<Item = u64>) {
        for ticks in ticks {
            let cursor = buffer.make_room(1).expect("a chunk");
            // SAFETY: `make_room` said so.
            unsafe {
                cursor.write(ticks << TAG_BITS | FRAME);
                buffer.publish(cursor.add(1));
            }
        }
    }

    #[test]
    fn a_drain_ends_at_the_instant_asked_for_and_the_next_one_goes_on_there() {
        let _one = crate::RECORDS.lock();
        chunk::set_budget(1024 * 1024);
        let buffer = Buffer::new(String::new(), 1);
        let mut reader = Reader::default();
        let mut drain = |until| {
            let mut found = Vec::new();
            let snapshot = reader.snapshot(&buffer);
            let all = reader.drain(snapshot, until, 0, |ticks, _| found.push(ticks));
            reader.settle(&buffer);
            (found, all)
        };
        record(&buffer, [10, 20, 30]);
        assert_eq!(drain(5), (vec![], false));
        record(&buffer, [40]);
        // Whatever its clock says, an event is waited for once.
        assert_eq!(drain(5), (vec![10, 20, 30], false));
        assert_eq!(drain(5), (vec![40], true));
        record(&buffer, [50, 60]);
        assert_eq!(drain(50), (vec![50], false));
        // Those that came since then have not been waited for, however busy the thread is.
        record(&buffer, [61, 62]);
        assert_eq!(drain(61), (vec![60, 61], false));
        assert_eq!(drain(61), (vec![62], true));
        // Beyond a chunk, too.
        record(&buffer, 0..20_000);
        let (found, all) = drain(10_000);
        assert!(found.into_iter().eq(0..=10_000) && !all);
        record(&buffer, 20_000..50_000);
        let (found, all) = drain(30_000);
        assert!(found.into_iter().eq(10_001..=30_000) && !all);
        assert!(drain(0).0.into_iter().eq(30_001..50_000));
        assert_eq!(drain(0), (vec![], true));
        reader.release(&buffer);
    }

    #[test]
    fn a_chunk_is_given_back_when_it_was_read_or_kept_until_that_is_settled() {
        let _one = crate::RECORDS.lock();
        chunk::set_budget(1024 * 1024);
        for keeps in [false, true] {
            let buffer = Buffer::new(String::new(), 1);
            let mut reader = Reader { keeps, ..Reader::default() };
            record(&buffer, 0..chunk::CHUNK_WORDS as u64 + 1);
            let before = chunk::count_free();
            let snapshot = reader.snapshot(&buffer);
            let mut free = 0;
            assert!(reader.drain(snapshot, u64::MAX, 0, |_, _| free = chunk::count_free()));
            assert_eq!(free, if keeps { before } else { before + 1 });
            reader.settle(&buffer);
            assert_eq!(chunk::count_free(), before + 1);
            reader.release(&buffer);
        }
    }

    #[test]
    fn half_an_event_is_passed_over_with_what_follows_it_and_counted() {
        let _one = crate::RECORDS.lock();
        chunk::set_budget(1024 * 1024);
        let buffer = Buffer::new(String::new(), 1);
        let mut reader = Reader::default();
        let mut drain = || {
            let mut found = Vec::new();
            let snapshot = reader.snapshot(&buffer);
            assert!(reader.drain(snapshot, u64::MAX, 0, |ticks, _| found.push(ticks)));
            reader.settle(&buffer);
            (found, std::mem::take(&mut reader.unreadable))
        };
        record(&buffer, [1, 2]);
        let cursor = buffer.make_room(1).expect("a chunk");
        // SAFETY: `make_room` said so.
        unsafe {
            cursor.write(3 << TAG_BITS | TAG_MASK);
            buffer.publish(cursor.add(1));
        }
        record(&buffer, [4]);
        assert_eq!(drain(), (vec![1, 2], 2));
        record(&buffer, [5]);
        assert_eq!(drain(), (vec![5], 0));
        reader.release(&buffer);
    }
}
