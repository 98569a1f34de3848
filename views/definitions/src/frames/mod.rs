//! `frames`: what lies between two frame marks.

mod rows;
#[cfg(test)]
mod tests;

use crate::{RowView, Rows, ScopeRule};
use arrow::datatypes::SchemaRef;
use framelake_wire::{Block, Result, StreamKind, decode};
use std::sync::Arc;

/// Frames, one per row. The frame that is open where a block ends becomes a row when its end comes.
#[derive(Clone, Copy, Debug)]
pub struct Frames;

impl RowView for Frames {
    fn name(&self) -> &'static str {
        "frames"
    }
    fn version(&self) -> u32 {
        1
    }
    fn kind(&self) -> StreamKind {
        StreamKind::FRAME
    }
    fn scope_rule(&self) -> ScopeRule {
        ScopeRule::All
    }
    fn schema(&self) -> SchemaRef {
        Arc::clone(&framelake_tables::row_views::FRAMES)
    }
    fn sort_column(&self) -> &'static str {
        "begin"
    }
    fn time_columns(&self) -> &'static [&'static str] {
        &["begin", "end"]
    }
    fn open(&self, block: &Block) -> Result<Box<dyn Rows>> {
        Ok(Box::new(rows::FrameRows::of(&block.header, decode::frames(block)?)))
    }
}
