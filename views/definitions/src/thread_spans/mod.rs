//! `thread_spans`: spans of threads. A span is a row of the block that holds its end.

mod rows;
#[cfg(test)]
mod tests;

use crate::{Projection, RowView, Rows, ScopeRule};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use framelake_wire::{Block, Result, StreamKind, decode};
use std::sync::Arc;

/// Spans, one per row.
#[derive(Clone, Copy, Debug)]
pub struct ThreadSpans;

impl RowView for ThreadSpans {
    fn name(&self) -> &'static str {
        "thread_spans"
    }
    fn version(&self) -> u32 {
        2
    }
    fn kind(&self) -> StreamKind {
        StreamKind::SPAN
    }
    fn scope_rule(&self) -> ScopeRule {
        ScopeRule::Stream
    }
    fn schema(&self) -> SchemaRef {
        Arc::clone(&framelake_tables::row_views::THREAD_SPANS)
    }
    fn sort_column(&self) -> &'static str {
        "begin"
    }
    fn time_columns(&self) -> &'static [&'static str] {
        &["begin", "end"]
    }
    fn thread_is_of_stream(&self) -> bool {
        true
    }
    fn open(&self, block: &Block) -> Result<Box<dyn Rows>> {
        Ok(Box::new(rows::SpanRows::of(&block.header, decode::spans(block)?)))
    }
    fn open_rows(&self, block: &Block) -> Result<Option<RecordBatch>> {
        let spans = decode::spans(block)?;
        if spans.open.is_empty() {
            return Ok(None);
        }
        Ok(Some(rows::open_spans(&block.header, &spans, &Projection::all(self.schema()))))
    }
    fn ended_columns(&self) -> &'static [&'static str] {
        &["end", "duration_ns", "self_ns"]
    }
}
