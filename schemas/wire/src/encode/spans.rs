use super::{
    Dictionary, Seal, SiteId,
    core::{Core, Sealed, Times},
};
use crate::{
    Block, TimeMap,
    columns::spans::{BEGIN, END, END_TRUNCATED, Events, OPEN_BYTES_MAX, Open, put_open, replay},
    limits::SPAN_DEPTH_MAX,
    varint,
    varint::Reader,
};

/// Encodes the spans of one thread.
///
/// Knows the stack of open spans from block to block: each block begins with those open at its begin (call site, begin time,
/// ordinal, time of ended children so far), so that it decodes alone.
#[derive(Debug, Default)]
pub struct SpanEncoder {
    core: Core,
    /// What happens at each tick, as codes of [`crate::columns::spans`].
    edges: Vec<u8>,
    /// Open where the block being filled begins.
    stack: Vec<Open>,
    /// Open now, those beyond the limit not counted.
    depth: usize,
    /// Open now beyond the limit: never recorded, so their ends are not either.
    beyond: usize,
}

impl SpanEncoder {
    /// An encoder for a new stream: no span open, the first ordinal 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A span begins. Beyond [`crate::limits::SPAN_DEPTH_MAX`] it is counted as dropped, and so must its end be swallowed:
    /// the encoder keeps that count itself.
    #[inline]
    pub fn begin(&mut self, site: SiteId, ticks: u64) {
        if self.depth == SPAN_DEPTH_MAX {
            self.beyond += 1;
            self.core.dropped(1);
            return;
        }
        self.depth += 1;
        varint::put(&mut self.edges, BEGIN + u64::from(self.core.sites.number(site.0)));
        self.core.ticks.push(ticks);
    }

    /// The innermost open span ends. With none open it is ignored.
    #[inline]
    pub fn end(&mut self, ticks: u64) {
        self.close(END, ticks);
    }

    /// The innermost `count` open spans lost their ends: they end here, flagged truncated.
    pub fn end_truncated(&mut self, count: usize, ticks: u64) {
        for _ in 0..count.min(self.depth()) {
            self.close(END_TRUNCATED, ticks);
        }
    }

    #[inline]
    fn close(&mut self, code: u64, ticks: u64) {
        if self.beyond > 0 {
            self.beyond -= 1;
        } else if self.depth > 0 {
            self.depth -= 1;
            varint::put(&mut self.edges, code);
            self.core.ticks.push(ticks);
        }
    }

    /// `count` spans were dropped here, begin and end: their ordinals are used up.
    pub fn dropped(&mut self, count: u64) {
        self.core.dropped(count);
    }

    /// Spans open now, those beyond [`crate::limits::SPAN_DEPTH_MAX`] among them.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth + self.beyond
    }

    /// Recorded events since the last seal.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.core.event_count()
    }

    /// Whether sealing would say anything: events or drops since the last seal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.core.is_empty()
    }

    /// Whether a block should be sealed now, so that payload, decoded size and event count stay within [`crate::limits`].
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        // Truncated ends have one byte of code and one of ticks, but the first.
        const NEXT_BYTES: usize = 2 * SPAN_DEPTH_MAX + 32;
        self.core.is_full(self.edges.len() + self.stack.len() * OPEN_BYTES_MAX, NEXT_BYTES)
    }

    /// The block of what was recorded since the last seal. Spans open now stay open and begin the next block.
    pub fn seal(&mut self, seal: &Seal<'_>, dictionary: &impl Dictionary) -> Block {
        let map = TimeMap::new(seal.begin, seal.end, seal.anchor_ns);
        let first_ordinal = self.core.first_ordinal;
        let mut opened = self.core.open_payload(dictionary);
        put_open(&mut opened.bytes, &self.stack, first_ordinal, map.unix_ns(seal.begin.ticks));
        varint::put(&mut opened.bytes, self.core.event_count() as u64);
        opened.column(&self.edges);
        self.core.ticks.put(&mut opened, seal.begin.ticks);

        let mut times = Times::NONE;
        let mut row_count = 0;
        let events = Events {
            count: self.core.event_count() as u64,
            edges: Reader::new(&self.edges),
            ticks: self.core.ticks.reader(),
            drops: self.core.drops.places(),
            first_ordinal,
            site_count: self.core.sites.len(),
            map,
        };
        let next_ordinal = replay(events, &mut self.stack, |row| {
            row_count += 1;
            times.add(row.begin, row.end);
        })
        .expect("begins and ends are recorded in pairs and within the depth's limit");
        debug_assert_eq!(self.stack.len(), self.depth);

        for open in &mut self.stack {
            open.site = self.core.sites.used()[open.site as usize];
        }
        let block = self.core.close_payload(opened, &Sealed { row_count, next_ordinal, times }, seal, dictionary);
        for open in &mut self.stack {
            open.site = self.core.sites.number(open.site);
        }
        self.edges.clear();
        block
    }
}
