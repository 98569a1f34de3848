//! The columns of `thread_spans`.

use crate::{
    Projection, Rows,
    columns::{Sites, Texts, durations, nulls, ordinals, parents, span_fields, span_names, thread_name, times},
};
use arrow::{
    array::{BooleanArray, Int32Array, Int64Array, RecordBatch},
    datatypes::DataType,
};
use framelake_wire::{Header, decode::Spans};
use std::{ops::Range, sync::Arc};

/// The spans that end in one block.
#[derive(Debug)]
pub(crate) struct SpanRows {
    process_id: String,
    stream_id: String,
    thread: String,
    sites: Sites,
    spans: Spans,
}

impl SpanRows {
    pub(crate) fn of(header: &Header, spans: Spans) -> Self {
        Self {
            process_id: header.process_id.to_string(),
            stream_id: header.stream_id.to_string(),
            thread: thread_name(&header.thread_name, header.thread_number),
            sites: Sites::of(&spans.sites),
            spans,
        }
    }
}

impl Rows for SpanRows {
    fn len(&self) -> usize {
        self.spans.ordinal.len()
    }

    fn batch(&self, range: Range<usize>, projection: &Projection) -> RecordBatch {
        let rows = range.len();
        let spans = &self.spans;
        let site = &spans.site[range.clone()];
        projection.batch(rows, |column| match column {
            "process_id" => Texts::constant(&self.process_id, rows),
            "stream_id" => Texts::constant(&self.stream_id, rows),
            "thread" => Texts::constant(&self.thread, rows),
            "ordinal" => ordinals(&spans.ordinal[range.clone()]),
            "parent" => Arc::new(parents(spans.parent[range.clone()].iter().copied())),
            "depth" => Arc::new(depths(spans.depth[range.clone()].iter().copied())),
            "name" => {
                span_names(&spans.sites, &self.sites.name, &spans.args, site, |row| spans.event[range.start + row])
            }
            "target" => self.sites.target.rows(site),
            "file" => self.sites.file.rows(site),
            "line" => self.sites.lines(site),
            "begin" => times(&spans.begin[range.clone()]),
            "end" => times(&spans.end[range.clone()]),
            "duration_ns" => durations(&spans.begin[range.clone()], &spans.end[range.clone()]),
            "self_ns" => Arc::new(Int64Array::from(spans.self_ns[range.clone()].to_vec())),
            "truncated" => Arc::new(BooleanArray::from(spans.truncated[range.clone()].to_vec())),
            "fields" => {
                let of = |row: usize| (spans.site[row], spans.event[row]);
                span_fields(&spans.sites, &spans.args, range.clone().map(of))
            }
            other => unreachable!("thread_spans has no column {other}"),
        })
    }
}

/// The spans still open where the block ends.
pub(crate) fn open_spans(header: &Header, spans: &Spans, projection: &Projection) -> RecordBatch {
    let open = &spans.open;
    let rows = open.len();
    let sites = Sites::of(&spans.sites);
    let site: Vec<_> = open.iter().map(|span| span.site).collect();
    projection.batch(rows, |column| match column {
        "process_id" => Texts::constant(&header.process_id.to_string(), rows),
        "stream_id" => Texts::constant(&header.stream_id.to_string(), rows),
        "thread" => Texts::constant(&thread_name(&header.thread_name, header.thread_number), rows),
        "ordinal" => ordinals(&open.iter().map(|span| span.ordinal).collect::<Vec<_>>()),
        "parent" => Arc::new(parents(open.iter().map(|span| span.parent))),
        "depth" => Arc::new(depths(open.iter().map(|span| span.depth))),
        "name" => span_names(&spans.sites, &sites.name, &spans.args, &site, |row| open[row].event),
        "target" => sites.target.rows(&site),
        "file" => sites.file.rows(&site),
        "line" => sites.lines(&site),
        "begin" => times(&open.iter().map(|span| span.begin).collect::<Vec<_>>()),
        "end" => nulls(&framelake_tables::timestamp(), rows),
        "duration_ns" | "self_ns" => nulls(&DataType::Int64, rows),
        "truncated" => Arc::new(BooleanArray::from(vec![false; rows])),
        "fields" => span_fields(&spans.sites, &spans.args, open.iter().map(|span| (span.site, span.event))),
        other => unreachable!("thread_spans has no column {other}"),
    })
}

fn depths(depths: impl Iterator<Item = u32>) -> Int32Array {
    // Depth is at most 1,024.
    Int32Array::from_iter_values(depths.map(u32::cast_signed))
}
