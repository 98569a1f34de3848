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
        PlaneReader::of(self.planes.each_ref().map(Vec::as_slice))
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
    planes: [&'a [u8]; PLANES],
    /// Bytes read of each.
    at: [usize; PLANES],
}

/// The columns that [`Planes::append`] wrote.
pub(crate) fn read<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<PlaneReader<'a>> {
    let mut plane = || column(reader, field).map(|column| column.rest());
    Ok(PlaneReader::of([plane()?, plane()?, plane()?]))
}

impl<'a> PlaneReader<'a> {
    pub(crate) fn of(planes: [&'a [u8]; PLANES]) -> Self {
        Self { planes, at: [0; PLANES] }
    }

    /// The next integer.
    // How many bytes it has is noise in most columns: a processor that has to guess is wrong about a fifth of the time. So nothing branches on it while
    // the third column has one byte of it at most.
    #[inline(always)]
    pub(crate) fn next(&mut self, field: &'static str) -> Result<u64> {
        let byte = |plane: usize| self.planes[plane].get(self.at[plane]).copied();
        let Some(low) = byte(0) else { return Err(Error::Truncated { field, needed: 1, left: 0 }) };
        let (high, other) = (byte(1).unwrap_or(0), byte(2).unwrap_or(0));
        let more = low >> 7;
        let most = more & high >> 7;
        // Only the shortest encoding is one.
        let is_wrong = (more != 0 && high == 0) | (most != 0 && !(1..0x80).contains(&other));
        if is_wrong {
            return self.next_long(field);
        }
        self.at[0] += 1;
        self.at[1] += usize::from(more);
        self.at[2] += usize::from(most);
        let high = u64::from(high & 0x7f) * u64::from(more);
        let other = u64::from(other) * u64::from(most);
        Ok(u64::from(low & 0x7f) | high << 7 | other << 14)
    }

    /// The next integer of more than 21 bits, or what is wrong with it.
    #[inline(never)]
    fn next_long(&mut self, field: &'static str) -> Result<u64> {
        let mut planes = [0, 1, 2].map(|plane| Reader::new(&self.planes[plane][self.at[plane]..]));
        let [first, second, others] = &mut planes;
        let (low, high) = (first.byte(field)?, second.byte(field)?);
        let value = u64::from(low & 0x7f) | u64::from(high & 0x7f) << 7;
        let above = if high == 0 { 0 } else { others.unsigned(field)? };
        for (at, (plane, left)) in self.at.iter_mut().zip(self.planes.iter().zip(planes)) {
            *at = plane.len() - left.left();
        }
        match above {
            1..0x4_0000_0000_0000 => Ok(value | above << 14),
            0 => Err(Error::invalid(field, "an integer in more bytes than it needs")),
            _ => Err(Error::invalid(field, "an integer of more than 64 bits")),
        }
    }

    /// There are at most so many integers left: each has at least a byte.
    pub(crate) fn left(&self) -> usize {
        self.planes[0].len() - self.at[0]
    }

    pub(crate) fn finish(self, field: &'static str) -> Result<()> {
        self.planes.into_iter().zip(self.at).try_for_each(|(plane, at)| Reader::new(&plane[at..]).finish(field))
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
