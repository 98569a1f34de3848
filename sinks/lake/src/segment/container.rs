//! The Avro object container file, as the Avro specification 1.12 has it: a header, then blocks of entries, each closed by the sync marker.

use bytes::Bytes;
use framelake_wire::Topic;
use sha2::{Digest, Sha256};

const MAGIC: &[u8] = b"Obj\x01";
const SYNC_BYTES: usize = 16;
/// A file block is closed once it has 1 MiB: what a reader holds at a time.
const FILE_BLOCK_BYTES: usize = 1024 * 1024;

/// Where a record stood.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) partition: u32,
    pub(super) offset: i64,
    pub(super) key: &'a [u8],
}

/// A container file being written.
///
/// The sync marker is derived from all other bytes, so its places are kept and filled at the end. The two lengths before each file block are
/// varints; they are written at a fixed width (padded with zero groups, which every Avro reader takes), so that offsets are known at once.
#[derive(Debug)]
pub(super) struct Container {
    bytes: Vec<u8>,
    syncs: Vec<usize>,
    /// Where the lengths of the open file block stand, and how many entries it has.
    open: Option<(usize, u64)>,
}

/// Seven bits a byte: five bytes hold the lengths of a segment, which is below 2^34 bytes.
const LENGTH_BYTES: usize = 5;

impl Container {
    pub(super) fn new(schema: &str, topic: Topic, runs: &str) -> Self {
        let mut bytes = Vec::with_capacity(FILE_BLOCK_BYTES);
        bytes.extend_from_slice(MAGIC);
        let meta = [
            ("avro.codec", "null"),
            ("avro.schema", schema),
            ("framelake.runs", runs),
            ("framelake.topic", topic.name()),
        ];
        put_long(&mut bytes, meta.len() as i64);
        for (name, value) in meta {
            put_bytes(&mut bytes, name.as_bytes());
            put_bytes(&mut bytes, value.as_bytes());
        }
        put_long(&mut bytes, 0);
        let mut container = Self { bytes, syncs: Vec::new(), open: None };
        container.put_sync();
        container
    }

    /// Adds an entry whose record is branch `branch` of the union, its Avro body given; returns where the body begins in the file.
    pub(super) fn push(&mut self, head: &Head<'_>, branch: i64, body: &[u8]) -> u64 {
        self.begin(head, branch);
        let at = self.bytes.len();
        self.bytes.extend_from_slice(body);
        self.end();
        at as u64
    }

    /// Adds an entry whose record is plain bytes.
    pub(super) fn push_bytes(&mut self, head: &Head<'_>, value: &[u8]) {
        self.begin(head, super::schema::BYTES);
        put_bytes(&mut self.bytes, value);
        self.end();
    }

    /// The file, and the hash of all but its sync markers.
    pub(super) fn finish(mut self) -> (Bytes, [u8; 32]) {
        self.close();
        // With the places of the markers still zero.
        let hash: [u8; 32] = Sha256::digest(&self.bytes).into();
        for at in self.syncs {
            self.bytes[at..at + SYNC_BYTES].copy_from_slice(&hash[..SYNC_BYTES]);
        }
        (self.bytes.into(), hash)
    }

    fn begin(&mut self, head: &Head<'_>, branch: i64) {
        if self.open.is_none() {
            self.open = Some((self.bytes.len(), 0));
            self.bytes.extend_from_slice(&[0; 2 * LENGTH_BYTES]);
        }
        put_long(&mut self.bytes, head.partition.into());
        put_long(&mut self.bytes, head.offset);
        put_bytes(&mut self.bytes, head.key);
        put_long(&mut self.bytes, branch);
    }

    fn end(&mut self) {
        let Some((at, count)) = &mut self.open else { return };
        *count += 1;
        if self.bytes.len() - *at >= FILE_BLOCK_BYTES {
            self.close();
        }
    }

    fn close(&mut self) {
        let Some((at, count)) = self.open.take() else { return };
        let data = at + 2 * LENGTH_BYTES;
        let length = (self.bytes.len() - data) as u64;
        self.bytes[at..at + LENGTH_BYTES].copy_from_slice(&padded_long(count));
        self.bytes[at + LENGTH_BYTES..data].copy_from_slice(&padded_long(length));
        self.put_sync();
    }

    fn put_sync(&mut self) {
        self.syncs.push(self.bytes.len());
        self.bytes.extend_from_slice(&[0; SYNC_BYTES]);
    }
}

fn put_bytes(out: &mut Vec<u8>, value: &[u8]) {
    put_long(out, value.len() as i64);
    out.extend_from_slice(value);
}

/// Avro's long: zigzag, then seven bits a byte, the least first.
fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

/// A long of always the same width.
fn padded_long(value: u64) -> [u8; LENGTH_BYTES] {
    let mut zigzag = value << 1;
    assert!(zigzag < 1 << (7 * LENGTH_BYTES), "a segment is cut long before it has 16 GiB");
    std::array::from_fn(|index| {
        let more = if index + 1 < LENGTH_BYTES { 0x80 } else { 0 };
        let byte = zigzag as u8 & 0x7f | more;
        zigzag >>= 7;
        byte
    })
}
