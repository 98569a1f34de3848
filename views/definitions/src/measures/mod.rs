//! `measures`: measurements of metrics.

mod rows;
#[cfg(test)]
mod tests;

use crate::{RowView, Rows, ScopeRule};
use arrow::datatypes::SchemaRef;
use framelake_wire::{Block, Result, StreamKind, decode};
use std::sync::Arc;

/// Measurements, one per row.
#[derive(Clone, Copy, Debug)]
pub struct Measures;

impl RowView for Measures {
    fn name(&self) -> &'static str {
        "measures"
    }
    fn version(&self) -> u32 {
        2
    }
    fn kind(&self) -> StreamKind {
        StreamKind::METRIC
    }
    fn scope_rule(&self) -> ScopeRule {
        ScopeRule::All
    }
    fn schema(&self) -> SchemaRef {
        Arc::clone(&framelake_tables::row_views::MEASURES)
    }
    fn sort_column(&self) -> &'static str {
        "time"
    }
    fn time_columns(&self) -> &'static [&'static str] {
        &["time"]
    }
    fn open(&self, block: &Block) -> Result<Box<dyn Rows>> {
        Ok(Box::new(rows::MeasureRows::of(&block.header, decode::metrics(block)?)))
    }
}
