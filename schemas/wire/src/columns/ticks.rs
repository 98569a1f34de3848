//! The column of ticks: each as the difference to the one before.
//!
//! Ticks of one thread nearly always grow, so a difference d ≥ 0 is the integer d + 1, and 0 stands before −(d + 1): zigzag would
//! cost every difference a bit. The first difference is 0; the first tick stands apart, relative to the block's begin sample, because
//! that sample is known only at the seal. It is 0 where there are no ticks.

use super::{
    frame::Opened,
    planes::{self, PlaneReader, Planes},
};
use crate::{Error, Result, varint, varint::Reader};

/// A column being written.
#[derive(Debug, Default)]
pub(crate) struct Ticks {
    first: u64,
    last: u64,
    count: usize,
    planes: Planes,
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
            self.planes.put(delta.cast_unsigned() + 1);
        } else {
            self.planes.put(0);
            self.planes.put((!delta).cast_unsigned());
        }
        self.last = ticks;
        self.count += 1;
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Bytes of the column, for limits.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.planes.bytes() + 20
    }

    /// The reader that [`read`] will be of what [`Ticks::put`] wrote.
    pub(crate) fn reader(&self) -> TickReader<'_> {
        TickReader { last: self.first, planes: self.planes.reader() }
    }

    pub(crate) fn put(&self, out: &mut Opened, begin_ticks: u64) {
        let first = if self.count == 0 { begin_ticks } else { self.first };
        varint::put_signed(&mut out.bytes, first.wrapping_sub(begin_ticks).cast_signed());
        self.planes.append(out);
    }

    pub(crate) fn clear(&mut self) {
        self.count = 0;
        self.planes.clear();
    }
}

/// A column being read.
pub(crate) struct TickReader<'a> {
    last: u64,
    planes: PlaneReader<'a>,
}

/// The column that [`Ticks::put`] wrote.
pub(crate) fn read<'a>(reader: &mut Reader<'a>, begin_ticks: u64) -> Result<TickReader<'a>> {
    let first = reader.signed("first tick")?.cast_unsigned();
    Ok(TickReader { last: begin_ticks.wrapping_add(first), planes: planes::read(reader, "ticks")? })
}

impl TickReader<'_> {
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Result<u64> {
        let delta = match self.planes.next("ticks")? {
            0 => !self.planes.next("ticks")?,
            above => above - 1,
        };
        self.last = self.last.wrapping_add(delta);
        Ok(self.last)
    }

    /// At least one byte for each event: so many events are there at most.
    pub(crate) fn check_count(&self, count: usize) -> Result<()> {
        let bytes = self.planes.left();
        if count <= bytes { Ok(()) } else { Err(Error::invalid("ticks", format!("{bytes} bytes for {count} events"))) }
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.planes.finish("ticks")
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
        let mut opened = Opened::default();
        ticks.put(&mut opened, 990);
        let mut reader = read(&mut Reader::new(&opened.bytes), 990).unwrap();
        for value in values {
            assert_eq!(reader.next(), Ok(value));
        }
        reader.finish().unwrap();
    }

    #[test]
    fn an_integer_beyond_64_bits_is_refused() {
        let mut others = Vec::new();
        varint::put(&mut others, 1 << 50);
        let mut reader = TickReader { last: 0, planes: PlaneReader::of([&[0x80], &[0x80], &others]) };
        assert!(matches!(reader.next(), Err(Error::Invalid { .. })));
    }
}
