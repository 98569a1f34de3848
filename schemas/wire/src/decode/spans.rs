use super::{
    OpenSpan, Spans,
    open::{self, Found},
};
use crate::{
    Block, Result, StreamKind, UnixNanos,
    columns::{
        column,
        spans::{Begins, Events, Open, Row, read_open, replay},
        tables::Tables,
        values::{self, Args},
    },
    varint::Reader,
};

pub(super) fn rows(block: &Block) -> Result<Spans> {
    let (mut spans, tables, stack, args) = visit(block, with_capacity, |spans, row| {
        spans.site.push(row.site);
        spans.ordinal.push(row.ordinal);
        spans.parent.push(row.parent);
        spans.depth.push(row.depth);
        spans.begin.push(row.begin);
        spans.end.push(row.end);
        spans.self_ns.push(row.self_ns);
        spans.truncated.push(row.truncated);
        spans.event.push(row.args);
    })?;
    spans.sites = tables.sites;
    spans.args = args;
    let mut parent = None;
    for (depth, open) in stack.into_iter().enumerate() {
        let Open { site, ordinal, begin, child_ns, args: event } = open;
        spans.open.push(OpenSpan { site, ordinal, parent, depth: depth as u32, begin, child_ns, event });
        parent = Some(ordinal);
    }
    Ok(spans)
}

pub(super) fn check(block: &Block) -> Result<()> {
    visit(block, |_| (), |(), _| ()).map(drop)
}

fn with_capacity(rows: usize) -> Spans {
    Spans {
        sites: Vec::new(),
        site: Vec::with_capacity(rows),
        ordinal: Vec::with_capacity(rows),
        parent: Vec::with_capacity(rows),
        depth: Vec::with_capacity(rows),
        begin: Vec::with_capacity(rows),
        end: Vec::with_capacity(rows),
        self_ns: Vec::with_capacity(rows),
        truncated: Vec::with_capacity(rows),
        event: Vec::with_capacity(rows),
        args: Args::default(),
        open: Vec::new(),
    }
}

/// Goes through the rows of a block with a `state` made for their number: made only when the payload is known to hold as many events, since
/// the header alone is no reason to allocate. Returns the state, the tables, what is open in the end, and the fields of all.
fn visit<S>(
    block: &Block,
    state: impl FnOnce(usize) -> S,
    mut push: impl FnMut(&mut S, Row),
) -> Result<(S, Tables, Vec<Open>, Args)> {
    let header = &block.header;
    let opened = open::open(block, &StreamKind::SPAN)?;
    let mut reader = Reader::new(&opened);
    let (tables, drops) = open::start(&mut reader, header)?;
    let map = header.time_map();
    let origin = map.unix_ns(header.begin.ticks);
    let mut begins = Begins::new(tables.sites.iter().map(|site| !site.args.is_empty()));
    let mut stack = read_open(&mut reader, header.first_ordinal, origin, &mut begins)?;
    open::event_count(&mut reader, header)?;
    let edges = column(&mut reader, "edges")?;
    let ticks = open::ticks(&mut reader, header)?;

    let mut state = state(header.row_count as usize);
    let (mut rows, mut min, mut max) = (0, UnixNanos::MAX, UnixNanos::MIN);
    let events =
        Events { count: header.event_count, edges, ticks, drops: &drops, first_ordinal: header.first_ordinal, map };
    let next_ordinal = replay(events, &mut begins, &mut stack, |row| {
        rows += 1;
        min = min.min(row.begin);
        max = max.max(row.end);
        // A header that claims too few rows is found out below; until then no column grows beyond what it claims.
        if rows <= header.row_count {
            push(&mut state, row);
        }
    })?;
    let args = values::read(&mut reader, tables.sites.iter().map(|site| &site.codes[..]), &begins.counts())?;
    reader.finish("payload")?;
    let dropped = open::dropped(&drops);
    open::check_found(header, &Found { rows, dropped, next_ordinal, min, max })?;
    Ok((state, tables, stack, args))
}
