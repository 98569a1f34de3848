use super::{
    Dictionary, Seal, SiteId, ThreadId,
    core::{Core, Sealed, Times},
    saved::{self, Known},
};
use crate::{
    Block, Result, TimeMap,
    columns::shapes::Shape,
    raw::{ARGS_MAX, Raw, RawBuf},
    varint,
    varint::Reader,
};

/// Encodes the log lines of a process.
#[derive(Debug, Default)]
pub struct LogEncoder {
    core: Core,
    sites: Vec<u8>,
    threads: Vec<u8>,
}

impl LogEncoder {
    /// An encoder for a new stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A line. `message` is its text where arguments were formatted when it was logged; `None` is the call site's own text.
    pub fn push(&mut self, site: SiteId, thread: ThreadId, ticks: u64, message: Option<&str>) {
        match message {
            Some(message) => self.push_args(site, thread, ticks, RawBuf::whole(message).as_raw()),
            None => self.push_args(site, thread, ticks, Raw::default()),
        }
    }

    /// A line with its arguments, as its call site names them.
    #[inline]
    pub fn push_args(&mut self, site: SiteId, thread: ThreadId, ticks: u64, args: Raw<'_>) {
        let shape = self.core.sites.number(Shape::of(site.0, &args));
        varint::put(&mut self.sites, u64::from(shape));
        varint::put(&mut self.threads, u64::from(self.core.threads.number(thread.0)));
        self.core.ticks.push(ticks);
        self.core.values.push(shape, args);
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
    #[inline]
    pub fn is_full(&self) -> bool {
        self.core.is_full(self.sites.len() + self.threads.len(), ARGS_BYTES_MAX + 64)
    }

    pub(super) fn put_saved(&self, out: &mut Vec<u8>) {
        varint::put(out, self.core.first_ordinal);
    }

    pub(super) fn take_saved(&mut self, reader: &mut Reader<'_>, _known: Known) -> Result<()> {
        self.core.first_ordinal = saved::take_ordinal(reader)?;
        Ok(())
    }

    /// As [`super::SpanEncoder::seal`].
    pub fn seal(&mut self, seal: &Seal<'_>, dictionary: &impl Dictionary) -> Block {
        let mut opened = self.core.open_payload(dictionary);
        varint::put(&mut opened.bytes, self.core.event_count() as u64);
        self.core.ticks.put(&mut opened, seal.begin.ticks);
        for column in [&mut self.sites, &mut self.threads] {
            opened.column(column);
            column.clear();
        }
        self.core.values.put(&mut opened, self.core.sites.used());
        let sealed = points(&self.core, seal);
        self.core.close_payload(opened, &sealed, seal, dictionary)
    }
}

/// Most bytes that the arguments of one event take in a payload: what fits a thread's buffer of 64 KiB.
pub(super) const ARGS_BYTES_MAX: usize = 64 * 1024 + ARGS_MAX * 13;

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
