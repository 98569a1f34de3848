//! The block: a sealed, compressed, self-contained run of a stream's events.

use crate::{
    BlockId, Error, ProcessId, RecordKind, Result, StreamId, StreamKind, TimeMap, TimeSample, UnixNanos,
    avro::{self, Version},
    limits::{EVENTS_MAX, EXTENSIONS_BYTES_MAX, EXTENSIONS_MAX, PAYLOAD_BYTES_MAX, RECORD_BYTES_MAX},
    schema, varint,
    varint::Reader,
};

/// What is known of a block without opening its payload.
///
/// A row of a span stream is one span and takes one ordinal, given at its begin; it is made of two recorded
/// events, its begin and its end, and belongs to the block that holds the end. In every other kind of stream an
/// event is a row. See docs/decisions/0002-span-ordinals.md.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version of the payload's layout, from 1.
    pub format_version: u32,
    /// The run of the program that recorded the events.
    pub process_id: ProcessId,
    /// The stream the block is a part of.
    pub stream_id: StreamId,
    /// What the events are.
    pub kind: StreamKind,
    /// The name of the thread whose spans these are; empty for streams of a whole process.
    pub thread_name: String,
    /// The operating system's number of that thread; 0 for streams of a whole process.
    pub thread_number: u64,
    /// Which clock the ticks are of: `tsc`, `cntvct` or `monotonic`.
    pub clock_domain: String,
    /// This block's own id.
    pub block_id: BlockId,
    /// The block's number in its stream, dense from 0.
    pub sequence: u64,
    /// The first ordinal given out in this block.
    pub first_ordinal: u64,
    /// How many ordinals were given out in this block, those of dropped events included; the next block's
    /// `first_ordinal` is `first_ordinal + ordinal_count`.
    pub ordinal_count: u64,
    /// Recorded events in the payload (a span's begin and end are two).
    pub event_count: u64,
    /// Rows that decoding yields, spans still open not counted.
    pub row_count: u64,
    /// Ordinals of this block whose events were dropped before they were recorded; and frames that were open where marks were dropped.
    pub dropped_count: u64,
    /// All rows of this stream lost so far, up to the seal of this block: dropped before they were recorded, or in
    /// blocks that were shed. Cumulative, so that a block that never arrives takes no count with it.
    pub dropped_total: u64,
    /// Wall − monotonic at the anchor of this process's time.
    pub anchor_ns: i64,
    /// The clocks where the block begins; the end sample of the drain before.
    pub begin: TimeSample,
    /// The clocks where the block ends; shared by all blocks of one drain.
    pub end: TimeSample,
    /// The least time of the rows: the begin of the earliest span that ends here. Equals `max_time` = the end
    /// sample's time where there are no rows.
    pub min_time: UnixNanos,
    /// The greatest time of the rows.
    pub max_time: UnixNanos,
    /// What later versions say of a block and a reader may do without, by name, in the order in which it stands in the record: kept as it came by whoever
    /// passes a block on. No two have one name; at most 16, and 4 KiB in all.
    pub extensions: Vec<(String, Vec<u8>)>,
}

impl Header {
    /// The map from this block's ticks to UTC nanoseconds.
    #[must_use]
    pub fn time_map(&self) -> TimeMap {
        TimeMap::new(self.begin, self.end, self.anchor_ns)
    }

    /// What no field may contradict in another, whatever the kind.
    pub(crate) fn check(&self) -> Result<()> {
        const ORDINAL_MAX: u64 = i64::MAX as u64;
        Error::within("event_count", self.event_count, EVENTS_MAX)?;
        if self.sequence > ORDINAL_MAX {
            return Err(Error::invalid("sequence", "beyond 2^63"));
        }
        if self.first_ordinal.checked_add(self.ordinal_count).is_none_or(|next| next > ORDINAL_MAX) {
            return Err(Error::invalid("ordinal_count", "ordinals go beyond 2^63"));
        }
        // An open frame that is lost to a drop may have had its ordinal in a block before.
        if self.dropped_count > self.ordinal_count + 1 {
            return Err(Error::invalid("dropped_count", "more than ordinal_count"));
        }
        if self.row_count > self.event_count {
            return Err(Error::invalid("row_count", "more than event_count"));
        }
        if self.min_time > self.max_time {
            return Err(Error::invalid("min_time", "after max_time"));
        }
        Ok(())
    }

    /// A header of which nothing is known yet: what a field that an older version lacks stays at.
    fn unset() -> Self {
        Self {
            format_version: 0,
            process_id: ProcessId::from_bytes([0; 16]),
            stream_id: StreamId::from_bytes([0; 16]),
            kind: StreamKind::SPAN,
            thread_name: String::new(),
            thread_number: 0,
            clock_domain: String::new(),
            block_id: BlockId::from_bytes([0; 16]),
            sequence: 0,
            first_ordinal: 0,
            ordinal_count: 0,
            event_count: 0,
            row_count: 0,
            dropped_count: 0,
            dropped_total: 0,
            anchor_ns: 0,
            begin: TimeSample::default(),
            end: TimeSample::default(),
            min_time: 0,
            max_time: 0,
            extensions: Vec::new(),
        }
    }
}

/// A sealed block. It **is** its Avro record: [`Block::encode`] and [`Block::decode`] are the one authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What is known without opening the payload.
    pub header: Header,
    /// The zstd frame of the columns; opened by [`crate::decode`].
    pub payload: Vec<u8>,
}

impl Block {
    /// The block as an Avro single-object record, its CRC32C computed over header and payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut record = Vec::with_capacity(512 + self.header.thread_name.len() + self.payload.len());
        schema::put_header(&mut record, RecordKind::Block);
        self.write(FIELDS, &mut record);
        record
    }

    /// Reads a record that [`Block::encode`] wrote, now or in an older version. Checks sizes, kinds and the CRC; does not open the
    /// payload. Never panics, and allocates no more than the input's length plus 64 KiB.
    ///
    /// # Errors
    /// Names the field and what is wrong with it.
    pub fn decode(record: &[u8]) -> Result<Self> {
        Error::within("record", record.len() as u64, RECORD_BYTES_MAX)?;
        let version = avro::version_of(record, VERSIONS)?;
        Self::read(schema::record_body(record), version.fields)
    }

    /// The CRC32C that stands in the record: the identity of the bytes, by which a re-sent block is told from another one that
    /// claims the same (stream, sequence).
    ///
    /// Computed over the newest schema's bytes; [`Block::crc_in`] has that of a record of an older one.
    #[must_use]
    pub fn crc(&self) -> u32 {
        self.crc_over(FIELDS)
    }

    /// The CRC32C that stands in the block's record of the schema with this fingerprint: a block that came in an older record keeps the identity it had.
    ///
    /// # Errors
    /// [`Error::UnknownSchema`].
    pub fn crc_in(&self, schema: u64) -> Result<u32> {
        avro::version(schema, VERSIONS).map(|version| self.crc_over(version.fields))
    }

    fn crc_over(&self, fields: &[Field]) -> u32 {
        let mut before = Vec::with_capacity(512 + self.header.thread_name.len());
        for &field in fields.iter().filter(|&&field| field != Field::Crc && field != Field::Payload) {
            self.put(field, &mut before);
        }
        varint::put_signed(&mut before, self.payload.len() as i64);
        crc32c::crc32c_append(crc32c::crc32c(&before), &self.payload)
    }

    fn write(&self, fields: &[Field], record: &mut Vec<u8>) {
        let body_at = record.len();
        let mut crc_at = body_at;
        for &field in fields {
            if field == Field::Crc {
                crc_at = record.len();
            }
            self.put(field, record);
        }
        let crc = crc_around(&record[body_at..], crc_at - body_at);
        record[crc_at..crc_at + CRC_BYTES].copy_from_slice(&crc.to_be_bytes());
    }

    fn put(&self, field: Field, out: &mut Vec<u8>) {
        let header = &self.header;
        match field {
            Field::FormatVersion => avro::put_unsigned(out, u64::from(header.format_version)),
            Field::ProcessId => out.extend_from_slice(header.process_id.as_bytes()),
            Field::StreamId => out.extend_from_slice(header.stream_id.as_bytes()),
            Field::Kind => avro::put_string(out, header.kind.as_str()),
            Field::ThreadName => avro::put_string(out, &header.thread_name),
            Field::ThreadNumber => avro::put_unsigned(out, header.thread_number),
            Field::ClockDomain => avro::put_string(out, &header.clock_domain),
            Field::BlockId => out.extend_from_slice(header.block_id.as_bytes()),
            Field::Sequence => avro::put_unsigned(out, header.sequence),
            Field::FirstOrdinal => avro::put_unsigned(out, header.first_ordinal),
            Field::OrdinalCount => avro::put_unsigned(out, header.ordinal_count),
            Field::EventCount => avro::put_unsigned(out, header.event_count),
            Field::RowCount => avro::put_unsigned(out, header.row_count),
            Field::DroppedCount => avro::put_unsigned(out, header.dropped_count),
            Field::DroppedTotal => avro::put_unsigned(out, header.dropped_total),
            Field::AnchorNs => varint::put_signed(out, header.anchor_ns),
            Field::Begin => put_sample(out, header.begin),
            Field::End => put_sample(out, header.end),
            Field::MinTime => varint::put_signed(out, header.min_time),
            Field::MaxTime => varint::put_signed(out, header.max_time),
            Field::Extensions => avro::put_map(out, header.extensions.iter(), |out, (name, value)| {
                avro::put_string(out, name);
                avro::put_bytes(out, value);
            }),
            // Known only when everything else is written.
            Field::Crc => out.extend_from_slice(&[0; CRC_BYTES]),
            Field::Payload => avro::put_bytes(out, &self.payload),
        }
    }

    fn read(body: &[u8], fields: &[Field]) -> Result<Self> {
        let mut header = Header::unset();
        let mut payload: &[u8] = &[];
        let mut crc = None;
        let mut reader = Reader::new(body);
        for field in fields {
            let r = &mut reader;
            match field {
                Field::FormatVersion => header.format_version = avro::small(r, "format_version")?,
                Field::ProcessId => header.process_id = ProcessId::from_bytes(r.array("process_id")?),
                Field::StreamId => header.stream_id = StreamId::from_bytes(r.array("stream_id")?),
                Field::Kind => header.kind = StreamKind::read(avro::string(r, "kind")?)?,
                Field::ThreadName => header.thread_name = avro::string(r, "thread_name")?.to_owned(),
                Field::ThreadNumber => header.thread_number = avro::bits(r, "thread_number")?,
                Field::ClockDomain => header.clock_domain = clock_domain(avro::string(r, "clock_domain")?)?,
                Field::BlockId => header.block_id = BlockId::from_bytes(r.array("block_id")?),
                Field::Sequence => header.sequence = avro::count(r, "sequence")?,
                Field::FirstOrdinal => header.first_ordinal = avro::count(r, "first_ordinal")?,
                Field::OrdinalCount => header.ordinal_count = avro::count(r, "ordinal_count")?,
                Field::EventCount => header.event_count = avro::count(r, "event_count")?,
                Field::RowCount => header.row_count = avro::count(r, "row_count")?,
                Field::DroppedCount => header.dropped_count = avro::count(r, "dropped_count")?,
                Field::DroppedTotal => header.dropped_total = avro::count(r, "dropped_total")?,
                Field::AnchorNs => header.anchor_ns = r.signed("anchor_ns")?,
                Field::Begin => header.begin = sample(r)?,
                Field::End => header.end = sample(r)?,
                Field::MinTime => header.min_time = r.signed("min_time")?,
                Field::MaxTime => header.max_time = r.signed("max_time")?,
                Field::Extensions => header.extensions = extensions(r)?,
                Field::Crc => {
                    let at = body.len() - r.left();
                    crc = Some((at, u32::from_be_bytes(r.array("crc")?)));
                }
                Field::Payload => payload = avro::bytes(r, "payload", PAYLOAD_BYTES_MAX)?,
            }
        }
        reader.finish("record")?;
        if let Some((at, expected)) = crc {
            let actual = crc_around(body, at);
            if actual != expected {
                return Err(Error::Checksum { expected, actual });
            }
        }
        header.check()?;
        Ok(Self { header, payload: payload.to_owned() })
    }
}

const CRC_BYTES: usize = 4;

/// The CRC32C of a record's body without the field that holds it.
fn crc_around(body: &[u8], crc_at: usize) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&body[..crc_at]), &body[crc_at + CRC_BYTES..])
}

/// A name of a few letters; with the thread's name, the only text of a header that could be long.
fn clock_domain(name: &str) -> Result<String> {
    Error::within("clock_domain", name.len() as u64, 64)?;
    Ok(name.to_owned())
}

/// In one run only, or none: a block's checksum is over its bytes, and other encodings of the same map would change them.
fn extensions(reader: &mut Reader<'_>) -> Result<Vec<(String, Vec<u8>)>> {
    const FIELD: &str = "extensions";
    let count = Error::within(FIELD, avro::count(reader, FIELD)?, EXTENSIONS_MAX)?;
    let mut extensions: Vec<(String, Vec<u8>)> = Vec::with_capacity(count);
    let mut left = EXTENSIONS_BYTES_MAX;
    for _ in 0..count {
        let name = avro::string(reader, FIELD)?;
        left -= Error::within(FIELD, name.len() as u64, left)?;
        if extensions.iter().any(|(known, _)| known == name) {
            return Err(Error::invalid(FIELD, format!("two of the name {name:?}")));
        }
        let value = avro::bytes(reader, FIELD, left)?;
        left -= value.len();
        extensions.push((name.to_owned(), value.to_owned()));
    }
    if count > 0 && reader.signed(FIELD)? != 0 {
        return Err(Error::invalid(FIELD, "in more than one run"));
    }
    Ok(extensions)
}

fn put_sample(out: &mut Vec<u8>, sample: TimeSample) {
    avro::put_unsigned(out, sample.ticks);
    varint::put_signed(out, sample.monotonic_ns);
    varint::put_signed(out, sample.wall_ns);
}

fn sample(reader: &mut Reader<'_>) -> Result<TimeSample> {
    Ok(TimeSample {
        ticks: avro::bits(reader, "ticks")?,
        monotonic_ns: reader.signed("monotonic_ns")?,
        wall_ns: reader.signed("wall_ns")?,
    })
}

/// The fields of all versions of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    FormatVersion,
    ProcessId,
    StreamId,
    Kind,
    ThreadName,
    ThreadNumber,
    ClockDomain,
    BlockId,
    Sequence,
    FirstOrdinal,
    OrdinalCount,
    EventCount,
    RowCount,
    DroppedCount,
    DroppedTotal,
    AnchorNs,
    Begin,
    End,
    MinTime,
    MaxTime,
    Extensions,
    Crc,
    Payload,
}

/// The fields of `schemas/avro/block.avsc`.
const FIELDS: &[Field] = &[
    Field::FormatVersion,
    Field::ProcessId,
    Field::StreamId,
    Field::Kind,
    Field::ThreadName,
    Field::ThreadNumber,
    Field::ClockDomain,
    Field::BlockId,
    Field::Sequence,
    Field::FirstOrdinal,
    Field::OrdinalCount,
    Field::EventCount,
    Field::RowCount,
    Field::DroppedCount,
    Field::DroppedTotal,
    Field::AnchorNs,
    Field::Begin,
    Field::End,
    Field::MinTime,
    Field::MaxTime,
    Field::Extensions,
    Field::Crc,
    Field::Payload,
];

/// Every version of the schema that was ever written, the newest first.
pub(crate) const VERSIONS: &[Version<Field>] = &[
    Version { fingerprint: schema::BLOCK_FINGERPRINT, fields: FIELDS },
    // That of drafts: their headers can be read, and payloads of format 1 in them.
    Version { fingerprint: 0x20b5_5391_01a6_142b, fields: &without::<{ FIELDS.len() - 1 }>(Field::Extensions) },
];

/// The fields of a version that lacks one.
const fn without<const N: usize>(lacking: Field) -> [Field; N] {
    let mut fields = [lacking; N];
    let (mut from, mut to) = (0, 0);
    while from < FIELDS.len() {
        if FIELDS[from] as u8 != lacking as u8 {
            fields[to] = FIELDS[from];
            to += 1;
        }
        from += 1;
    }
    fields
}

#[cfg(test)]
mod tests;
