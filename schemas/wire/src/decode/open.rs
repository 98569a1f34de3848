//! What all decoders begin with: the opened payload, its tables and drops, and the checks that hold for every kind.

use crate::{
    Block, Error, Header, Result, StreamKind, UnixNanos,
    columns::{
        drops, frame, tables,
        tables::Tables,
        ticks::{self, TickReader},
    },
    limits::{FIRST_FORMAT_VERSION, FORMAT_VERSION, PAYLOAD_BYTES_MAX},
    varint::Reader,
};

/// The opened payload of a block of `kind`.
pub(super) fn open(block: &Block, kind: &StreamKind) -> Result<Vec<u8>> {
    let header = &block.header;
    header.check()?;
    if header.kind != *kind {
        return Err(Error::invalid("kind", format!("{}, asked for as {kind}", header.kind)));
    }
    match header.format_version {
        version @ ..FIRST_FORMAT_VERSION => return Err(Error::DraftFormat { version }),
        ..=FORMAT_VERSION => {}
        version => return Err(Error::NewerFormat { version, known: FORMAT_VERSION }),
    }
    Error::within("payload", block.payload.len() as u64, PAYLOAD_BYTES_MAX)?;
    frame::open(&block.payload)
}

/// The tables, and where events were dropped.
pub(super) fn start(reader: &mut Reader<'_>, header: &Header) -> Result<(Tables, Vec<(u64, u64)>)> {
    let tables = tables::read(reader)?;
    let drops = drops::read(reader, header.event_count, header.dropped_count)?;
    Ok((tables, drops))
}

/// The number of events, as the header has it.
pub(super) fn event_count(reader: &mut Reader<'_>, header: &Header) -> Result<usize> {
    match reader.unsigned("events")? {
        count if count == header.event_count => Ok(count as usize),
        count => Err(Error::invalid("event_count", format!("{}, the payload has {count}", header.event_count))),
    }
}

/// The column of ticks.
pub(super) fn ticks<'a>(reader: &mut Reader<'a>, header: &Header) -> Result<TickReader<'a>> {
    let ticks = ticks::read(reader, header.begin.ticks)?;
    ticks.check_count(header.event_count as usize)?;
    Ok(ticks)
}

/// What the payload has of what its header says.
pub(super) struct Found {
    pub(super) rows: u64,
    pub(super) dropped: u64,
    pub(super) next_ordinal: u64,
    /// Least and greatest time of the rows.
    pub(super) min: UnixNanos,
    pub(super) max: UnixNanos,
}

/// The header's counts and times are those of the rows.
pub(super) fn check_found(header: &Header, found: &Found) -> Result<()> {
    let &Found { rows, dropped, next_ordinal, min, max } = found;
    if dropped != header.dropped_count {
        return Err(Error::invalid("dropped_count", format!("{}, the payload has {dropped}", header.dropped_count)));
    }
    if rows != header.row_count {
        return Err(Error::invalid("row_count", format!("{}, the payload has {rows}", header.row_count)));
    }
    if next_ordinal != header.first_ordinal + header.ordinal_count {
        let count = next_ordinal - header.first_ordinal;
        return Err(Error::invalid("ordinal_count", format!("{}, the payload has {count}", header.ordinal_count)));
    }
    if rows > 0 && (min < header.min_time || max > header.max_time) {
        return Err(Error::invalid("min_time", "rows lie outside min_time to max_time"));
    }
    Ok(())
}

/// How many events were dropped in all.
pub(super) fn dropped(drops: &[(u64, u64)]) -> u64 {
    drops.iter().map(|&(_, count)| count).sum()
}

/// Times and ordinals of a block where every event is a row of one time.
pub(super) fn points(
    mut ticks: TickReader<'_>,
    drops: &[(u64, u64)],
    header: &Header,
) -> Result<(Vec<UnixNanos>, Vec<u64>)> {
    let count = header.event_count as usize;
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(ticks.next()?);
    }
    ticks.finish()?;
    let (times, min, max) = header.time_map().unix_ns_of(all);
    let mut ordinals = Vec::with_capacity(count);
    let next_ordinal = drops::runs(drops, header.event_count, header.first_ordinal, |first, events| {
        ordinals.extend(first..first + events.len() as u64);
    });
    check_found(header, &Found { rows: count as u64, dropped: dropped(drops), next_ordinal, min, max })?;
    Ok((times, ordinals))
}

/// A column of `count` numbers of one table each.
pub(super) fn indexes(mut column: Reader<'_>, count: usize, field: &'static str, entries: usize) -> Result<Vec<u32>> {
    if count > column.left() {
        return Err(Error::Truncated { field, needed: count as u64, left: column.left() as u64 });
    }
    // Most tables are small, and all numbers one byte each.
    let bytes = column.rest();
    let most = bytes.iter().fold(0, |most: u8, &byte| most.max(byte));
    if bytes.len() == count && most < 0x80 {
        if count > 0 && usize::from(most) >= entries {
            return Err(Error::invalid(field, format!("number {most} of {entries}")));
        }
        return Ok(bytes.iter().map(|&byte| u32::from(byte)).collect());
    }
    let mut indexes = Vec::with_capacity(count);
    for _ in 0..count {
        let index = column.unsigned(field)?;
        if index >= entries as u64 {
            return Err(Error::invalid(field, format!("number {index} of {entries}")));
        }
        indexes.push(index as u32);
    }
    column.finish(field)?;
    Ok(indexes)
}

/// Each event's number among those of its call site, and how many each call site has. `site` holds indexes below `sites`.
pub(super) fn events(site: &[u32], sites: usize) -> (Vec<u32>, Vec<u32>) {
    if sites == 1 {
        let count = site.len() as u32;
        return ((0..count).collect(), vec![count]);
    }
    let mut counts = vec![0u32; sites];
    let events = site.iter().map(|&site| {
        let count = &mut counts[site as usize];
        *count += 1;
        *count - 1
    });
    (events.collect(), counts)
}
