use super::{
    AsyncSpans, OpenAsyncSpan,
    open::{self, Found},
};
use crate::{
    Block, Error, Result, StreamKind, UnixNanos,
    columns::{
        asyncs::{RelationReader, read_open},
        column, planes, ticks, values,
    },
    varint::Reader,
};

pub(super) fn rows(block: &Block) -> Result<AsyncSpans> {
    let header = &block.header;
    let opened = open::open(block, &StreamKind::ASYNC)?;
    let mut reader = Reader::new(&opened);
    let (tables, drops) = open::start(&mut reader, header)?;
    let dropped = open::dropped(&drops);
    let count = reader.unsigned("rows")?;
    if count != header.row_count {
        return Err(Error::invalid("row_count", format!("{}, the payload has {count}", header.row_count)));
    }
    let begins = header.ordinal_count.checked_sub(dropped);
    if begins.is_none_or(|begins| count + begins != header.event_count) {
        return Err(Error::invalid("event_count", "not as many as begins and ends"));
    }
    let ticks = ticks::read(&mut reader, header.begin.ticks)?;
    ticks.check_count(count as usize)?;
    let count = count as usize;
    let sites = column(&mut reader, "sites")?;
    let threads = column(&mut reader, "threads")?;
    let mut relations = RelationReader::new(&mut reader)?;
    let mut durations = planes::read(&mut reader, "durations")?;
    let mut open_column = column(&mut reader, "open spans")?;

    let site = open::indexes(sites, count, "sites", tables.sites.len())?;
    let thread = open::indexes(threads, count, "threads", tables.threads.len())?;
    let map = header.time_map();
    let next_ordinal = header.first_ordinal + header.ordinal_count;
    let origin = map.unix_ns(header.begin.ticks);
    let open = read_open(&mut open_column, tables.sites.len(), tables.threads.len(), next_ordinal, origin)?;
    open_column.finish("open spans")?;

    // Rows first, then what is open, as their fields stand.
    let (event, mut counts) = open::events(&site, tables.sites.len());
    let open = open.into_iter().map(|open| {
        let count = &mut counts[open.site as usize];
        *count += 1;
        OpenAsyncSpan {
            site: open.site,
            thread: open.thread,
            ordinal: open.relation.ordinal,
            parent: open.relation.parent,
            begin: open.begin,
            event: *count - 1,
        }
    });
    let open = open.collect();
    let args = values::read(&mut reader, tables.sites.iter().map(|site| &site.codes[..]), &counts)?;
    reader.finish("payload")?;

    let mut spans = AsyncSpans {
        sites: tables.sites,
        threads: tables.threads,
        site,
        thread,
        ordinal: Vec::with_capacity(count),
        parent: Vec::with_capacity(count),
        begin: Vec::with_capacity(count),
        end: Vec::with_capacity(count),
        event,
        args,
        open,
    };
    let mut ticks = ticks;
    let (mut last, mut min, mut max) = (header.first_ordinal, UnixNanos::MAX, UnixNanos::MIN);
    for _ in 0..count {
        let relation = relations.next(&mut last, next_ordinal)?;
        let duration = durations.next("durations")?;
        let end = map.unix_ns(ticks.next()?);
        let begin = i64::try_from(duration).ok().and_then(|duration| end.checked_sub(duration));
        let Some(begin) = begin else { return Err(Error::invalid("durations", "beyond all time")) };
        min = min.min(begin);
        max = max.max(end);
        spans.ordinal.push(relation.ordinal);
        spans.parent.push(relation.parent);
        spans.begin.push(begin);
        spans.end.push(end);
    }
    relations.finish()?;
    durations.finish("durations")?;
    ticks.finish()?;
    open::check_found(header, &Found { rows: count as u64, dropped, next_ordinal, min, max })?;
    Ok(spans)
}
