//! The bytes of a spool's file: a magic, then records one after another, each with its length and its checksum. No files here.
//!
//! A record is its length (4 bytes) and CRC32C (4 bytes) of what follows: one byte of topic-name length, the topic's name, the process id (16),
//! the stream id (16; zeros where the record has no rows), the rows (8; all ones where it has none), the record's own bytes. Numbers are little endian.

use crate::{Hold, Outgoing, Rows};
use framelake_wire::{ProcessId, StreamId, Topic};
use std::io::{self, Read};

/// What a file of this version begins with.
pub(crate) const MAGIC: [u8; 8] = *b"FLSPOOL1";
/// Length and checksum.
const PREFIX_BYTES: usize = 8;
/// Topic-name length, process id, stream id, rows.
const FIXED_BYTES: usize = 1 + 16 + 16 + 8;
const NO_ROWS: u64 = u64::MAX;

/// What [`push`] adds for `record`.
pub(crate) fn record_bytes(record: &Outgoing) -> u64 {
    (PREFIX_BYTES + FIXED_BYTES + record.topic.name().len() + record.bytes.len()) as u64
}

/// Appends `record` to `buffer`.
///
/// # Panics
/// A record of 4 GiB: none is sealed.
pub(crate) fn push(buffer: &mut Vec<u8>, record: &Outgoing) {
    let begin = buffer.len();
    buffer.extend_from_slice(&[0; PREFIX_BYTES]);
    let topic = record.topic.name();
    buffer.push(u8::try_from(topic.len()).expect("a topic's name has at most 255 bytes"));
    buffer.extend_from_slice(topic.as_bytes());
    buffer.extend_from_slice(record.process_id.as_bytes());
    let (stream_id, count) = record.rows.map_or(([0; 16], NO_ROWS), |rows| (*rows.stream_id.as_bytes(), rows.count));
    buffer.extend_from_slice(&stream_id);
    buffer.extend_from_slice(&count.to_le_bytes());
    buffer.extend_from_slice(&record.bytes);
    let content = &buffer[begin + PREFIX_BYTES..];
    let length = u32::try_from(content.len()).expect("a record has less than 4 GiB");
    let checksum = crc32c::crc32c(content);
    buffer[begin..begin + 4].copy_from_slice(&length.to_le_bytes());
    buffer[begin + 4..begin + 8].copy_from_slice(&checksum.to_le_bytes());
}

/// What stands next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Record(Outgoing),
    /// The file ends behind the last record.
    End,
    /// What follows is no whole record: the writer died in the middle of it, or the disk lost it.
    Torn,
}

/// Reads the next record of `input`, of which `left` bytes are left.
///
/// # Errors
/// `input` cannot be read. That it ends too early is [`Next::Torn`].
pub(crate) fn next(input: &mut impl Read, left: u64) -> io::Result<Next> {
    if left == 0 {
        return Ok(Next::End);
    }
    let mut prefix = [0; PREFIX_BYTES];
    if left < PREFIX_BYTES as u64 || !fill(input, &mut prefix)? {
        return Ok(Next::Torn);
    }
    let number = |at: usize| u32::from_le_bytes([prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]]);
    let (length, checksum) = (number(0), number(4));
    // A length that leads beyond the file is not believed, so nothing is allocated for it.
    if u64::from(length) > left - PREFIX_BYTES as u64 {
        return Ok(Next::Torn);
    }
    let mut content = vec![0; length as usize];
    if !fill(input, &mut content)? || crc32c::crc32c(&content) != checksum {
        return Ok(Next::Torn);
    }
    Ok(decode(content).map_or(Next::Torn, Next::Record))
}

/// The record in `content`, whose front goes and whose rest becomes the record's bytes.
fn decode(mut content: Vec<u8>) -> Option<Outgoing> {
    let (topic_bytes, rest) = content.split_first()?;
    let (topic, rest) = rest.split_at_checked(usize::from(*topic_bytes))?;
    let topic = Topic::from_name(std::str::from_utf8(topic).ok()?)?;
    let (process_id, rest) = rest.split_first_chunk::<16>()?;
    let (stream_id, rest) = rest.split_first_chunk::<16>()?;
    let (count, rest) = rest.split_first_chunk::<8>()?;
    let count = u64::from_le_bytes(*count);
    let rows = (count != NO_ROWS).then(|| Rows { stream_id: StreamId::from_bytes(*stream_id), count });
    let process_id = ProcessId::from_bytes(*process_id);
    let begin = content.len() - rest.len();
    content.drain(..begin);
    // Its file says whether it is, where somebody asks.
    Some(Outgoing { topic, is_attachment: false, process_id, bytes: content, rows, hold: Hold::default() })
}

/// Fills `buffer`; `false` where the input ends before.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> [Outgoing; 3] {
        let process_id = ProcessId::from_bytes([1; 16]);
        let rows = Some(Rows { stream_id: StreamId::from_bytes([2; 16]), count: 3 });
        [
            Outgoing {
                topic: Topic::Processes,
                is_attachment: false,
                process_id,
                bytes: b"process".to_vec(),
                rows: None,
                hold: Hold::default(),
            },
            Outgoing {
                topic: Topic::Logs,
                is_attachment: false,
                process_id,
                bytes: Vec::new(),
                rows,
                hold: Hold::default(),
            },
            Outgoing {
                topic: Topic::Spans,
                is_attachment: false,
                process_id,
                bytes: vec![7; 300],
                rows,
                hold: Hold::default(),
            },
        ]
    }

    fn read_all(mut bytes: &[u8]) -> (Vec<Outgoing>, Next) {
        let mut records = Vec::new();
        loop {
            let left = bytes.len() as u64;
            match next(&mut bytes, left).unwrap() {
                Next::Record(record) => records.push(record),
                end => return (records, end),
            }
        }
    }

    #[test]
    fn records_come_back_byte_for_byte() {
        let mut bytes = Vec::new();
        let mut expected = 0;
        for record in records() {
            push(&mut bytes, &record);
            expected += record_bytes(&record);
        }
        assert_eq!(bytes.len() as u64, expected);
        assert_eq!(read_all(&bytes), (records().to_vec(), Next::End));
    }

    #[test]
    fn a_cut_or_a_flipped_bit_anywhere_ends_the_file_before_its_record() {
        let [first, _, last] = records();
        let mut bytes = Vec::new();
        push(&mut bytes, &first);
        let begin = bytes.len();
        push(&mut bytes, &last);
        for cut in begin + 1..bytes.len() {
            assert_eq!(read_all(&bytes[..cut]), (vec![first.clone()], Next::Torn), "cut at {cut}");
        }
        for at in begin..bytes.len() {
            bytes[at] ^= 0x10;
            assert_eq!(read_all(&bytes), (vec![first.clone()], Next::Torn), "flipped at {at}");
            bytes[at] ^= 0x10;
        }
    }

    /// Files that stand on somebody's disk are read by every later version.
    #[test]
    fn version_one_stays_readable() {
        let golden: &[u8] = b"\x3a\0\0\0\xe3\xbf\x80\x90\x0eframelake.logs\
            \x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\
            \x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\
            \x03\0\0\0\0\0\0\0abc";
        let record = Outgoing { bytes: b"abc".to_vec(), ..records()[1].clone() };
        let mut written = Vec::new();
        push(&mut written, &record);
        assert_eq!(written, golden);
        assert_eq!(read_all(golden), (vec![record], Next::End));
        assert_eq!(&MAGIC, b"FLSPOOL1");
    }
}
