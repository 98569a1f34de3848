use super::{Dictionary, PropertiesId, Seal, SiteId, ThreadId, core::Core, logs::points};
use crate::{Block, columns::frame::Opened, varint};

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
    /// For each measurement twice its call site, and one more where it is a float.
    sites: Vec<u8>,
    threads: Vec<u8>,
    /// For each measurement 0, or the number of its property set + 1.
    sets: Vec<u8>,
    /// Each as the difference to the integer before of the same call site.
    integers: Vec<u8>,
    floats: Vec<f64>,
    /// The integer before, by local number of the call site.
    last: Vec<i64>,
}

impl MetricEncoder {
    /// An encoder for a new stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A measurement.
    pub fn push(&mut self, site: SiteId, thread: ThreadId, ticks: u64, value: Value, properties: Option<PropertiesId>) {
        let site = self.core.sites.number(site.0);
        let is_float = matches!(value, Value::Float(_));
        varint::put(&mut self.sites, u64::from(site) << 1 | u64::from(is_float));
        varint::put(&mut self.threads, u64::from(self.core.threads.number(thread.0)));
        let set = properties.map_or(0, |set| u64::from(self.core.sets.number(set.0)) + 1);
        varint::put(&mut self.sets, set);
        self.core.ticks.push(ticks);
        if self.last.len() <= site as usize {
            self.last.resize(site as usize + 1, 0);
        }
        match value {
            Value::Integer(value) => {
                let last = std::mem::replace(&mut self.last[site as usize], value);
                varint::put_signed(&mut self.integers, value.wrapping_sub(last));
            }
            Value::Float(value) => self.floats.push(value),
        }
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
    pub fn is_full(&self) -> bool {
        let columns = self.sites.len() + self.threads.len() + self.sets.len();
        self.core.is_full(columns + self.integers.len() + 8 * self.floats.len(), 64)
    }

    /// As [`super::SpanEncoder::seal`].
    pub fn seal(&mut self, seal: &Seal<'_>, dictionary: &impl Dictionary) -> Block {
        let mut opened = self.core.open_payload(dictionary);
        varint::put(&mut opened.bytes, self.core.event_count() as u64);
        self.core.ticks.put(&mut opened, seal.begin.ticks);
        for column in [&mut self.sites, &mut self.threads, &mut self.sets, &mut self.integers] {
            opened.column(column);
            column.clear();
        }
        put_floats(&mut opened, &self.floats);
        self.floats.clear();
        self.last.clear();
        let sealed = points(&self.core, seal);
        self.core.close_payload(opened, &sealed, seal, dictionary)
    }
}

/// All lowest bytes, then all second ones, and so on: signs and exponents resemble each other, and zstd sees them side by side.
fn put_floats(out: &mut Opened, floats: &[f64]) {
    for plane in 0..8 {
        let bytes: Vec<u8> = floats.iter().map(|value| value.to_le_bytes()[plane]).collect();
        out.column(&bytes);
    }
}
