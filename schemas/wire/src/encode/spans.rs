use super::{
    Dictionary, Seal, SiteId,
    core::{Core, Sealed, Times},
    logs::ARGS_BYTES_MAX,
    saved::{self, Known},
};
use crate::{
    Block, Error, Result, TimeMap,
    columns::{
        shapes::Shape,
        spans::{BEGIN, Begins, END, END_TRUNCATED, Events, OPEN_BYTES_MAX, Open, put_open, replay},
    },
    limits::SPAN_DEPTH_MAX,
    raw::{Raw, RawBuf},
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
        self.begin_with(site, ticks, Raw::default());
    }

    /// As [`SpanEncoder::begin`], with the span's fields, as its call site names them.
    #[inline]
    pub fn begin_with(&mut self, site: SiteId, ticks: u64, fields: Raw<'_>) {
        if self.depth == SPAN_DEPTH_MAX {
            self.beyond += 1;
            self.core.dropped(1);
            return;
        }
        self.depth += 1;
        let shape = self.core.sites.number(Shape::of(site.0, &fields));
        varint::put(&mut self.edges, BEGIN + u64::from(shape));
        self.core.ticks.push(ticks);
        self.core.values.push(shape, fields);
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
        const NEXT_BYTES: usize = 2 * SPAN_DEPTH_MAX + 32 + ARGS_BYTES_MAX;
        self.core.is_full(self.edges.len() + self.stack.len() * OPEN_BYTES_MAX, NEXT_BYTES)
    }

    pub(super) fn put_saved(&self, out: &mut Vec<u8>) {
        varint::put(out, self.core.first_ordinal);
        varint::put(out, self.beyond as u64);
        varint::put(out, self.stack.len() as u64);
        let shapes = self.core.sites.used();
        let with_fields = self.fields_of_open();
        let mut with_fields = with_fields.iter();
        for open in &self.stack {
            let shape = shapes[open.site as usize];
            let fields = if shape.count > 0 { with_fields.next() } else { None };
            saved::put_fields(out, shape.site, fields.map(RawBuf::as_raw).unwrap_or_default());
            varint::put(out, open.ordinal);
            varint::put_signed(out, open.begin);
            varint::put_signed(out, open.child_ns);
        }
    }

    pub(super) fn take_saved(&mut self, reader: &mut Reader<'_>, known: Known) -> Result<()> {
        const FIELD: &str = "saved spans";
        let first_ordinal = saved::take_ordinal(reader)?;
        self.core.first_ordinal = first_ordinal;
        self.beyond = usize::try_from(reader.unsigned(FIELD)?).unwrap_or(usize::MAX);
        self.depth = Error::within(FIELD, reader.unsigned(FIELD)?, SPAN_DEPTH_MAX)?;
        let (mut shapes, mut fields) = (Vec::new(), Vec::new());
        for _ in 0..self.depth {
            let (shape, args) = saved::take_fields(reader, known)?;
            let (ordinal, begin, child_ns) = (reader.unsigned(FIELD)?, reader.signed(FIELD)?, reader.signed(FIELD)?);
            let after = self.stack.last().is_none_or(|around| around.ordinal < ordinal);
            if !after || ordinal >= first_ordinal || child_ns < 0 {
                return Err(Error::invalid(FIELD, "not in the order of their ordinals"));
            }
            // `carry` numbers them.
            self.stack.push(Open { site: 0, ordinal, begin, child_ns, args: 0 });
            if shape.count > 0 {
                fields.push(args);
            }
            shapes.push(shape);
        }
        self.carry(&shapes, fields);
        Ok(())
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
            map,
        };
        let mut begins = Begins::new(self.core.sites.used().iter().map(|shape| shape.count > 0));
        for open in &self.stack {
            begins.count(u64::from(open.site));
        }
        let next_ordinal = replay(events, &mut begins, &mut self.stack, |row| {
            row_count += 1;
            times.add(row.begin, row.end);
        })
        .expect("begins and ends are recorded in pairs and within the depth's limit");
        debug_assert_eq!(self.stack.len(), self.depth);

        self.core.values.put(&mut opened, self.core.sites.used());
        let fields = self.fields_of_open();
        let shapes: Vec<_> = self.stack.iter().map(|open| self.core.sites.used()[open.site as usize]).collect();
        let block = self.core.close_payload(opened, &Sealed { row_count, next_ordinal, times }, seal, dictionary);
        self.carry(&shapes, fields);
        self.edges.clear();
        block
    }

    /// The fields of the spans open now that have any, outermost first. They stand at the begin of the next block too, so long ones are cut.
    fn fields_of_open(&self) -> Vec<RawBuf> {
        let shapes = self.core.sites.used();
        let with_fields = self.stack.iter().filter(|open| shapes[open.site as usize].count > 0);
        let wanted: Vec<_> = with_fields.map(|open| (open.site, open.args)).collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut fields = self.core.values.kept(shapes, &wanted);
        let words: usize = fields.iter().map(|fields| fields.as_raw().words().len()).sum();
        if words * 8 > CARRIED_BYTES_MAX {
            // Each argument takes a word at least: 1,024 spans × 16 of them are 128 KiB, so texts may have what is left of twice that.
            let bytes_max = CARRIED_BYTES_MAX / fields.iter().map(|fields| fields.as_raw().count()).sum::<usize>();
            fields = fields.iter().map(|fields| fields.cut(bytes_max)).collect();
        }
        fields
    }

    /// Begins the next block with the spans that are open.
    fn carry(&mut self, shapes: &[Shape], fields: Vec<RawBuf>) {
        let mut fields = fields.iter();
        let mut counts = std::collections::HashMap::new();
        for (open, &shape) in self.stack.iter_mut().zip(shapes) {
            open.site = self.core.sites.number(shape);
            if shape.count > 0 {
                let count = counts.entry(open.site).or_insert(0);
                open.args = *count;
                *count += 1;
                self.core.values.push(open.site, fields.next().expect("one for each").as_raw());
            }
        }
    }
}

/// Most bytes of the fields of open spans that a block begins with, beyond those of numbers.
const CARRIED_BYTES_MAX: usize = 128 * 1024;
