//! Log lines, measurements and frame marks of all threads, put in the order of their ticks before they are encoded.
//!
//! Spans need none of this: each thread's are a stream of their own.

use crate::event::Lost;
use crate::reader::Event;
use crate::stream::{Outlet, Stream};
use framelake_wire::encode::{
    AsyncEncoder, Dictionary, FrameEncoder, LogEncoder, MetricEncoder, PropertiesId, SiteId, ThreadId,
};
use framelake_wire::raw::Raw;

/// Entries and words of arguments that wait for their order; beyond these the order is kept within each such lot only. 64 Ki × 56 B = 3.5 MiB, and
/// 256 Ki × 8 B = 2 MiB.
const ENTRIES_MAX: usize = 65_536;
const WORDS_MAX: usize = 256 * 1024;

#[derive(Default)]
pub(crate) struct Merge {
    lines: Vec<Entry<Line>>,
    /// The arguments of lines and measurements.
    words: Vec<u64>,
    measures: Vec<Entry<Measure>>,
    frames: Vec<Entry<Mark>>,
    asyncs: Vec<Entry<Async>>,
}

/// The streams of a process, one of each kind.
pub(crate) struct Shared {
    pub(crate) logs: Stream<LogEncoder>,
    pub(crate) metrics: Stream<MetricEncoder>,
    pub(crate) frames: Stream<FrameEncoder>,
    pub(crate) asyncs: Stream<AsyncEncoder>,
}

struct Entry<T> {
    ticks: u64,
    thread: ThreadId,
    what: T,
}

enum Line {
    Args { site: SiteId, args: Args },
    Lost(u64),
}

enum Measure {
    Args { site: SiteId, args: Args, properties: Option<PropertiesId> },
    Lost(u64),
}

/// Arguments that wait in [`Merge::words`].
#[derive(Clone, Copy)]
struct Args {
    codes: u64,
    start: u32,
    count: u8,
}

impl Args {
    #[inline]
    fn put(raw: Raw<'_>, words: &mut Vec<u64>) -> Self {
        let start = words.len() as u32;
        words.extend_from_slice(raw.words());
        Self { codes: raw.codes(), start, count: raw.count() as u8 }
    }

    #[inline]
    fn of<'a>(&self, words: &'a [u64]) -> Raw<'a> {
        let taken = Raw::take(usize::from(self.count), self.codes, &words[self.start as usize..]);
        taken.expect("as they were put").0
    }
}

enum Async {
    Begin { site: SiteId, id: u64, parent: u64, fields: Args },
    End { id: u64, fields: Option<Args> },
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
            Event::Log { site, args } => {
                let what = Line::Args { site: SiteId(site - 1), args: Args::put(args, &mut self.words) };
                self.lines.push(Entry { ticks, thread, what });
            }
            Event::Metric { site, properties, args } => {
                let properties = properties.checked_sub(1).map(PropertiesId);
                let args = Args::put(args, &mut self.words);
                self.measures.push(Entry {
                    ticks,
                    thread,
                    what: Measure::Args { site: SiteId(site - 1), args, properties },
                });
            }
            Event::AsyncBegin { site, id, parent, fields } => {
                let fields = Args::put(fields, &mut self.words);
                let what = Async::Begin { site: SiteId(site - 1), id, parent, fields };
                self.asyncs.push(Entry { ticks, thread, what });
            }
            Event::AsyncEnd { id, fields } => {
                let fields = fields.map(|fields| Args::put(fields, &mut self.words));
                self.asyncs.push(Entry { ticks, thread, what: Async::End { id, fields } });
            }
            Event::Lost { what: Lost::Asyncs, count } => {
                self.asyncs.push(Entry { ticks, thread, what: Async::Lost(count) });
            }
            // Their spans stay open, and are counted as such.
            Event::Lost { what: Lost::AsyncEnds, .. } => {}
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
            || self.asyncs.len() >= ENTRIES_MAX
            || self.words.len() >= WORDS_MAX
    }

    /// Encodes all that waits, in the order of the ticks.
    pub(crate) fn encode(&mut self, shared: &mut Shared, outlet: &mut Outlet<'_, impl Dictionary>) {
        // Stable, and fast on what consists of a few sorted runs: one per thread.
        self.lines.sort_by_key(|line| line.ticks);
        for line in self.lines.drain(..) {
            let encoder = &mut shared.logs.encoder;
            match line.what {
                Line::Args { site, args } => encoder.push_args(site, line.thread, line.ticks, args.of(&self.words)),
                Line::Lost(count) => encoder.dropped(count),
            }
            shared.logs.seal_full(outlet);
        }

        self.measures.sort_by_key(|measure| measure.ticks);
        for measure in self.measures.drain(..) {
            let encoder = &mut shared.metrics.encoder;
            match measure.what {
                Measure::Args { site, args, properties } => {
                    encoder.push_args(site, measure.thread, measure.ticks, args.of(&self.words), properties);
                }
                Measure::Lost(count) => encoder.dropped(count),
            }
            shared.metrics.seal_full(outlet);
        }

        self.asyncs.sort_by_key(|event| event.ticks);
        for event in self.asyncs.drain(..) {
            let encoder = &mut shared.asyncs.encoder;
            match event.what {
                Async::Begin { site, id, parent, fields } => {
                    encoder.begin(id, parent, site, event.thread, event.ticks, fields.of(&self.words));
                }
                Async::End { id, fields: None } => encoder.end(id, event.ticks),
                Async::End { id, fields: Some(fields) } => encoder.end_with(id, event.ticks, fields.of(&self.words)),
                Async::Lost(count) => encoder.dropped(count),
            }
            shared.asyncs.seal_full(outlet);
        }
        self.words.clear();

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
