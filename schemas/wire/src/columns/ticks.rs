//! The column of ticks: each as the difference to the one before.
//!
//! Ticks of one thread nearly always grow, so a difference d ≥ 0 is the integer d + 1, and 0 stands before −(d + 1): zigzag would
//! cost every difference a bit. The first difference is 0; the first tick stands apart, relative to the block's begin sample, because
//! that sample is known only at the seal.
//!
//! Integers are LEB128, their bytes in three columns: all first bytes, all second ones, all others. First bytes are noise, second ones are few
//! values: side by side each compresses as well as it can.

use super::frame::Opened;
use crate::{Error, Result, varint, varint::Reader};

/// A column being written.
#[derive(Debug, Default)]
pub(crate) struct Ticks {
    first: u64,
    last: u64,
    count: usize,
    planes: [Vec<u8>; 3],
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
            self.put_integer(delta.cast_unsigned() + 1);
        } else {
            self.put_integer(0);
            self.put_integer((!delta).cast_unsigned());
        }
        self.last = ticks;
        self.count += 1;
    }

    #[inline]
    fn put_integer(&mut self, value: u64) {
        let [first, second, others] = &mut self.planes;
        if value < 1 << 7 {
            first.push(value as u8);
        } else if value < 1 << 14 {
            first.push(value as u8 | 0x80);
            second.push((value >> 7) as u8);
        } else {
            first.push(value as u8 | 0x80);
            second.push((value >> 7) as u8 | 0x80);
            varint::put(others, value >> 14);
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Bytes of the column, for limits.
    pub(crate) fn bytes(&self) -> usize {
        self.planes.iter().map(Vec::len).sum::<usize>() + 32
    }

    /// The reader that [`read`] will be of what [`Ticks::put`] wrote.
    pub(crate) fn reader(&self) -> TickReader<'_> {
        TickReader { last: self.first, planes: self.planes.each_ref().map(|plane| Reader::new(plane)) }
    }

    pub(crate) fn put(&self, out: &mut Opened, begin_ticks: u64) {
        varint::put_signed(&mut out.bytes, self.first.wrapping_sub(begin_ticks).cast_signed());
        for plane in &self.planes {
            out.column(plane);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.count = 0;
        self.planes.iter_mut().for_each(Vec::clear);
    }
}

/// A column being read.
pub(crate) struct TickReader<'a> {
    last: u64,
    planes: [Reader<'a>; 3],
}

/// The column that [`Ticks::put`] wrote.
pub(crate) fn read<'a>(reader: &mut Reader<'a>, begin_ticks: u64) -> Result<TickReader<'a>> {
    let first = reader.signed("first tick")?.cast_unsigned();
    let mut plane = || super::column(reader, "ticks");
    Ok(TickReader { last: begin_ticks.wrapping_add(first), planes: [plane()?, plane()?, plane()?] })
}

impl TickReader<'_> {
    #[inline]
    pub(crate) fn next(&mut self) -> Result<u64> {
        let delta = match self.integer()? {
            0 => !self.integer()?,
            above => above - 1,
        };
        self.last = self.last.wrapping_add(delta);
        Ok(self.last)
    }

    #[inline]
    fn integer(&mut self) -> Result<u64> {
        let [first, second, others] = &mut self.planes;
        let low = first.byte("ticks")?;
        if low < 0x80 {
            return Ok(u64::from(low));
        }
        let high = second.byte("ticks")?;
        let value = u64::from(low & 0x7f) | u64::from(high & 0x7f) << 7;
        if high < 0x80 {
            return Ok(value);
        }
        let others = others.unsigned("ticks")?;
        if others >= 1 << 50 {
            return Err(Error::invalid("ticks", "an integer of more than 64 bits"));
        }
        Ok(value | others << 14)
    }

    /// At least one byte for each event: so many events are there at most.
    pub(crate) fn check_count(&self, count: usize) -> Result<()> {
        let bytes = self.planes[0].left();
        if count <= bytes { Ok(()) } else { Err(Error::invalid("ticks", format!("{bytes} bytes for {count} events"))) }
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.planes.into_iter().try_for_each(|plane| plane.finish("ticks"))
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
        let planes: [&[u8]; 3] = [&[0x80], &[0x80], &others];
        let mut reader = TickReader { last: 0, planes: planes.map(Reader::new) };
        assert!(matches!(reader.next(), Err(Error::Invalid { .. })));
    }
}
