//! Integers as LEB128, their bytes in three columns: all first bytes, all second ones, all others.
//!
//! First bytes are noise, second ones are few values: side by side each compresses as well as it can.

use super::{column, frame::Opened};
use crate::{Error, Result, varint, varint::Reader};

const PLANES: usize = 3;

/// Integers being written.
#[derive(Debug, Default)]
pub(crate) struct Planes {
    planes: [Vec<u8>; PLANES],
}

impl Planes {
    #[inline]
    pub(crate) fn put(&mut self, value: u64) {
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

    /// Bytes of all columns, their lengths before them included.
    pub(crate) fn bytes(&self) -> usize {
        self.planes.iter().map(Vec::len).sum::<usize>() + 4 * PLANES
    }

    /// The reader that [`read`] will be of what [`Planes::append`] wrote.
    pub(crate) fn reader(&self) -> PlaneReader<'_> {
        PlaneReader { planes: self.planes.each_ref().map(|plane| Reader::new(plane)) }
    }

    /// How long the columns are now: where other values begin.
    pub(crate) fn lengths(&self) -> [usize; PLANES] {
        self.planes.each_ref().map(Vec::len)
    }

    pub(crate) fn append(&self, out: &mut Opened) {
        self.append_cut(out, &[]);
    }

    /// As [`Planes::append`], a zstd block of its own for what lies between long ones of `cuts`.
    pub(crate) fn append_cut(&self, out: &mut Opened, cuts: &[[usize; PLANES]]) {
        for (index, plane) in self.planes.iter().enumerate() {
            out.column_cut(plane, cuts.iter().map(|cut| cut[index]));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.planes.iter_mut().for_each(Vec::clear);
    }
}

/// Integers being read.
pub(crate) struct PlaneReader<'a> {
    planes: [Reader<'a>; PLANES],
}

/// The columns that [`Planes::append`] wrote.
pub(crate) fn read<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<PlaneReader<'a>> {
    let mut plane = || column(reader, field);
    Ok(PlaneReader { planes: [plane()?, plane()?, plane()?] })
}

impl<'a> PlaneReader<'a> {
    #[inline]
    pub(crate) fn next(&mut self, field: &'static str) -> Result<u64> {
        let [first, second, others] = &mut self.planes;
        let low = first.byte(field)?;
        if low < 0x80 {
            return Ok(u64::from(low));
        }
        let high = second.byte(field)?;
        let value = u64::from(low & 0x7f) | u64::from(high & 0x7f) << 7;
        // Only the shortest encoding is one.
        if (1..0x80).contains(&high) {
            return Ok(value);
        }
        let others = if high == 0 { 0 } else { others.unsigned(field)? };
        match others {
            1..0x4_0000_0000_0000 => Ok(value | others << 14),
            0 => Err(Error::invalid(field, "an integer in more bytes than it needs")),
            _ => Err(Error::invalid(field, "an integer of more than 64 bits")),
        }
    }

    /// There are at most so many integers left: each has at least a byte.
    pub(crate) fn left(&self) -> usize {
        self.planes[0].left()
    }

    pub(crate) fn finish(self, field: &'static str) -> Result<()> {
        self.planes.into_iter().try_for_each(|plane| plane.finish(field))
    }

    #[cfg(test)]
    pub(crate) fn of(planes: [&'a [u8]; PLANES]) -> Self {
        Self { planes: planes.map(Reader::new) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_in_more_bytes_than_they_need_are_refused() {
        for (planes, accepted) in [
            ([&[0x80][..], &[1][..], &[][..]], true),
            ([&[0x80], &[0], &[]], false),
            ([&[0x80], &[0x80], &[1]], true),
            ([&[0x80], &[0x80], &[0]], false),
        ] {
            assert_eq!(PlaneReader::of(planes).next("x").is_ok(), accepted, "{planes:?}");
        }
    }
}
