//! Headers as they stand in the file: for each the name's length (u16), the name, the value's length (u32), the value; little endian.

use bytes::Bytes;

pub(super) fn encode(headers: &[(String, Bytes)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in headers {
        // Records are checked to be below a MiB, so values always fit; a longer name is cut where a character ends.
        let name = &name[..name.floor_char_boundary(usize::from(u16::MAX))];
        out.extend_from_slice(&u16::try_from(name.len()).expect("just cut").to_le_bytes());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&u32::try_from(value.len()).expect("records are below a MiB").to_le_bytes());
        out.extend_from_slice(value);
    }
    out
}

pub(super) fn decode(mut bytes: &[u8]) -> Result<Vec<(String, Bytes)>, &'static str> {
    let mut headers = Vec::new();
    while !bytes.is_empty() {
        let name_bytes = u16::from_le_bytes(*bytes.split_off_array()?);
        let name = bytes.split_off_slice(name_bytes.into())?;
        let name = std::str::from_utf8(name).map_err(|_| "a header's name is not UTF-8; the file is damaged")?;
        let value_bytes = u32::from_le_bytes(*bytes.split_off_array()?);
        let value = bytes.split_off_slice(value_bytes as usize)?;
        headers.push((name.to_owned(), Bytes::copy_from_slice(value)));
    }
    Ok(headers)
}

trait Take<'a> {
    fn split_off_array<const N: usize>(&mut self) -> Result<&'a [u8; N], &'static str>;
    fn split_off_slice(&mut self, len: usize) -> Result<&'a [u8], &'static str>;
}

const TRUNCATED: &str = "a record's headers end early; the file is damaged";

impl<'a> Take<'a> for &'a [u8] {
    fn split_off_array<const N: usize>(&mut self) -> Result<&'a [u8; N], &'static str> {
        let (taken, rest) = self.split_first_chunk().ok_or(TRUNCATED)?;
        *self = rest;
        Ok(taken)
    }

    fn split_off_slice(&mut self, len: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.split_at_checked(len).ok_or(TRUNCATED)?;
        *self = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were_and_cut_ones_are_refused() {
        let headers = vec![("ä".to_owned(), Bytes::from_static(b"\0\xff")), (String::new(), Bytes::new())];
        let bytes = encode(&headers);
        assert_eq!(decode(&bytes), Ok(headers));
        // The last entry is six zero bytes: cut after the first entry, what is left is whole.
        let whole = bytes.len() - 6;
        for len in (1..bytes.len()).filter(|len| *len != whole) {
            assert!(decode(&bytes[..len]).is_err(), "cut to {len}");
        }
    }
}
