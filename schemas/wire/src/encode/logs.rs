use super::{
    Dictionary, Seal, SiteId, ThreadId,
    core::{Core, Sealed, Times},
};
use crate::{Block, TimeMap, avro::cut, limits::STRING_BYTES_MAX, varint};

/// Encodes the log lines of a process.
#[derive(Debug, Default)]
pub struct LogEncoder {
    core: Core,
    /// For each line twice its call site, and one more where it has a text of its own.
    sites: Vec<u8>,
    threads: Vec<u8>,
    /// The length of each text.
    lengths: Vec<u8>,
    text: Vec<u8>,
}

impl LogEncoder {
    /// An encoder for a new stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A line. `message` is its text where arguments were formatted; `None` is the call site's own text.
    pub fn push(&mut self, site: SiteId, thread: ThreadId, ticks: u64, message: Option<&str>) {
        let site = u64::from(self.core.sites.number(site.0));
        varint::put(&mut self.sites, site << 1 | u64::from(message.is_some()));
        varint::put(&mut self.threads, u64::from(self.core.threads.number(thread.0)));
        self.core.ticks.push(ticks);
        if let Some(message) = message {
            let message = cut(message, STRING_BYTES_MAX);
            varint::put(&mut self.lengths, message.len() as u64);
            self.text.extend_from_slice(message.as_bytes());
        }
    }

    /// `count` lines were dropped here.
    pub fn dropped(&mut self, count: u64) {
        self.core.dropped(count);
    }

    /// As [`super::SpanEncoder::event_count`].
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.core.event_count()
    }

    /// As [`super::SpanEncoder::is_empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.core.is_empty()
    }

    /// As [`super::SpanEncoder::is_full`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        let columns = self.sites.len() + self.threads.len() + self.lengths.len() + self.text.len();
        self.core.is_full(columns, STRING_BYTES_MAX + 64)
    }

    /// As [`super::SpanEncoder::seal`].
    pub fn seal(&mut self, seal: &Seal<'_>, dictionary: &impl Dictionary) -> Block {
        let mut opened = self.core.open_payload(dictionary);
        varint::put(&mut opened.bytes, self.core.event_count() as u64);
        self.core.ticks.put(&mut opened, seal.begin.ticks);
        for column in [&mut self.sites, &mut self.threads, &mut self.lengths, &mut self.text] {
            opened.column(column);
            column.clear();
        }
        let sealed = points(&self.core, seal);
        self.core.close_payload(opened, &sealed, seal, dictionary)
    }
}

/// What is sealed where every event is a row of one time.
pub(super) fn points(core: &Core, seal: &Seal<'_>) -> Sealed {
    let map = TimeMap::new(seal.begin, seal.end, seal.anchor_ns);
    let mut times = Times::NONE;
    let mut ticks = core.ticks.reader();
    for _ in 0..core.event_count() {
        let time = map.unix_ns(ticks.next().expect("ticks were written by this encoder"));
        times.add(time, time);
    }
    let row_count = core.event_count() as u64;
    Sealed { row_count, next_ordinal: core.first_ordinal + row_count + core.drops.total(), times }
}
