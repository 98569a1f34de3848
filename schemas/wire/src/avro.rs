//! The few Avro types that our schemas use, in Avro's binary encoding.
//!
//! A version of a schema is the list of its fields, in order. Reading goes through that list and leaves what an older version lacks at its
//! default, so a new version is a new list, and no reader of an old one is touched.

use crate::{Error, Result, limits::STRING_BYTES_MAX, varint, varint::Reader};

/// A version of a record's schema: what its fingerprint is, and which fields it has in which order.
pub(crate) struct Version<Field: 'static> {
    pub(crate) fingerprint: u64,
    pub(crate) fields: &'static [Field],
}

/// The version that a record names, among `versions`.
pub(crate) fn version_of<'a, Field>(record: &[u8], versions: &'a [Version<Field>]) -> Result<&'a Version<Field>> {
    version(crate::schema::fingerprint(record)?, versions)
}

/// The version of that fingerprint, among `versions`.
pub(crate) fn version<Field>(fingerprint: u64, versions: &[Version<Field>]) -> Result<&Version<Field>> {
    versions.iter().find(|version| version.fingerprint == fingerprint).ok_or(Error::UnknownSchema { fingerprint })
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    varint::put_signed(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

pub(crate) fn put_string(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, cut(text, STRING_BYTES_MAX).as_bytes());
}

/// An unsigned number as a `long` of the same 64 bits.
pub(crate) fn put_unsigned(out: &mut Vec<u8>, value: u64) {
    varint::put_signed(out, value.cast_signed());
}

/// A union with null as its first branch.
pub(crate) fn put_option<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    varint::put_signed(out, i64::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// A map, as one block and the empty block that ends it.
pub(crate) fn put_map<T>(
    out: &mut Vec<u8>,
    entries: impl ExactSizeIterator<Item = T>,
    mut put: impl FnMut(&mut Vec<u8>, T),
) {
    if entries.len() > 0 {
        varint::put_signed(out, entries.len() as i64);
        for entry in entries {
            put(out, entry);
        }
    }
    varint::put_signed(out, 0);
}

/// The longest start of `text` that has at most `bytes_max` bytes and ends at a character boundary.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

pub(crate) fn bytes<'a>(reader: &mut Reader<'a>, field: &'static str, bytes_max: usize) -> Result<&'a [u8]> {
    let count = u64::try_from(reader.signed(field)?).map_err(|_| Error::invalid(field, "a negative length"))?;
    Error::within(field, count, bytes_max)?;
    reader.take(field, count)
}

pub(crate) fn string<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<&'a str> {
    std::str::from_utf8(bytes(reader, field, STRING_BYTES_MAX)?).map_err(|_| Error::invalid(field, "not UTF-8"))
}

/// A number that may use all 64 bits.
pub(crate) fn bits(reader: &mut Reader<'_>, field: &'static str) -> Result<u64> {
    reader.signed(field).map(i64::cast_unsigned)
}

/// A number from 0 to 2^63 − 1.
pub(crate) fn count(reader: &mut Reader<'_>, field: &'static str) -> Result<u64> {
    u64::try_from(reader.signed(field)?).map_err(|_| Error::invalid(field, "negative"))
}

/// A number from 0 to 2^32 − 1.
pub(crate) fn small(reader: &mut Reader<'_>, field: &'static str) -> Result<u32> {
    u32::try_from(reader.signed(field)?).map_err(|_| Error::invalid(field, "not a number of 32 bits"))
}

pub(crate) fn option<'a, T>(
    reader: &mut Reader<'a>,
    field: &'static str,
    value: impl FnOnce(&mut Reader<'a>) -> Result<T>,
) -> Result<Option<T>> {
    match reader.signed(field)? {
        0 => Ok(None),
        1 => value(reader).map(Some),
        branch => Err(Error::invalid(field, format!("branch {branch} of a union of two"))),
    }
}

/// Calls `entry` for each entry of a map of at most `entries_max`.
pub(crate) fn map<'a>(
    reader: &mut Reader<'a>,
    field: &'static str,
    entries_max: usize,
    mut entry: impl FnMut(&mut Reader<'a>) -> Result<()>,
) -> Result<()> {
    let mut total = 0u64;
    loop {
        let count = reader.signed(field)?;
        if count == 0 {
            return Ok(());
        }
        // A negative count is followed by the size of the map's block in bytes, for those who skip it.
        if count < 0 {
            reader.signed(field)?;
        }
        total = total.saturating_add(count.unsigned_abs());
        Error::within(field, total, entries_max)?;
        for _ in 0..count.unsigned_abs() {
            entry(reader)?;
        }
    }
}

#[cfg(test)]
pub(crate) mod reference;
