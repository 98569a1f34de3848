//! Raw events to payloads. Used by the SDK's background thread: an encoder per stream, filled event by event, sealed at a drain.
//!
//! Encoders keep their allocations from block to block. Call sites are known to them by a number that is dense in the
//! process ([`SiteId`]); only the sites that a block uses go into its payload.

use crate::{Block, BlockId, ProcessId, StreamId, StreamKind, TimeSample};

/// A call site's number, dense in the process from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(pub u32);

/// A property set's number, dense in the process from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PropertiesId(pub u32);

/// A thread's number in the process, dense from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId(pub u32);

/// What stands in the source where an event is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallSite<'a> {
    /// Span or metric name; for a log line its format string.
    pub name: &'a str,
    /// The module or the target given.
    pub target: &'a str,
    /// The source file.
    pub file: &'a str,
    /// The line in the file.
    pub line: u32,
    /// Log level: 1 fatal, 2 error, 3 warn, 4 info, 5 debug, 6 trace; 0 where it has none.
    pub level: u8,
    /// A metric's unit, as UCUM or a plain word (`ns`, `By`, `1`).
    pub unit: &'a str,
}

/// Looks up what the numbers stand for, when a block is sealed.
pub trait Dictionary {
    /// The call site of that number.
    fn site(&self, id: SiteId) -> CallSite<'_>;
    /// The key-value pairs of that number, sorted by key.
    fn properties(&self, id: PropertiesId) -> &[(String, String)];
    /// Name and operating-system number of that thread.
    fn thread(&self, id: ThreadId) -> (&str, u64);
}

/// Who and when, for the header of a block.
#[derive(Clone, Debug)]
pub struct Seal<'a> {
    /// The process.
    pub process_id: ProcessId,
    /// The stream.
    pub stream_id: StreamId,
    /// The stream's kind.
    pub kind: StreamKind,
    /// The thread, for span streams.
    pub thread: Option<ThreadId>,
    /// See [`crate::Header::clock_domain`].
    pub clock_domain: &'a str,
    /// The block's id.
    pub block_id: BlockId,
    /// See [`crate::Header::sequence`].
    pub sequence: u64,
    /// See [`crate::Header::dropped_total`].
    pub dropped_total: u64,
    /// See [`crate::Header::anchor_ns`].
    pub anchor_ns: i64,
    /// The sample at the drain before.
    pub begin: TimeSample,
    /// The sample at this drain.
    pub end: TimeSample,
}

/// Encodes the spans of one thread.
///
/// Knows the stack of open spans from block to block: each block begins with those open at its begin (call site, begin time,
/// ordinal, time of ended children so far), so that it decodes alone.
#[derive(Debug, Default)]
pub struct SpanEncoder {}

impl SpanEncoder {
    /// An encoder for a new stream: no span open, the first ordinal 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// A span begins. Beyond [`crate::limits::SPAN_DEPTH_MAX`] it is counted as dropped, and so must its end be swallowed:
    /// the encoder keeps that count itself.
    #[inline]
    pub fn begin(&mut self, _site: SiteId, _ticks: u64) {
        todo!()
    }
    /// The innermost open span ends. With none open it is ignored.
    #[inline]
    pub fn end(&mut self, _ticks: u64) {
        todo!()
    }
    /// The innermost `count` open spans lost their ends: they end here, flagged truncated.
    pub fn end_truncated(&mut self, _count: usize, _ticks: u64) {
        todo!()
    }
    /// `count` spans were dropped here, begin and end: their ordinals are used up.
    pub fn dropped(&mut self, _count: u64) {
        todo!()
    }
    /// Spans open now.
    #[must_use]
    pub fn depth(&self) -> usize {
        todo!()
    }
    /// Recorded events since the last seal.
    #[must_use]
    pub fn event_count(&self) -> usize {
        todo!()
    }
    /// Whether sealing would say anything: events or drops since the last seal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        todo!()
    }
    /// Whether a block should be sealed now, so that payload, decoded size and event count stay within [`crate::limits`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        todo!()
    }
    /// The block of what was recorded since the last seal. Spans open now stay open and begin the next block.
    pub fn seal(&mut self, _seal: &Seal<'_>, _dictionary: &impl Dictionary) -> Block {
        todo!()
    }
}

/// Encodes the log lines of a process.
#[derive(Debug, Default)]
pub struct LogEncoder {}

impl LogEncoder {
    /// An encoder for a new stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// A line. `message` is its text where arguments were formatted; `None` is the call site's own text.
    pub fn push(&mut self, _site: SiteId, _thread: ThreadId, _ticks: u64, _message: Option<&str>) {
        todo!()
    }
    /// `count` lines were dropped here.
    pub fn dropped(&mut self, _count: u64) {
        todo!()
    }
    /// As [`SpanEncoder::event_count`].
    #[must_use]
    pub fn event_count(&self) -> usize {
        todo!()
    }
    /// As [`SpanEncoder::is_empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        todo!()
    }
    /// As [`SpanEncoder::is_full`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        todo!()
    }
    /// As [`SpanEncoder::seal`].
    pub fn seal(&mut self, _seal: &Seal<'_>, _dictionary: &impl Dictionary) -> Block {
        todo!()
    }
}

/// A metric's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
}

/// Encodes the metrics of a process.
#[derive(Debug, Default)]
pub struct MetricEncoder {}

impl MetricEncoder {
    /// An encoder for a new stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// A measurement.
    pub fn push(
        &mut self,
        _site: SiteId,
        _thread: ThreadId,
        _ticks: u64,
        _value: Value,
        _properties: Option<PropertiesId>,
    ) {
        todo!()
    }
    /// `count` measurements were dropped here.
    pub fn dropped(&mut self, _count: u64) {
        todo!()
    }
    /// As [`SpanEncoder::event_count`].
    #[must_use]
    pub fn event_count(&self) -> usize {
        todo!()
    }
    /// As [`SpanEncoder::is_empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        todo!()
    }
    /// As [`SpanEncoder::is_full`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        todo!()
    }
    /// As [`SpanEncoder::seal`].
    pub fn seal(&mut self, _seal: &Seal<'_>, _dictionary: &impl Dictionary) -> Block {
        todo!()
    }
}

/// Encodes the frame marks of a process. A frame lasts from one mark to the next; its row and ordinal are given as a span's
/// are: the ordinal at its begin, the row in the block that holds its end. The block carries the begin of the frame open at its begin.
#[derive(Debug, Default)]
pub struct FrameEncoder {}

impl FrameEncoder {
    /// An encoder for a new stream: no frame open.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// A mark: the open frame ends, the next begins.
    pub fn mark(&mut self, _ticks: u64) {
        todo!()
    }
    /// `count` marks were dropped here: the open frame is lost with them, and the next mark begins a new one.
    pub fn dropped(&mut self, _count: u64) {
        todo!()
    }
    /// As [`SpanEncoder::event_count`].
    #[must_use]
    pub fn event_count(&self) -> usize {
        todo!()
    }
    /// As [`SpanEncoder::is_empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        todo!()
    }
    /// As [`SpanEncoder::is_full`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        todo!()
    }
    /// As [`SpanEncoder::seal`].
    pub fn seal(&mut self, _seal: &Seal<'_>, _dictionary: &impl Dictionary) -> Block {
        todo!()
    }
}
