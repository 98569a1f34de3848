//! The column of ticks: each as the difference to the one before.
//!
//! Ticks of one thread nearly always grow, so a difference d ≥ 0 is the integer d + 1, and 0 stands before −(d + 1): zigzag would
//! cost every difference a bit. The first difference is 0; the first tick stands apart, relative to the block's begin sample, because
//! that sample is known only at the seal.

use crate::{Error, Result, varint, varint::Reader};

/// A column being written.
#[derive(Debug, Default)]
pub(crate) struct Ticks {
    first: u64,
    last: u64,
    count: usize,
    bytes: Vec<u8>,
}

impl Ticks {
    #[inline]
    pub(crate) fn push(&mut self, ticks: u64) {
        if self.count == 0 {
            self.first = ticks;
            self.last = ticks;
        }
        let delta = ticks.wrapping_sub(self.last).cast_signed();
        if delta >= 0 {
            varint::put(&mut self.bytes, delta.cast_unsigned() + 1);
        } else {
            varint::put(&mut self.bytes, 0);
            varint::put(&mut self.bytes, (!delta).cast_unsigned());
        }
        self.last = ticks;
        self.count += 1;
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Bytes of the column, for limits.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() + 20
    }

    /// The reader that [`read`] will be of what [`Ticks::put`] wrote.
    pub(crate) fn reader(&self) -> TickReader<'_> {
        TickReader { last: self.first, deltas: Reader::new(&self.bytes) }
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>, begin_ticks: u64) {
        varint::put_signed(out, self.first.wrapping_sub(begin_ticks).cast_signed());
        super::put_column(out, &self.bytes);
    }

    pub(crate) fn clear(&mut self) {
        self.count = 0;
        self.bytes.clear();
    }
}

/// A column being read.
pub(crate) struct TickReader<'a> {
    last: u64,
    deltas: Reader<'a>,
}

/// The column that [`Ticks::put`] wrote.
pub(crate) fn read<'a>(reader: &mut Reader<'a>, begin_ticks: u64) -> Result<TickReader<'a>> {
    let first = reader.signed("first tick")?.cast_unsigned();
    Ok(TickReader { last: begin_ticks.wrapping_add(first), deltas: super::column(reader, "ticks")? })
}

impl TickReader<'_> {
    #[inline]
    pub(crate) fn next(&mut self) -> Result<u64> {
        let delta = match self.deltas.unsigned("ticks")? {
            0 => !self.deltas.unsigned("ticks")?,
            above => above - 1,
        };
        self.last = self.last.wrapping_add(delta);
        Ok(self.last)
    }

    /// At least one byte for each event: so many events are there at most.
    pub(crate) fn check_count(&self, count: usize) -> Result<()> {
        if count <= self.deltas.left() {
            Ok(())
        } else {
            Err(Error::invalid("ticks", format!("{} bytes for {count} events", self.deltas.left())))
        }
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.deltas.finish("ticks")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_survive_in_any_order() {
        let values = [1000, 1000, 1001, 900, u64::MAX, 0, 1 << 63, (1 << 63) - 1, 5];
        let mut ticks = Ticks::default();
        for value in values {
            ticks.push(value);
        }
        let mut bytes = Vec::new();
        ticks.put(&mut bytes, 990);
        let mut reader = read(&mut Reader::new(&bytes), 990).unwrap();
        for value in values {
            assert_eq!(reader.next(), Ok(value));
        }
        reader.finish().unwrap();
    }
}
