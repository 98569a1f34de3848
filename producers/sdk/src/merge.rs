//! Log lines, measurements and frame marks of all threads, put in the order of their ticks before they are encoded.
//!
//! Spans need none of this: each thread's are a stream of their own.

use crate::event::Lost;
use crate::reader::Event;
use crate::stream::{Outlet, Stream};
use framelake_wire::encode::{FrameEncoder, LogEncoder, MetricEncoder, PropertiesId, SiteId, ThreadId, Value};

/// Entries and bytes of text that wait for their order; beyond these the order is kept within each such lot only. 64 Ki × 40 B = 2.5 MiB.
const ENTRIES_MAX: usize = 65_536;
const TEXT_BYTES_MAX: usize = 2 * 1024 * 1024;

#[derive(Default)]
pub(crate) struct Merge {
    lines: Vec<Entry<Line>>,
    text: String,
    measures: Vec<Entry<Measure>>,
    frames: Vec<Entry<Mark>>,
}

/// The streams of a process, one of each kind.
pub(crate) struct Shared {
    pub(crate) logs: Stream<LogEncoder>,
    pub(crate) metrics: Stream<MetricEncoder>,
    pub(crate) frames: Stream<FrameEncoder>,
}

struct Entry<T> {
    ticks: u64,
    thread: ThreadId,
    what: T,
}

enum Line {
    Static { site: SiteId },
    Text { site: SiteId, start: u32, end: u32 },
    Lost(u64),
}

enum Measure {
    Value { site: SiteId, value: Value, properties: Option<PropertiesId> },
    Lost(u64),
}

enum Mark {
    Frame,
    Lost(u64),
}

impl Merge {
    /// Takes an event that is not a span's.
    pub(crate) fn add(&mut self, ticks: u64, thread: ThreadId, event: Event<'_>) {
        match event {
            Event::Log { site, text } => {
                let site = SiteId(site - 1);
                let what = match text {
                    None => Line::Static { site },
                    Some(text) => {
                        let start = self.text.len() as u32;
                        self.text.push_str(text);
                        Line::Text { site, start, end: self.text.len() as u32 }
                    }
                };
                self.lines.push(Entry { ticks, thread, what });
            }
            Event::Metric { site, properties, value } => {
                let properties = properties.checked_sub(1).map(PropertiesId);
                let what = Measure::Value { site: SiteId(site - 1), value, properties };
                self.measures.push(Entry { ticks, thread, what });
            }
            Event::Frame => self.frames.push(Entry { ticks, thread, what: Mark::Frame }),
            Event::Lost { what: Lost::Logs, count } => {
                self.lines.push(Entry { ticks, thread, what: Line::Lost(count) });
            }
            Event::Lost { what: Lost::Metrics, count } => {
                self.measures.push(Entry { ticks, thread, what: Measure::Lost(count) });
            }
            Event::Lost { what: Lost::Frames, count } => {
                self.frames.push(Entry { ticks, thread, what: Mark::Lost(count) });
            }
            Event::Begin { .. } | Event::End | Event::Lost { what: Lost::Spans | Lost::Ends, .. } => {
                unreachable!("spans are their thread's own")
            }
        }
    }

    /// Whether enough waits that it should be encoded before more is added.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.lines.len() >= ENTRIES_MAX
            || self.measures.len() >= ENTRIES_MAX
            || self.frames.len() >= ENTRIES_MAX
            || self.text.len() >= TEXT_BYTES_MAX
    }

    /// Encodes all that waits, in the order of the ticks.
    pub(crate) fn encode(&mut self, shared: &mut Shared, outlet: &mut Outlet<'_>) {
        // Stable, and fast on what consists of a few sorted runs: one per thread.
        self.lines.sort_by_key(|line| line.ticks);
        for line in self.lines.drain(..) {
            let encoder = &mut shared.logs.encoder;
            match line.what {
                Line::Static { site } => encoder.push(site, line.thread, line.ticks, None),
                Line::Text { site, start, end } => {
                    encoder.push(site, line.thread, line.ticks, Some(&self.text[start as usize..end as usize]));
                }
                Line::Lost(count) => encoder.dropped(count),
            }
            shared.logs.seal_full(outlet);
        }
        self.text.clear();

        self.measures.sort_by_key(|measure| measure.ticks);
        for measure in self.measures.drain(..) {
            let encoder = &mut shared.metrics.encoder;
            match measure.what {
                Measure::Value { site, value, properties } => {
                    encoder.push(site, measure.thread, measure.ticks, value, properties);
                }
                Measure::Lost(count) => encoder.dropped(count),
            }
            shared.metrics.seal_full(outlet);
        }

        self.frames.sort_by_key(|mark| mark.ticks);
        for mark in self.frames.drain(..) {
            match mark.what {
                Mark::Frame => shared.frames.encoder.mark(mark.ticks),
                Mark::Lost(count) => shared.frames.encoder.dropped(count),
            }
            shared.frames.seal_full(outlet);
        }
    }
}
