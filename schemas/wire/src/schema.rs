//! The Avro schemas of records, their fingerprints, and the ten bytes before each record's body.
//!
//! A record is an Avro single object: the marker C3 01, the CRC-64-AVRO fingerprint of the schema's parsing canonical form (little
//! endian), the body. A body without those ten bytes is what an Avro object container file holds.

use crate::{Error, RecordKind, Result};

/// The Avro schema of [`crate::Block`] records, as JSON.
pub const BLOCK_SCHEMA: &str = include_str!("../../avro/block.avsc");
/// The Avro schema of [`crate::Process`] records, as JSON.
pub const PROCESS_SCHEMA: &str = include_str!("../../avro/process.avsc");
/// The CRC-64-AVRO fingerprint of [`BLOCK_SCHEMA`].
pub const BLOCK_FINGERPRINT: u64 = 0xc005_1eb2_a521_4608;
/// The CRC-64-AVRO fingerprint of [`PROCESS_SCHEMA`].
pub const PROCESS_FINGERPRINT: u64 = 0x9f10_afa5_7536_3d21;

const MARKER: [u8; 2] = [0xc3, 0x01];
/// Length of the Avro single-object header.
const HEADER_BYTES: usize = 10;

/// A record: the single-object header of the newest schema of `kind`, then `body`.
#[must_use]
pub fn single_object(kind: RecordKind, body: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEADER_BYTES + body.len());
    put_header(&mut record, kind);
    record.extend_from_slice(body);
    record
}

/// A record of the schema that has this fingerprint: its single-object header, then `body`.
#[must_use]
pub fn single_object_of(fingerprint: u64, body: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEADER_BYTES + body.len());
    put_fingerprint(&mut record, fingerprint);
    record.extend_from_slice(body);
    record
}

/// The body of a record: all but its single-object header. Empty where the record is shorter than that.
#[must_use]
pub fn record_body(record: &[u8]) -> &[u8] {
    record.get(HEADER_BYTES..).unwrap_or_default()
}

pub(crate) fn put_header(record: &mut Vec<u8>, kind: RecordKind) {
    let fingerprint = match kind {
        RecordKind::Block => BLOCK_FINGERPRINT,
        RecordKind::Process => PROCESS_FINGERPRINT,
    };
    put_fingerprint(record, fingerprint);
}

fn put_fingerprint(record: &mut Vec<u8>, fingerprint: u64) {
    record.extend_from_slice(&MARKER);
    record.extend_from_slice(&fingerprint.to_le_bytes());
}

/// The fingerprint of the schema that a record names.
///
/// # Errors
/// It has no single-object header.
pub fn fingerprint(record: &[u8]) -> Result<u64> {
    let Some((header, _)) = record.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Error::Truncated {
            field: "single-object header",
            needed: HEADER_BYTES as u64,
            left: record.len() as u64,
        });
    };
    let [first, second, fingerprint @ ..] = *header;
    if [first, second] != MARKER {
        return Err(Error::invalid("single-object header", "the first two bytes are not c3 01"));
    }
    Ok(u64::from_le_bytes(fingerprint))
}
