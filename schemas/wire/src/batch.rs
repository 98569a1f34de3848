//! The body of `POST /v1/records`: a length-prefixed list of (topic, record).
//!
//! Each entry is one byte of topic-name length, the topic's name, the record's length as four bytes (little endian), the record.
//! The media type is [`CONTENT_TYPE`].

use crate::{Error, Result, varint::Reader};

/// The media type of a batch.
pub const CONTENT_TYPE: &str = "application/vnd.framelake.records";

/// Appends one entry to `body`. A topic's name has at most 255 bytes, a record at most [`crate::limits::RECORD_BYTES_MAX`].
///
/// # Panics
/// A name of more than 255 bytes or a record of more than 4 GiB: neither can be written.
pub fn push(body: &mut Vec<u8>, topic: &str, record: &[u8]) {
    body.push(u8::try_from(topic.len()).expect("a topic's name has at most 255 bytes"));
    body.extend_from_slice(topic.as_bytes());
    body.extend_from_slice(&u32::try_from(record.len()).expect("a record has less than 4 GiB").to_le_bytes());
    body.extend_from_slice(record);
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
pub fn split(body: &[u8]) -> Result<Vec<(&str, &[u8])>> {
    let mut entries = Vec::new();
    let mut reader = Reader::new(body);
    while reader.left() > 0 {
        let [topic_bytes] = reader.array("batch topic length")?;
        let topic = std::str::from_utf8(reader.take("batch topic", u64::from(topic_bytes))?)
            .map_err(|_| Error::invalid("batch topic", "not UTF-8"))?;
        let record_bytes = u32::from_le_bytes(reader.array("batch record length")?);
        entries.push((topic, reader.take("batch record", u64::from(record_bytes))?));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_in_order() {
        let entries: [(&str, &[u8]); 3] = [("framelake.logs", b"one"), ("", b""), ("framelake.spans", &[7; 300])];
        let mut body = Vec::new();
        let mut bytes = 0;
        for (topic, record) in entries {
            push(&mut body, topic, record);
            bytes += entry_bytes(topic, record.len());
        }
        assert_eq!(body.len(), bytes);
        assert_eq!(split(&body).unwrap(), entries);
        assert_eq!(split(&[]).unwrap(), []);
    }

    #[test]
    fn broken_framing_is_an_error_at_every_cut() {
        let mut body = Vec::new();
        push(&mut body, "framelake.logs", b"record");
        for cut in 1..body.len() {
            assert!(matches!(split(&body[..cut]), Err(Error::Truncated { .. })), "cut at {cut}");
        }
        body[1] = 0xff;
        assert!(matches!(split(&body), Err(Error::Invalid { field: "batch topic", .. })));
    }
}
