use super::{Logs, open};
use crate::{
    Block, Result, StreamKind,
    columns::{column, values},
    varint::Reader,
};

pub(super) fn rows(block: &Block) -> Result<Logs> {
    let header = &block.header;
    let opened = open::open(block, &StreamKind::LOG)?;
    let mut reader = Reader::new(&opened);
    let (tables, drops) = open::start(&mut reader, header)?;
    let count = open::event_count(&mut reader, header)?;
    let ticks = open::ticks(&mut reader, header)?;
    let sites = column(&mut reader, "sites")?;
    let threads = column(&mut reader, "threads")?;
    let site = open::indexes(sites, count, "sites", tables.sites.len())?;
    let (event, counts) = open::events(&site, tables.sites.len());
    let args = values::read(&mut reader, tables.sites.iter().map(|site| &site.codes[..]), &counts)?;
    reader.finish("payload")?;

    let thread = open::indexes(threads, count, "threads", tables.threads.len())?;
    let (time, ordinal) = open::points(ticks, &drops, header)?;
    Ok(Logs { sites: tables.sites, threads: tables.threads, site, thread, ordinal, time, event, args })
}
