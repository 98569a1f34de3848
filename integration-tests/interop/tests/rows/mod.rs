//! Rows with their fields.
#![allow(dead_code, reason = "not every test uses everything")]

use crate::support::Collector;
use framelake_wire::{StreamId, StreamKind, decode};
use std::collections::BTreeMap;

/// A span, or a log line with its message as the name.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) stream: StreamId,
    pub(crate) thread: String,
    pub(crate) name: String,
    pub(crate) target: String,
    pub(crate) ordinal: u64,
    pub(crate) parent: Option<u64>,
    pub(crate) begin: i64,
    pub(crate) end: i64,
    pub(crate) fields: BTreeMap<String, String>,
}

impl Row {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    pub(crate) fn parent_in<'a>(&self, rows: &'a [Row]) -> &'a Row {
        self.ancestors_in(rows).next().unwrap_or_else(|| panic!("no parent of {self:?}"))
    }

    pub(crate) fn ancestors_in<'a>(&self, rows: &'a [Row]) -> impl Iterator<Item = &'a Row> {
        let find = |stream, ordinal: Option<u64>| {
            let is = move |row: &&Row| row.stream == stream && Some(row.ordinal) == ordinal;
            rows.iter().find(is)
        };
        std::iter::successors(find(self.stream, self.parent), move |row| find(row.stream, row.parent))
    }
}

fn fields(site: &decode::CallSite, values: impl Fn(usize) -> String) -> BTreeMap<String, String> {
    let pairs = site.args.iter().enumerate().map(|(number, name)| (name.clone(), values(number)));
    pairs.filter(|(name, value)| !name.is_empty() && !value.is_empty()).collect()
}

pub(crate) fn thread_rows(collector: &Collector) -> Vec<Row> {
    let mut rows = Vec::new();
    for block in collector.streams(&StreamKind::SPAN).into_values().flatten() {
        let spans = decode::spans(&block).unwrap();
        rows.extend((0..spans.ordinal.len()).map(|row| {
            let (index, site) = (spans.site[row], &spans.sites[spans.site[row] as usize]);
            Row {
                stream: block.header.stream_id,
                thread: block.header.thread_name.clone(),
                name: site.name.clone(),
                target: site.target.clone(),
                ordinal: spans.ordinal[row],
                parent: spans.parent[row],
                begin: spans.begin[row],
                end: spans.end[row],
                fields: fields(site, |number| spans.args.get(index, spans.event[row], number).to_string()),
            }
        }));
    }
    rows
}

pub(crate) fn async_rows(collector: &Collector) -> Vec<Row> {
    let mut rows = Vec::new();
    for block in collector.streams(&StreamKind::ASYNC).into_values().flatten() {
        let spans = decode::async_spans(&block).unwrap();
        rows.extend((0..spans.ordinal.len()).map(|row| {
            let (index, site) = (spans.site[row], &spans.sites[spans.site[row] as usize]);
            Row {
                stream: block.header.stream_id,
                thread: spans.threads[spans.thread[row] as usize].name.clone(),
                name: site.name.clone(),
                target: site.target.clone(),
                ordinal: spans.ordinal[row],
                parent: spans.parent[row],
                begin: spans.begin[row],
                end: spans.end[row],
                fields: fields(site, |number| spans.args.get(index, spans.event[row], number).to_string()),
            }
        }));
    }
    rows.sort_by_key(|row| row.ordinal);
    rows
}

pub(crate) fn log_rows(collector: &Collector) -> Vec<Row> {
    let mut rows = Vec::new();
    for block in collector.streams(&StreamKind::LOG).into_values().flatten() {
        let logs = decode::logs(&block).unwrap();
        rows.extend((0..logs.ordinal.len()).map(|row| {
            let (index, site) = (logs.site[row], &logs.sites[logs.site[row] as usize]);
            Row {
                stream: block.header.stream_id,
                thread: logs.threads[logs.thread[row] as usize].name.clone(),
                name: logs.message(row),
                target: site.target.clone(),
                ordinal: logs.ordinal[row],
                parent: None,
                begin: logs.time[row],
                end: logs.time[row],
                fields: fields(site, |number| logs.args.get(index, logs.event[row], number).to_string()),
            }
        }));
    }
    rows.sort_by_key(|row| row.ordinal);
    rows
}
