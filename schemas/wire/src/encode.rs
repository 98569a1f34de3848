//! Raw events to payloads. Used by the SDK's background thread: an encoder per stream, filled event by event, sealed at a drain.
//!
//! Encoders keep their allocations from block to block. Call sites are known to them by a number that is dense in the
//! process ([`SiteId`]); only the sites that a block uses go into its payload.
//!
//! Ask `is_full` after each event and seal when it says so: then no block exceeds [`crate::limits`], whatever the events hold. It
//! assumes that nothing compresses. Strings beyond [`crate::limits::STRING_BYTES_MAX`] are cut at a character boundary; where the names of a
//! block's call sites, threads and properties are too long in sum (160 KiB), the longest of them are cut further.

mod asyncs;
mod attachments;
mod core;
mod frames;
mod logs;
mod metrics;
mod saved;
mod spans;

use crate::{BlockId, ProcessId, StreamId, StreamKind, TimeSample};
pub use asyncs::{ASYNC_OPEN_MAX, AsyncEncoder};
pub use attachments::{Attachment, AttachmentEncoder};
pub use frames::FrameEncoder;
pub use logs::LogEncoder;
pub use metrics::{MetricEncoder, Value};
pub use saved::{Known, Saved};
pub use spans::SpanEncoder;

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
    /// The names of the arguments that events of this site carry; empty for those without a name. A metric's first is its value.
    pub args: &'a [String],
    /// How a log line's message is made of its arguments (see [`crate::template`]); empty where `name` says so.
    pub template: &'a str,
    /// Whether the first argument is the name of a span, given at run time.
    pub named: bool,
    /// Whether the second argument says how many observations a measurement stands for.
    pub aggregated: bool,
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
