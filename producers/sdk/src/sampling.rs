//! Which spans are kept where only those of slow frames are to be.
//!
//! A frame is slow that took so many times the running median, or more; its spans are kept, and those of the frame before and the one after. A
//! thread's spans are kept or left out by whole trees, from a span around which there is none to the end of that, by the frames during which it ran, on
//! whatever thread those were marked. What cannot be told in time, or finds no room to wait, is kept.

use crate::event::{LOST, Lost, SPAN_BEGIN, SPAN_BEGIN_ARGS, SPAN_END, TAG_BITS, TAG_MASK};
use crate::reader::Event;
use framelake_wire::raw::Raw;
use std::collections::VecDeque;
use std::ops::Range;

/// Before so many frames nothing is known of what is usual, and all are kept: half a second of 60 a second.
const FRAMES_MIN: usize = 30;
/// The median is that of so many: 4 s of 60 a second, so that it follows a change of scene. Odd, so that one of them is in the middle.
const FRAMES_MAX: usize = 255;
/// Slow stretches that are remembered, for trees that began before them: 1,024 × 16 B = 16 KiB.
const KEPT_MAX: usize = 1_024;
/// A tree waits for its frames for so long at most: a frame that goes on is slow long before.
const HELD_NS_MAX: i64 = 5_000_000_000;
/// Words that a thread which has nothing waiting holds on to: 64 KiB.
const IDLE_WORDS_MAX: usize = 8 * 1024;

/// What is to become of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Keep,
    Leave,
    /// The frames during which it ran are not known yet.
    Wait,
}

/// The frames so far, as far as trees depend on them. Marks and trees are in ticks.
#[derive(Debug)]
pub(crate) struct Frames {
    factor: f64,
    /// Lengths of the last frames, in their order and by length.
    recent: VecDeque<u64>,
    sorted: Vec<u64>,
    /// Where the frame that has not ended began; `None` before the first mark.
    open: Option<u64>,
    /// Where the one before it began.
    before: u64,
    /// The frame that has not ended is kept, however long it takes.
    keeps_open: bool,
    /// Where it is known what is kept.
    decided_to: u64,
    /// What is, in order and apart.
    kept: VecDeque<Range<u64>>,
    /// What was kept before here is not known any more.
    forgotten_to: u64,
}

impl Frames {
    /// No frames yet. Those are slow that take `factor` medians.
    pub(crate) fn new(factor: f64) -> Self {
        Self {
            factor,
            recent: VecDeque::new(),
            sorted: Vec::new(),
            open: None,
            before: 0,
            keeps_open: false,
            decided_to: 0,
            kept: VecDeque::new(),
            forgotten_to: 0,
        }
    }

    /// A frame ends, and the next begins. A mark older than the last, as of another thread that was drained later, says nothing.
    pub(crate) fn mark(&mut self, ticks: u64) {
        let Some(begin) = self.open else {
            // What was before all frames belongs to none.
            self.keep(0..ticks);
            (self.open, self.before, self.decided_to) = (Some(ticks), ticks, ticks);
            self.keeps_open = true;
            return;
        };
        if ticks <= begin {
            return;
        }
        let is_slow = self.is_slow(ticks - begin);
        if is_slow {
            self.keep(self.before..ticks);
        } else if self.keeps_open {
            self.keep(begin..ticks);
        }
        // Otherwise the next frame may be slow, and this one is before it.
        self.decided_to = if is_slow || self.keeps_open { ticks } else { begin };
        (self.open, self.before, self.keeps_open) = (Some(ticks), begin, is_slow);
        self.learn(ticks - begin);
    }

    /// It is `now` at least: a frame that has not ended may be slow already.
    pub(crate) fn watch(&mut self, now: u64) {
        if let Some(begin) = self.open
            && !self.keeps_open
            && self.is_slow(now.saturating_sub(begin))
        {
            self.keep(self.before..begin);
            self.keeps_open = true;
        }
    }

    /// What is to become of a tree that began at `begin` and ended at `end`, or has not ended by `seen`.
    pub(crate) fn verdict(&self, begin: u64, end: Option<u64>, seen: u64) -> Verdict {
        let Some(open) = self.open else { return Verdict::Keep };
        let last = end.unwrap_or(seen);
        if begin < self.forgotten_to || (self.keeps_open && last >= open) {
            return Verdict::Keep;
        }
        let after = self.kept.partition_point(|kept| kept.end <= begin);
        if self.kept.get(after).is_some_and(|kept| kept.start <= last) {
            return Verdict::Keep;
        }
        if end.is_some_and(|end| end < self.decided_to) { Verdict::Leave } else { Verdict::Wait }
    }

    fn is_slow(&self, length: u64) -> bool {
        self.sorted.len() < FRAMES_MIN || length as f64 >= self.factor * self.sorted[self.sorted.len() / 2] as f64
    }

    fn learn(&mut self, length: u64) {
        if self.recent.len() == FRAMES_MAX
            && let Some(oldest) = self.recent.pop_front()
            && let Ok(at) = self.sorted.binary_search(&oldest)
        {
            self.sorted.remove(at);
        }
        self.recent.push_back(length);
        let at = self.sorted.partition_point(|known| *known < length);
        self.sorted.insert(at, length);
    }

    fn keep(&mut self, frames: Range<u64>) {
        if let Some(last) = self.kept.back_mut()
            && frames.start <= last.end
        {
            last.end = frames.end;
            return;
        }
        if self.kept.len() == KEPT_MAX
            && let Some(oldest) = self.kept.pop_front()
        {
            self.forgotten_to = oldest.end;
        }
        self.kept.push_back(frames);
    }
}

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Sampling {
    pub(crate) frames: Frames,
    /// Words that wait, of all threads, and the most that may.
    words: usize,
    words_max: usize,
    /// When what is drained now is drained, in nanoseconds of the monotonic clock.
    pub(crate) now_ns: i64,
    /// Spans left out so far.
    pub(crate) left_out: u64,
}

impl Sampling {
    pub(crate) fn new(factor: f64, bytes_max: usize) -> Self {
        Self { frames: Frames::new(factor), words: 0, words_max: bytes_max / 8, now_ns: 0, left_out: 0 }
    }
}

/// What was decided, in the order in which it was recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decided<'a> {
    Kept(u64, Event<'a>),
    /// So many spans, begin and end: their ordinals are used up.
    LeftOut(u64),
}

/// The trees of one thread that wait.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    /// Their events, as in a chunk, from `read` on.
    words: Vec<u64>,
    read: usize,
    trees: VecDeque<Tree>,
    /// Spans open.
    depth: u64,
    /// The ticks of the last event.
    seen: u64,
}

#[derive(Debug)]
struct Tree {
    begin: u64,
    end: Option<u64>,
    since_ns: i64,
    words: usize,
    spans: u64,
    /// Spans lost while it was recorded, or right after.
    lost: u64,
}

impl Staged {
    /// Spans open.
    pub(crate) fn depth(&self) -> u64 {
        self.depth
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.trees.is_empty()
    }

    /// Takes an event of a span, and hands on what that decides.
    pub(crate) fn add(
        &mut self,
        ticks: u64,
        event: Event<'_>,
        sampling: &mut Sampling,
        take: &mut impl FnMut(Decided<'_>),
    ) {
        self.seen = ticks;
        let outside = self.depth == 0;
        match event {
            Event::Begin { .. } => self.depth += 1,
            // Of a span that began before recording did.
            Event::End | Event::Lost { what: Lost::Ends, .. } if outside => return,
            Event::End => self.depth -= 1,
            Event::Lost { what: Lost::Ends, count } => self.depth = self.depth.saturating_sub(count),
            _ => {}
        }
        let begins = outside && self.depth > 0;
        // Where nothing waits, what is inside a tree is inside one that is kept.
        if self.trees.is_empty() && (!begins || sampling.frames.verdict(ticks, None, ticks) == Verdict::Keep) {
            return take(Decided::Kept(ticks, event));
        }
        if begins {
            let since_ns = sampling.now_ns;
            self.trees.push_back(Tree { begin: ticks, end: None, since_ns, words: 0, spans: 0, lost: 0 });
        }
        self.stage(ticks, event, sampling);
        if self.depth == 0 {
            self.settle(sampling, false, take);
        }
        while sampling.words > sampling.words_max && self.keep_first(sampling, take) {}
    }

    /// Hands on the trees that are decided, all of them where they can wait no longer.
    pub(crate) fn settle(&mut self, sampling: &mut Sampling, at_once: bool, take: &mut impl FnMut(Decided<'_>)) {
        while let Some(tree) = self.trees.front() {
            let is_over = at_once || sampling.now_ns.saturating_sub(tree.since_ns) >= HELD_NS_MAX;
            match sampling.frames.verdict(tree.begin, tree.end, self.seen) {
                Verdict::Leave => self.leave_first(sampling, take),
                Verdict::Wait if !is_over => break,
                Verdict::Keep | Verdict::Wait => drop(self.keep_first(sampling, take)),
            }
        }
    }

    fn stage(&mut self, ticks: u64, event: Event<'_>, sampling: &mut Sampling) {
        let tree = self.trees.back_mut().expect("a tree was begun");
        let before = self.words.len();
        let head = |tag| ticks << TAG_BITS | tag;
        match event {
            Event::Begin { site, fields } => {
                tree.spans += 1;
                if fields.count() == 0 {
                    self.words.extend([head(SPAN_BEGIN), u64::from(site)]);
                } else {
                    let count = (fields.count() as u64) << 32;
                    self.words.extend([head(SPAN_BEGIN_ARGS), count | u64::from(site), fields.codes()]);
                    self.words.extend_from_slice(fields.words());
                }
            }
            Event::End => self.words.push(head(SPAN_END)),
            Event::Lost { what, count } => {
                if what == Lost::Spans {
                    tree.lost += count;
                }
                self.words.extend([head(LOST), count << 8 | what as u64]);
            }
            _ => unreachable!("only spans wait for frames"),
        }
        if self.depth == 0 && tree.end.is_none() {
            tree.end = Some(ticks);
        }
        let words = self.words.len() - before;
        tree.words += words;
        sampling.words += words;
    }

    /// Hands the oldest tree on; `false` when there is none.
    fn keep_first(&mut self, sampling: &mut Sampling, take: &mut impl FnMut(Decided<'_>)) -> bool {
        let Some(tree) = self.trees.pop_front() else { return false };
        let mut rest = &self.words[self.read..self.read + tree.words];
        while let Some((ticks, event, after)) = next(rest) {
            take(Decided::Kept(ticks, event));
            rest = after;
        }
        self.forget(&tree, sampling);
        true
    }

    fn leave_first(&mut self, sampling: &mut Sampling, take: &mut impl FnMut(Decided<'_>)) {
        let Some(tree) = self.trees.pop_front() else { return };
        take(Decided::LeftOut(tree.spans));
        if tree.lost > 0 {
            take(Decided::Kept(tree.begin, Event::Lost { what: Lost::Spans, count: tree.lost }));
        }
        sampling.left_out += tree.spans;
        self.forget(&tree, sampling);
    }

    fn forget(&mut self, tree: &Tree, sampling: &mut Sampling) {
        self.read += tree.words;
        sampling.words -= tree.words;
        if self.trees.is_empty() {
            self.words.clear();
            self.words.shrink_to(IDLE_WORDS_MAX);
            self.read = 0;
        } else if self.read > self.words.len() / 2 {
            // Each word is moved once for each that goes.
            self.words.drain(..self.read);
            self.read = 0;
        }
    }
}

/// The first event of `words`, as [`Staged::stage`] wrote it, and what follows.
fn next(words: &[u64]) -> Option<(u64, Event<'_>, &[u64])> {
    let (head, after) = words.split_first()?;
    let ticks = head >> TAG_BITS;
    let (event, after) = match (head & TAG_MASK, after) {
        (SPAN_BEGIN, [site, after @ ..]) => (Event::Begin { site: *site as u32, fields: Raw::default() }, after),
        (SPAN_BEGIN_ARGS, [site, codes, after @ ..]) => {
            let (fields, after) = Raw::take((site >> 32) as usize, *codes, after).expect("as they were staged");
            (Event::Begin { site: *site as u32, fields }, after)
        }
        (LOST, [word, after @ ..]) => {
            let what = Lost::from_word(*word).expect("as it was staged");
            (Event::Lost { what, count: word >> 8 }, after)
        }
        _ => (Event::End, after),
    };
    Some((ticks, event, after))
}

#[cfg(test)]
mod tests;
