//! Topics of the log, and which kind of stream goes to which.

use crate::{Error, Result};
use std::{borrow::Cow, fmt};

/// A topic of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// `Process` records, compacted by key.
    Processes,
    /// Blocks of log lines, and attachments.
    Logs,
    /// Blocks of metrics, and frame marks.
    Metrics,
    /// Blocks of spans.
    Spans,
    /// What happened to the lake, in total order; one partition.
    Lake,
    /// Records that could not be taken in, byte for byte.
    DeadLetters,
}

impl Topic {
    /// Every topic, in a fixed order.
    pub const ALL: [Topic; 6] =
        [Topic::Processes, Topic::Logs, Topic::Metrics, Topic::Spans, Topic::Lake, Topic::DeadLetters];

    /// The topics that producers write and sink workers read.
    pub const INGESTED: [Topic; 4] = [Topic::Processes, Topic::Logs, Topic::Metrics, Topic::Spans];

    /// The name in Kafka, in SQL and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Topic::Processes => "framelake.processes",
            Topic::Logs => "framelake.logs",
            Topic::Metrics => "framelake.metrics",
            Topic::Spans => "framelake.spans",
            Topic::Lake => "framelake.lake",
            Topic::DeadLetters => "framelake.dead-letters",
        }
    }

    /// The topic of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| topic.name() == name)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the events of a stream are. An open set: a kind this version does not know is kept and listed, not decoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamKind(Cow<'static, str>);

impl StreamKind {
    /// Log lines; one stream per process.
    pub const LOG: StreamKind = StreamKind(Cow::Borrowed("log"));
    /// Metrics; one stream per process.
    pub const METRIC: StreamKind = StreamKind(Cow::Borrowed("metric"));
    /// Spans of one thread.
    pub const SPAN: StreamKind = StreamKind(Cow::Borrowed("span"));
    /// Spans that may end on another thread than they began on; one stream per process.
    pub const ASYNC: StreamKind = StreamKind(Cow::Borrowed("async"));
    /// Frame marks; one stream per process.
    pub const FRAME: StreamKind = StreamKind(Cow::Borrowed("frame"));
    /// Attachments; one stream per process.
    pub const ATTACHMENT: StreamKind = StreamKind(Cow::Borrowed("attachment"));

    /// The kind of that name (1–64 characters of `a-z`, `0-9`, `_`; checked when a record is decoded).
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(Cow::Owned(name.into()))
    }

    /// The kind of that name, checked.
    pub(crate) fn read(name: &str) -> Result<Self> {
        for known in [Self::SPAN, Self::LOG, Self::METRIC, Self::FRAME, Self::ASYNC, Self::ATTACHMENT] {
            if known.as_str() == name {
                return Ok(known);
            }
        }
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self::new(name))
        } else {
            Err(Error::invalid("kind", "not 1 to 64 characters of a-z, 0-9 and _"))
        }
    }

    /// The name, as it stands in SQL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The topic that blocks of this kind belong to: logs and attachments, metrics and frames, and spans of all sorts.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self.as_str() {
            "log" | "attachment" => Topic::Logs,
            "metric" | "frame" => Topic::Metrics,
            _ => Topic::Spans,
        }
    }
}

impl fmt::Display for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
