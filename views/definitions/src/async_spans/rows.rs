//! The columns of `async_spans`.

use crate::{
    Projection, Rows,
    columns::{Sites, Texts, durations, nulls, ordinals, parents, span_fields, span_names, thread_names, times},
};
use arrow::{array::RecordBatch, datatypes::DataType};
use framelake_wire::{Header, decode::AsyncSpans};
use std::{ops::Range, sync::Arc};

/// The async spans that end in one block.
#[derive(Debug)]
pub(crate) struct AsyncRows {
    process_id: String,
    stream_id: String,
    sites: Sites,
    threads: Texts,
    spans: AsyncSpans,
}

impl AsyncRows {
    pub(crate) fn of(header: &Header, spans: AsyncSpans) -> Self {
        Self {
            process_id: header.process_id.to_string(),
            stream_id: header.stream_id.to_string(),
            sites: Sites::of(&spans.sites),
            threads: thread_names(&spans.threads),
            spans,
        }
    }
}

impl Rows for AsyncRows {
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
            "thread" => self.threads.rows(&spans.thread[range.clone()]),
            "ordinal" => ordinals(&spans.ordinal[range.clone()]),
            "parent" => Arc::new(parents(spans.parent[range.clone()].iter().copied())),
            "name" => {
                span_names(&spans.sites, &self.sites.name, &spans.args, site, |row| spans.event[range.start + row])
            }
            "target" => self.sites.target.rows(site),
            "file" => self.sites.file.rows(site),
            "line" => self.sites.lines(site),
            "begin" => times(&spans.begin[range.clone()]),
            "end" => times(&spans.end[range.clone()]),
            "duration_ns" => durations(&spans.begin[range.clone()], &spans.end[range.clone()]),
            "fields" => {
                let of = |row: usize| (spans.site[row], spans.event[row]);
                span_fields(&spans.sites, &spans.args, range.clone().map(of))
            }
            other => unreachable!("async_spans has no column {other}"),
        })
    }
}

/// The spans still open where the block ends: rows like the others, but for what is not known yet.
pub(crate) fn open_spans(header: &Header, mut spans: AsyncSpans, projection: &Projection) -> RecordBatch {
    let open = std::mem::take(&mut spans.open);
    let rows = open.len();
    spans.site = open.iter().map(|span| span.site).collect();
    spans.thread = open.iter().map(|span| span.thread).collect();
    spans.ordinal = open.iter().map(|span| span.ordinal).collect();
    spans.parent = open.iter().map(|span| span.parent).collect();
    spans.event = open.iter().map(|span| span.event).collect();
    spans.begin = open.iter().map(|span| span.begin).collect();
    let ended = AsyncRows::of(header, spans);
    projection.batch(rows, |column| match column {
        "end" => nulls(&framelake_tables::timestamp(), rows),
        "duration_ns" => nulls(&DataType::Int64, rows),
        known => {
            let index = projection.schema().index_of(known).expect("the projection asks for its own columns");
            let one = Projection::of(projection.schema(), &[index]);
            Arc::clone(ended.batch(0..rows, &one).column(0))
        }
    })
}
