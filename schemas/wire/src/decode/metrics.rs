use super::{Metrics, open};
use crate::{
    Block, Error, Result, StreamKind,
    columns::{column, values},
    varint::Reader,
};

pub(super) fn rows(block: &Block) -> Result<Metrics> {
    let header = &block.header;
    let opened = open::open(block, &StreamKind::METRIC)?;
    let mut reader = Reader::new(&opened);
    let (tables, drops) = open::start(&mut reader, header)?;
    let count = open::event_count(&mut reader, header)?;
    let ticks = open::ticks(&mut reader, header)?;
    let sites = column(&mut reader, "sites")?;
    let threads = column(&mut reader, "threads")?;
    let sets = column(&mut reader, "properties")?;
    let site = open::indexes(sites, count, "sites", tables.sites.len())?;
    let (event, counts) = open::events(&site, tables.sites.len());
    let args = values::read(&mut reader, tables.sites.iter().map(|site| &site.codes[..]), &counts)?;
    reader.finish("payload")?;

    let mut values = Vec::with_capacity(counts.len());
    for (site, &count) in counts.iter().enumerate() {
        let numbers = if count == 0 { Some(Vec::new()) } else { args.first_numbers(site) };
        values.push(numbers.ok_or_else(|| Error::invalid("arguments", "a measurement without a value"))?);
    }
    let value = match &mut values[..] {
        [all] => std::mem::take(all),
        _ => site.iter().zip(&event).map(|(&site, &event)| values[site as usize][event as usize]).collect(),
    };
    let thread = open::indexes(threads, count, "threads", tables.threads.len())?;
    let sets = open::indexes(sets, count, "properties", tables.sets.len() + 1)?;
    let properties = sets.into_iter().map(|set| set.checked_sub(1)).collect();
    let (time, ordinal) = open::points(ticks, &drops, header)?;
    Ok(Metrics {
        sites: tables.sites,
        threads: tables.threads,
        property_sets: tables.sets,
        site,
        thread,
        ordinal,
        time,
        value,
        event,
        args,
        properties,
    })
}
