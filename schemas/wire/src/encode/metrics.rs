use super::{
    Dictionary, PropertiesId, Seal, SiteId, ThreadId,
    core::Core,
    logs::{ARGS_BYTES_MAX, points},
    saved::{self, Known},
};
use crate::{Arg, Block, Result, columns::shapes::Shape, raw::Raw, varint, varint::Reader};

/// A metric's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
}

/// Encodes the metrics of a process.
#[derive(Debug, Default)]
pub struct MetricEncoder {
    core: Core,
    sites: Vec<u8>,
    threads: Vec<u8>,
    /// For each measurement 0, or the number of its property set + 1.
    sets: Vec<u8>,
}

impl MetricEncoder {
    /// An encoder for a new stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A measurement.
    #[inline]
    pub fn push(&mut self, site: SiteId, thread: ThreadId, ticks: u64, value: Value, properties: Option<PropertiesId>) {
        let (arg, word) = match value {
            Value::Integer(value) => (Arg::I64(value), value.cast_unsigned()),
            Value::Float(value) => (Arg::F64(value), value.to_bits()),
        };
        let word = [word];
        let (raw, _) = Raw::take(1, u64::from(arg.code()), &word).expect("one word for one number");
        self.push_args(site, thread, ticks, raw, properties);
    }

    /// A measurement with its tags: the first argument is its value, a number.
    #[inline]
    pub fn push_args(
        &mut self,
        site: SiteId,
        thread: ThreadId,
        ticks: u64,
        args: Raw<'_>,
        properties: Option<PropertiesId>,
    ) {
        let shape = self.core.sites.number(Shape::of(site.0, &args));
        varint::put(&mut self.sites, u64::from(shape));
        varint::put(&mut self.threads, u64::from(self.core.threads.number(thread.0)));
        let set = properties.map_or(0, |set| u64::from(self.core.sets.number(set.0)) + 1);
        varint::put(&mut self.sets, set);
        self.core.ticks.push(ticks);
        self.core.values.push(shape, args);
    }

    /// `count` measurements were dropped here.
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
        self.core.is_full(self.sites.len() + self.threads.len() + self.sets.len(), ARGS_BYTES_MAX + 64)
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
        for column in [&mut self.sites, &mut self.threads, &mut self.sets] {
            opened.column(column);
            column.clear();
        }
        self.core.values.put(&mut opened, self.core.sites.used());
        let sealed = points(&self.core, seal);
        self.core.close_payload(opened, &sealed, seal, dictionary)
    }
}
