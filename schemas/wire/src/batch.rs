//! The body of `POST /v1/records`: a length-prefixed list of (topic, record).
//!
//! Each entry is one byte of topic-name length, the topic's name, the record's length as four bytes (little endian), the record.
//! The media type is [`CONTENT_TYPE`].

use crate::Result;

/// The media type of a batch.
pub const CONTENT_TYPE: &str = "application/vnd.framelake.records";

/// Appends one entry to `body`.
pub fn push(_body: &mut Vec<u8>, _topic: &str, _record: &[u8]) {
    todo!()
}

/// The bytes that [`push`] adds for a record of `record_bytes`.
#[must_use]
pub fn entry_bytes(topic: &str, record_bytes: usize) -> usize {
    1 + topic.len() + 4 + record_bytes
}

/// The entries of `body`, borrowed from it. Topic names are not checked here: an unknown one rejects its record, not the batch.
///
/// # Errors
/// The framing is unreadable: a length beyond the end, a topic name that is not UTF-8.
pub fn split(_body: &[u8]) -> Result<Vec<(&str, &[u8])>> {
    todo!()
}
