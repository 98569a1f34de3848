//! Payloads to rows, column by column: one `Vec` per column, all of the same length.
//!
//! Decoding arbitrary bytes never panics, and allocates at most [`ALLOCATED_BYTES_MAX`], whatever sizes the bytes claim. A zstd frame that opens to
//! more than its limit is refused.

mod asyncs;
mod attachments;
mod frames;
mod logs;
mod metrics;
mod open;
mod spans;

pub use crate::columns::values::Args;
use crate::{Arg, Block, Error, Result, StreamKind, UnixNanos, limits, raw::ARGS_MAX, template::Template};

/// Most bytes that decoding a block allocates at once, on top of the block: three times [`limits::DECODED_BYTES_MAX`] (the opened payload; the texts, or parts of
/// attachments, copied out of it; tables and drops) and 64 bytes for each of [`limits::EVENTS_MAX`] events. 3 × 8 MiB + 64 × 256 Ki = 40 MiB.
pub const ALLOCATED_BYTES_MAX: usize = 3 * limits::DECODED_BYTES_MAX + 64 * limits::EVENTS_MAX;

/// A call site of a block; see [`crate::encode::CallSite`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallSite {
    /// Span or metric name; for a log line its format string.
    pub name: String,
    /// The module or the target given.
    pub target: String,
    /// The source file.
    pub file: String,
    /// The line in the file.
    pub line: u32,
    /// Log level, 1 fatal to 6 trace; 0 where it has none.
    pub level: u8,
    /// A metric's unit.
    pub unit: String,
    /// The names of its arguments; a metric's first is its value.
    pub args: Vec<String>,
    /// What they are, by [`crate::Arg::code`].
    pub codes: Vec<u8>,
    /// See [`crate::encode::CallSite::template`].
    pub template: String,
    /// See [`crate::encode::CallSite::named`].
    pub named: bool,
    /// See [`crate::encode::CallSite::aggregated`].
    pub aggregated: bool,
}

/// A thread of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// Its name; empty where it has none.
    pub name: String,
    /// The operating system's number.
    pub number: u64,
}

/// The spans that end in a block, in the order of their ends. Times are UTC nanoseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spans {
    /// The call sites that `site` and the open spans' `site` count in.
    pub sites: Vec<CallSite>,
    /// Index into `sites`.
    pub site: Vec<u32>,
    /// The span's ordinal in the stream.
    pub ordinal: Vec<u64>,
    /// The ordinal of the enclosing span; `None` at the top.
    pub parent: Vec<Option<u64>>,
    /// How many spans enclose it: 0 at the top.
    pub depth: Vec<u32>,
    /// When it began.
    pub begin: Vec<UnixNanos>,
    /// When it ended; never before `begin`.
    pub end: Vec<UnixNanos>,
    /// `end − begin` less the durations of its direct children, in nanoseconds, never negative.
    pub self_ns: Vec<i64>,
    /// Its own end was lost; it was closed by the enclosing one.
    pub truncated: Vec<bool>,
    /// The span's number among those of its call site, for [`Args::get`].
    pub event: Vec<u32>,
    /// The fields of all spans, the open ones among them.
    pub args: Args,
    /// Spans still open where the block ends, outermost first.
    pub open: Vec<OpenSpan>,
}

/// A span that has not ended where its block ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSpan {
    /// Index into [`Spans::sites`].
    pub site: u32,
    /// Its ordinal.
    pub ordinal: u64,
    /// The enclosing span's ordinal.
    pub parent: Option<u64>,
    /// How many spans enclose it.
    pub depth: u32,
    /// When it began.
    pub begin: UnixNanos,
    /// Time of its ended direct children so far, in nanoseconds.
    pub child_ns: i64,
    /// Its number among those of its call site, for [`Args::get`].
    pub event: u32,
}

/// The async spans that end in a block, in the order of their ends. Times are UTC nanoseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AsyncSpans {
    /// The call sites.
    pub sites: Vec<CallSite>,
    /// The threads.
    pub threads: Vec<Thread>,
    /// Index into `sites`.
    pub site: Vec<u32>,
    /// The thread on which it began, an index into `threads`.
    pub thread: Vec<u32>,
    /// Its ordinal, given at its begin.
    pub ordinal: Vec<u64>,
    /// The ordinal of the span around it; `None` where there was none.
    pub parent: Vec<Option<u64>>,
    /// When it began.
    pub begin: Vec<UnixNanos>,
    /// When it ended; never before `begin`.
    pub end: Vec<UnixNanos>,
    /// Its number among those of its call site, for [`Args::get`].
    pub event: Vec<u32>,
    /// The fields of all spans, the open ones among them.
    pub args: Args,
    /// The oldest spans that are open where the block ends, at most 256, by ordinal.
    pub open: Vec<OpenAsyncSpan>,
}

/// An async span that has not ended where its block ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAsyncSpan {
    /// Index into [`AsyncSpans::sites`].
    pub site: u32,
    /// Index into [`AsyncSpans::threads`].
    pub thread: u32,
    /// Its ordinal.
    pub ordinal: u64,
    /// The ordinal of the span around it.
    pub parent: Option<u64>,
    /// When it began.
    pub begin: UnixNanos,
    /// Its number among those of its call site, for [`Args::get`].
    pub event: u32,
}

/// Log lines of a block, in the order of their ordinals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logs {
    /// The call sites.
    pub sites: Vec<CallSite>,
    /// The threads.
    pub threads: Vec<Thread>,
    /// Index into `sites`.
    pub site: Vec<u32>,
    /// Index into `threads`.
    pub thread: Vec<u32>,
    /// The line's ordinal.
    pub ordinal: Vec<u64>,
    /// When it was logged.
    pub time: Vec<UnixNanos>,
    /// The line's number among those of its call site, for [`Args::get`].
    pub event: Vec<u32>,
    /// The arguments of all lines.
    pub args: Args,
}

/// Most bytes of a message: 64 KiB. What a line carries fits into that; a template could repeat it.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// How the messages of a block's lines are made.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    logs: &'a Logs,
    templates: Vec<Template>,
}

impl Logs {
    /// Prepares the messages: what is done once for each call site.
    #[must_use]
    pub fn messages(&self) -> Messages<'_> {
        let templates = self.sites.iter().map(|site| {
            Template::parse(if site.template.is_empty() { &site.name } else { &site.template }, &site.args)
        });
        Messages { logs: self, templates: templates.collect() }
    }

    /// The message of line `index` (below the number of lines). For all of them ask [`Logs::messages`].
    #[must_use]
    pub fn message(&self, index: usize) -> String {
        let mut message = String::new();
        self.messages().render(index, &mut message);
        message
    }
}

impl Messages<'_> {
    /// Appends the message of line `index` (below the number of lines) to `out`; one of more than [`MESSAGE_BYTES_MAX`] is cut.
    pub fn render(&self, index: usize, out: &mut String) {
        let begin = out.len();
        let (site, event) = (self.logs.site[index], self.logs.event[index]);
        let names = &self.logs.sites[site as usize].args;
        let mut args = [Arg::None; ARGS_MAX];
        for (number, arg) in args.iter_mut().enumerate().take(names.len()) {
            *arg = self.logs.args.get(site, event, number);
        }
        self.templates[site as usize].render(out, &args[..names.len()]);
        if out.len() - begin > MESSAGE_BYTES_MAX {
            out.truncate(out.floor_char_boundary(begin + MESSAGE_BYTES_MAX));
        }
    }
}

/// Measurements of a block, in the order of their ordinals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// The call sites.
    pub sites: Vec<CallSite>,
    /// The threads.
    pub threads: Vec<Thread>,
    /// The property sets, each sorted by key.
    pub property_sets: Vec<Vec<(String, String)>>,
    /// Index into `sites`.
    pub site: Vec<u32>,
    /// Index into `threads`.
    pub thread: Vec<u32>,
    /// The measurement's ordinal.
    pub ordinal: Vec<u64>,
    /// When it was taken.
    pub time: Vec<UnixNanos>,
    /// The value; integers beyond 2^53 are rounded.
    pub value: Vec<f64>,
    /// The measurement's number among those of its call site, for [`Args::get`].
    pub event: Vec<u32>,
    /// The values and tags of all measurements.
    pub args: Args,
    /// Index into `property_sets`; `None` where it has none.
    pub properties: Vec<Option<u32>>,
}

/// Parts of attachments in a block, in the order of their ordinals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachments {
    /// The call sites.
    pub sites: Vec<CallSite>,
    /// The threads.
    pub threads: Vec<Thread>,
    /// Index into `sites`.
    pub site: Vec<u32>,
    /// Index into `threads`.
    pub thread: Vec<u32>,
    /// The part's ordinal.
    pub ordinal: Vec<u64>,
    /// When the attachment was made: the same for all of its parts.
    pub time: Vec<UnixNanos>,
    /// The attachment's number in the stream, below 2^63.
    pub attachment: Vec<u64>,
    /// Which of its parts this is, from 0.
    pub part: Vec<u32>,
    /// How many parts it has; at least 1.
    pub parts: Vec<u32>,
    /// Bytes of all parts, below 2^63.
    pub size: Vec<u64>,
    /// Whether the attachment has a name of its own; otherwise it is its call site's `name`.
    pub has_name: Vec<bool>,
    /// End of the part's name in `text`; it starts where the media type before ends.
    pub name_end: Vec<u32>,
    /// End of the part's media type in `text`; it starts where the name ends.
    pub media_type_end: Vec<u32>,
    /// Names and media types, one after the other.
    pub text: String,
    /// End of the part's bytes in `bytes`; they start where those of the part before end.
    pub bytes_end: Vec<u32>,
    /// The bytes of all parts, one after the other.
    pub bytes: Vec<u8>,
}

impl Attachments {
    /// The name of the attachment that row `index` (below the number of rows) is a part of.
    #[must_use]
    pub fn name(&self, index: usize) -> &str {
        if self.has_name[index] {
            &self.text[start(&self.media_type_end, index)..self.name_end[index] as usize]
        } else {
            &self.sites[self.site[index] as usize].name
        }
    }

    /// What the bytes are, such as `image/png`.
    #[must_use]
    pub fn media_type(&self, index: usize) -> &str {
        &self.text[self.name_end[index] as usize..self.media_type_end[index] as usize]
    }

    /// The part's bytes, at most [`limits::ATTACHMENT_PART_BYTES_MAX`].
    #[must_use]
    pub fn part_bytes(&self, index: usize) -> &[u8] {
        &self.bytes[start(&self.bytes_end, index)..self.bytes_end[index] as usize]
    }
}

/// Where what ends at `ends[index]` starts.
fn start(ends: &[u32], index: usize) -> usize {
    if index == 0 { 0 } else { ends[index - 1] as usize }
}

/// Frames that end in a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// The frame's ordinal.
    pub ordinal: Vec<u64>,
    /// The mark it began with.
    pub begin: Vec<UnixNanos>,
    /// The mark it ended with.
    pub end: Vec<UnixNanos>,
    /// Ordinal and begin of the frame that is open where the block ends.
    pub open: Option<(u64, UnixNanos)>,
}

/// The spans of a block of kind `span`.
///
/// # Errors
/// Another kind, a payload beyond its limits, columns of unequal length, an index out of range, counts that differ from the header's.
pub fn spans(block: &Block) -> Result<Spans> {
    spans::rows(block)
}

/// The async spans of a block of kind `async`.
///
/// # Errors
/// As [`spans()`].
pub fn async_spans(block: &Block) -> Result<AsyncSpans> {
    asyncs::rows(block)
}

/// The log lines of a block of kind `log`.
///
/// # Errors
/// As [`spans()`].
pub fn logs(block: &Block) -> Result<Logs> {
    logs::rows(block)
}

/// The measurements of a block of kind `metric`.
///
/// # Errors
/// As [`spans()`].
pub fn metrics(block: &Block) -> Result<Metrics> {
    metrics::rows(block)
}

/// The frames of a block of kind `frame`.
///
/// # Errors
/// As [`spans()`].
pub fn frames(block: &Block) -> Result<Frames> {
    frames::rows(block)
}

/// The parts of attachments of a block of kind `attachment`.
///
/// # Errors
/// As [`spans()`].
pub fn attachments(block: &Block) -> Result<Attachments> {
    attachments::rows(block)
}

/// Opens the payload of a block of any kind within limits and checks it as its decoder would, without making rows: what the writer asks before it
/// makes a block visible. A block of an unknown kind, or of a newer format, passes when its sizes do.
///
/// # Errors
/// As [`spans()`].
pub fn check(block: &Block) -> Result<()> {
    Error::within("payload", block.payload.len() as u64, limits::PAYLOAD_BYTES_MAX)?;
    if block.header.format_version > limits::FORMAT_VERSION {
        return block.header.check();
    }
    let kind = &block.header.kind;
    if *kind == StreamKind::SPAN {
        spans::check(block)
    } else if *kind == StreamKind::LOG {
        logs(block).map(drop)
    } else if *kind == StreamKind::METRIC {
        metrics(block).map(drop)
    } else if *kind == StreamKind::FRAME {
        frames(block).map(drop)
    } else if *kind == StreamKind::ASYNC {
        async_spans(block).map(drop)
    } else if *kind == StreamKind::ATTACHMENT {
        attachments(block).map(drop)
    } else {
        block.header.check()
    }
}
