//! Variable-length integers: LEB128, and zigzag for signed ones. Avro's `long` is the zigzag one.
//!
//! An integer has one encoding, the shortest, and readers refuse others: so a header has one encoding too, and the CRC computed over what was
//! read is the one in the record.

use crate::{Error, Result};

/// Appends `value` in 1 to 10 bytes.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends `value`, small magnitudes in few bytes.
#[inline]
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, zigzag(value));
}

#[inline]
pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

#[inline]
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// What is left to read of some bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next byte.
    #[inline]
    pub(crate) fn byte(&mut self, field: &'static str) -> Result<u8> {
        match *self.rest {
            [byte, ref rest @ ..] => {
                self.rest = rest;
                Ok(byte)
            }
            [] => Err(Error::Truncated { field, needed: 1, left: 0 }),
        }
    }

    /// All bytes that are left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next integer that [`put`] wrote.
    #[inline]
    pub(crate) fn unsigned(&mut self, field: &'static str) -> Result<u64> {
        match *self.rest {
            [byte, ref rest @ ..] if byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            [low, high, ref rest @ ..] if (1..0x80).contains(&high) => {
                self.rest = rest;
                Ok(u64::from(low & 0x7f) | u64::from(high) << 7)
            }
            _ => self.long_unsigned(field),
        }
    }

    fn long_unsigned(&mut self, field: &'static str) -> Result<u64> {
        let mut value = 0u64;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                if index == 9 && byte > 1 {
                    break;
                }
                if index > 0 && byte == 0 {
                    return Err(Error::invalid(field, "an integer in more bytes than it needs"));
                }
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        if self.rest.len() < 10 {
            let left = self.rest.len() as u64;
            return Err(Error::Truncated { field, needed: left + 1, left });
        }
        Err(Error::invalid(field, "an integer of more than 64 bits"))
    }

    /// The next integer that [`put_signed`] wrote.
    #[inline]
    pub(crate) fn signed(&mut self, field: &'static str) -> Result<i64> {
        self.unsigned(field).map(unzigzag)
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, field: &'static str, count: u64) -> Result<&'a [u8]> {
        match usize::try_from(count).ok().and_then(|count| self.rest.split_at_checked(count)) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Error::Truncated { field, needed: count, left: self.rest.len() as u64 }),
        }
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(field, N as u64)?);
        Ok(array)
    }

    /// Nothing may be left.
    pub(crate) fn finish(self, field: &'static str) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Error::invalid(field, format!("{} bytes too many", self.rest.len())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_length_come_back() {
        let mut values = vec![0, u64::MAX];
        values.extend((0..64).flat_map(|bit| [1u64 << bit, (1 << bit) - 1, (1 << bit) + 1]));
        let mut bytes = Vec::new();
        for &value in &values {
            put(&mut bytes, value);
            put_signed(&mut bytes, value.cast_signed());
        }
        let mut reader = Reader::new(&bytes);
        for &value in &values {
            assert_eq!(reader.unsigned("value"), Ok(value));
            assert_eq!(reader.signed("value"), Ok(value.cast_signed()));
        }
        reader.finish("value").unwrap();
    }

    #[test]
    fn integers_beyond_64_bits_and_cut_ones_are_refused() {
        assert!(matches!(Reader::new(&[0x80; 9]).unsigned("x"), Err(Error::Truncated { .. })));
        assert!(matches!(Reader::new(&[0xff; 11]).unsigned("x"), Err(Error::Invalid { .. })));
        let mut bytes = [0xff; 10];
        bytes[9] = 2;
        assert!(matches!(Reader::new(&bytes).unsigned("x"), Err(Error::Invalid { .. })));
    }

    #[test]
    fn integers_in_more_bytes_than_they_need_are_refused() {
        for length in 1..10 {
            let mut bytes = vec![0x81; length];
            bytes.push(0);
            assert!(matches!(Reader::new(&bytes).unsigned("x"), Err(Error::Invalid { .. })), "{length}");
        }
    }
}
