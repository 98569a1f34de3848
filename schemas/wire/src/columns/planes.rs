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
    #[inline]
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
            let (value, bytes) = next_long([low, high], self.planes[1].len() - self.at[1], self.others(), field)?;
            self.at = [self.at[0] + 1, self.at[1] + 1, self.at[2] + bytes];
            return Ok(value);
        }
        self.at[0] += 1;
        self.at[1] += usize::from(more);
        self.at[2] += usize::from(most);
        let high = u64::from(high & 0x7f) * u64::from(more);
        let other = u64::from(other) * u64::from(most);
        Ok(u64::from(low & 0x7f) | high << 7 | other << 14)
    }

    /// The next `out.len()` integers.
    #[inline(always)]
    pub(crate) fn fill(&mut self, out: &mut [u64], field: &'static str) -> Result<()> {
        let next = self.planes[0].get(self.at[0]..self.at[0] + out.len()).unwrap_or_default();
        if next.len() == out.len() && next.iter().fold(0, |most, &byte| most | byte) < 0x80 {
            // Small ones, as most numbers of texts are: a byte each.
            out.iter_mut().zip(next).for_each(|(value, &byte)| *value = u64::from(byte));
            self.at[0] += next.len();
            return Ok(());
        }
        out.iter_mut().try_for_each(|value| self.next(field).map(|next| *value = next))
    }

    /// What is left of the third column.
    fn others(&self) -> &'a [u8] {
        self.planes[2].get(self.at[2]..).unwrap_or_default()
    }

    /// There are at most so many integers left: each has at least a byte.
    pub(crate) fn left(&self) -> usize {
        self.planes[0].len() - self.at[0]
    }

    pub(crate) fn finish(self, field: &'static str) -> Result<()> {
        self.planes.into_iter().zip(self.at).try_for_each(|(plane, at)| Reader::new(&plane[at..]).finish(field))
    }
}

/// The integer of more than 21 bits whose first two bytes are those, the second one of `left`, the others at the begin of `others`, and how many of these it
/// takes; or what is wrong with it.
// Nothing leads to the reader from here: so loops keep it in registers.
#[inline(never)]
fn next_long([low, high]: [u8; 2], left: usize, others: &[u8], field: &'static str) -> Result<(u64, usize)> {
    if left == 0 {
        return Err(Error::Truncated { field, needed: 1, left: 0 });
    }
    let mut reader = Reader::new(others);
    let above = if high < 0x80 { 0 } else { reader.unsigned(field)? };
    let value = u64::from(low & 0x7f) | u64::from(high & 0x7f) << 7 | above << 14;
    match above {
        1..0x4_0000_0000_0000 => Ok((value, others.len() - reader.left())),
        0 => Err(Error::invalid(field, "an integer in more bytes than it needs")),
        _ => Err(Error::invalid(field, "an integer of more than 64 bits")),
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
