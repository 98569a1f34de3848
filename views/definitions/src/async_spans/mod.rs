//! `async_spans`: spans that may end on another thread than they began on. A span is a row of the block that holds its end.

mod rows;
#[cfg(test)]
mod tests;

use crate::{Projection, RowView, Rows, ScopeRule};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use framelake_wire::{Block, Result, StreamKind, decode};
use std::sync::Arc;

/// Async spans, one per row.
#[derive(Clone, Copy, Debug)]
pub struct AsyncSpans;

impl RowView for AsyncSpans {
    fn name(&self) -> &'static str {
        "async_spans"
    }
    fn version(&self) -> u32 {
        1
    }
    fn kind(&self) -> StreamKind {
        StreamKind::ASYNC
    }
    fn scope_rule(&self) -> ScopeRule {
        ScopeRule::Stream
    }
    fn schema(&self) -> SchemaRef {
        Arc::clone(&framelake_tables::row_views::ASYNC_SPANS)
    }
    fn sort_column(&self) -> &'static str {
        "begin"
    }
    fn time_columns(&self) -> &'static [&'static str] {
        &["begin", "end"]
    }
    fn open(&self, block: &Block) -> Result<Box<dyn Rows>> {
        Ok(Box::new(rows::AsyncRows::of(&block.header, decode::async_spans(block)?)))
    }
    fn open_rows(&self, block: &Block) -> Result<Option<RecordBatch>> {
        let spans = decode::async_spans(block)?;
        if spans.open.is_empty() {
            return Ok(None);
        }
        Ok(Some(rows::open_spans(&block.header, spans, &Projection::all(self.schema()))))
    }
    fn ended_columns(&self) -> &'static [&'static str] {
        &["end", "duration_ns"]
    }
}
