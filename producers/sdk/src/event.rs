//! How an event lies in a chunk: whole words.
//!
//! Word 0 is the ticks shifted left by four, with the tag below (60 bits of a 5 GHz counter last seven years). Word 1, where the event has one, has the
//! call site's number in its lower half. Where an event has arguments their number is in the upper half of word 1; then come their codes in one word
//! and the arguments themselves, as [`framelake_wire::raw`] has them.

/// A span ends: one word.
pub(crate) const SPAN_END: u64 = 0;
/// A span begins: word 1 is the site.
pub(crate) const SPAN_BEGIN: u64 = 1;
/// A log line without arguments: word 1 is the site.
pub(crate) const LOG: u64 = 2;
/// A log line with arguments.
pub(crate) const LOG_ARGS: u64 = 3;
/// An integer: word 1 is the site and, in the upper half, the property set; word 2 the value.
pub(crate) const INTEGER: u64 = 4;
/// A float, as an integer but for the value's bits.
pub(crate) const FLOAT: u64 = 5;
/// A frame mark: one word.
pub(crate) const FRAME: u64 = 6;
/// Events were lost here: word 1 is which ([`Lost`]) in its lowest byte, and above it how many in this thread so far.
pub(crate) const LOST: u64 = 7;
/// A span begins, with fields.
pub(crate) const SPAN_BEGIN_ARGS: u64 = 8;
/// A measurement with tags: the first argument is its value.
pub(crate) const METRIC_ARGS: u64 = 9;
/// An async span begins: word 1 is the site, word 2 its number in the process, word 3 that of the span around it, 0 where there is none.
pub(crate) const ASYNC_BEGIN: u64 = 10;
/// An async span begins, with fields behind word 3.
pub(crate) const ASYNC_BEGIN_ARGS: u64 = 11;
/// An async span ends: word 1 is its number.
pub(crate) const ASYNC_END: u64 = 12;
/// An async span ends and has these fields from now on: word 1 has no site, word 2 is its number.
pub(crate) const ASYNC_END_ARGS: u64 = 13;

/// Bits of the tag.
pub(crate) const TAG_BITS: u32 = 4;
/// Masks the tag.
pub(crate) const TAG_MASK: u64 = (1 << TAG_BITS) - 1;

/// What can be lost when a thread finds no room, or a `Display` panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Lost {
    /// Spans, begin and end.
    Spans = 0,
    /// Ends of spans whose begins were recorded.
    Ends = 1,
    /// Log lines.
    Logs = 2,
    /// Measurements.
    Metrics = 3,
    /// Frame marks.
    Frames = 4,
    /// Async spans, begin and end.
    Asyncs = 5,
    /// Ends of async spans whose begins were recorded: those spans stay open.
    AsyncEnds = 6,
}

impl Lost {
    /// How many sorts there are.
    pub(crate) const COUNT: usize = 7;
    /// In the order in which losses at one place are told: ends first, because they belong to spans begun before.
    pub(crate) const ALL: [Lost; Lost::COUNT] =
        [Lost::Ends, Lost::Spans, Lost::Logs, Lost::Metrics, Lost::Frames, Lost::AsyncEnds, Lost::Asyncs];

    pub(crate) fn from_word(word: u64) -> Option<Lost> {
        Lost::ALL.into_iter().find(|lost| *lost as u64 == word & 0xff)
    }
}
