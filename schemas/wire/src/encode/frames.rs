use super::{
    Dictionary, Seal,
    core::{Core, Sealed, Times},
    saved::{self, Known},
};
use crate::{
    Block, Error, Result, TimeMap,
    columns::frames::{Marks, Open, put_open, replay},
    varint,
    varint::Reader,
};

/// Encodes the frame marks of a process. A frame lasts from one mark to the next; its row and ordinal are given as a span's
/// are: the ordinal at its begin, the row in the block that holds its end. The block carries the begin of the frame open at its begin.
#[derive(Debug, Default)]
pub struct FrameEncoder {
    core: Core,
    /// Open where the block being filled begins.
    open: Option<Open>,
}

impl FrameEncoder {
    /// An encoder for a new stream: no frame open.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A mark: the open frame ends, the next begins.
    pub fn mark(&mut self, ticks: u64) {
        self.core.ticks.push(ticks);
    }

    /// `count` marks were dropped here: the open frame is lost with them and counts as dropped, and the next mark begins a new one.
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
        self.core.is_full(0, 64)
    }

    pub(super) fn put_saved(&self, out: &mut Vec<u8>) {
        varint::put(out, self.core.first_ordinal);
        // The distance of its ordinal is at least 1, and 0 says that there is none.
        varint::put(out, self.open.map_or(0, |(ordinal, _)| self.core.first_ordinal - ordinal));
        varint::put_signed(out, self.open.map_or(0, |(_, begin)| begin));
    }

    pub(super) fn take_saved(&mut self, reader: &mut Reader<'_>, _known: Known) -> Result<()> {
        self.core.first_ordinal = saved::take_ordinal(reader)?;
        let (back, begin) = (reader.unsigned("saved frame")?, reader.signed("saved frame")?);
        if back > self.core.first_ordinal {
            return Err(Error::invalid("saved frame", "an ordinal below 0"));
        }
        self.open = (back > 0).then(|| (self.core.first_ordinal - back, begin));
        Ok(())
    }

    /// As [`super::SpanEncoder::seal`].
    pub fn seal(&mut self, seal: &Seal<'_>, dictionary: &impl Dictionary) -> Block {
        let map = TimeMap::new(seal.begin, seal.end, seal.anchor_ns);
        let first_ordinal = self.core.first_ordinal;
        let mut opened = self.core.open_payload(dictionary);
        put_open(&mut opened.bytes, self.open, first_ordinal, map.unix_ns(seal.begin.ticks));
        varint::put(&mut opened.bytes, self.core.event_count() as u64);
        self.core.ticks.put(&mut opened, seal.begin.ticks);

        let mut times = Times::NONE;
        let mut row_count = 0;
        let marks = Marks {
            count: self.core.event_count() as u64,
            ticks: self.core.ticks.reader(),
            drops: self.core.drops.places(),
            first_ordinal,
            map,
        };
        let (next_ordinal, lost) = replay(marks, &mut self.open, |_, begin, end| {
            row_count += 1;
            times.add(begin, end);
        })
        .expect("ticks were written by this encoder");
        let mut block = self.core.close_payload(opened, &Sealed { row_count, next_ordinal, times }, seal, dictionary);
        block.header.dropped_count += lost;
        block
    }
}
