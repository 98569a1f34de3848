//! `attachments`: files of a program, part by part.

mod rows;
#[cfg(test)]
mod tests;

use crate::{RowView, Rows, ScopeRule};
use arrow::datatypes::SchemaRef;
use framelake_wire::{Block, Result, StreamKind, decode};
use std::sync::Arc;

/// Parts of attachments, one per row.
#[derive(Clone, Copy, Debug)]
pub struct Attachments;

impl RowView for Attachments {
    fn name(&self) -> &'static str {
        "attachments"
    }
    fn version(&self) -> u32 {
        1
    }
    fn kind(&self) -> StreamKind {
        StreamKind::ATTACHMENT
    }
    fn scope_rule(&self) -> ScopeRule {
        ScopeRule::All
    }
    fn schema(&self) -> SchemaRef {
        Arc::clone(&framelake_tables::row_views::ATTACHMENTS)
    }
    fn sort_column(&self) -> &'static str {
        "time"
    }
    fn time_columns(&self) -> &'static [&'static str] {
        &["time"]
    }
    fn open(&self, block: &Block) -> Result<Box<dyn Rows>> {
        Ok(Box::new(rows::AttachmentRows::of(&block.header, decode::attachments(block)?)))
    }
}
