//! `log_entries`: log lines.

mod rows;
#[cfg(test)]
mod tests;

use crate::{RowView, Rows, ScopeRule};
use arrow::datatypes::SchemaRef;
use framelake_wire::{Block, Result, StreamKind, decode};
use std::sync::Arc;

/// Log lines, one per row.
#[derive(Clone, Copy, Debug)]
pub struct LogEntries;

impl RowView for LogEntries {
    fn name(&self) -> &'static str {
        "log_entries"
    }
    fn version(&self) -> u32 {
        2
    }
    fn kind(&self) -> StreamKind {
        StreamKind::LOG
    }
    fn scope_rule(&self) -> ScopeRule {
        ScopeRule::All
    }
    fn schema(&self) -> SchemaRef {
        Arc::clone(&framelake_tables::row_views::LOG_ENTRIES)
    }
    fn sort_column(&self) -> &'static str {
        "time"
    }
    fn time_columns(&self) -> &'static [&'static str] {
        &["time"]
    }
    fn open(&self, block: &Block) -> Result<Box<dyn Rows>> {
        Ok(Box::new(rows::LogRows::of(&block.header, decode::logs(block)?)))
    }
}
