//! What every row view says of itself.

use crate::Projection;
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use framelake_wire::{Block, Result, StreamKind};
use std::{fmt::Debug, ops::Range};

/// Rows of a batch at most: what DataFusion works on at a time.
pub const BATCH_ROWS: usize = 8192;

/// Bytes of text that end a batch before it has as many rows: a few lines of a megabyte each, or tags of many values, are a batch.
pub(crate) const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// What a partition of the view is complete for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeRule {
    /// Every stream of the view's kind: few bytes, asked for across processes.
    All,
    /// One stream: many bytes, asked for one thread at a time.
    Stream,
}

/// A table with one row per event of one kind of stream.
///
/// The rows that a block yields depend on nothing but the block, so a replay answers the same. When they change, so does `version`.
pub trait RowView: Debug + Send + Sync {
    /// The table's name.
    fn name(&self) -> &'static str;
    /// Grows when the rows that a block yields change.
    fn version(&self) -> u32;
    /// The kind of the streams whose blocks it decodes.
    fn kind(&self) -> StreamKind;
    /// What a partition is complete for.
    fn scope_rule(&self) -> ScopeRule;
    /// The columns.
    fn schema(&self) -> SchemaRef;
    /// The time by which the rows of a stream are sorted in a partition; equal times are sorted by `ordinal`.
    fn sort_column(&self) -> &'static str;
    /// The columns that lie between a block's `min_time` and `max_time`.
    fn time_columns(&self) -> &'static [&'static str];

    /// Whether every row's `thread` is the one that the header of its block names, so that it tells streams apart.
    fn thread_is_of_stream(&self) -> bool {
        false
    }

    /// Opens a block of the view's kind.
    ///
    /// # Errors
    /// The block cannot be decoded; see [`framelake_wire::decode`].
    fn open(&self, block: &Block) -> Result<Box<dyn Rows>>;

    /// Rows that have begun and not ended where the block ends; they are shown from the newest block of a live stream and never stored.
    /// `None` when there are none.
    ///
    /// # Errors
    /// As [`RowView::open`].
    fn open_rows(&self, _block: &Block) -> Result<Option<RecordBatch>> {
        Ok(None)
    }

    /// The columns that are NULL in [`RowView::open_rows`] and nowhere else; none where those never yield any.
    fn ended_columns(&self) -> &'static [&'static str] {
        &[]
    }
}

/// The rows of one block, decoded but not yet laid out as Arrow columns.
pub trait Rows: Debug + Send {
    /// How many.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The projected columns of some of them, in the block's order. `range` lies within `0..len()` and has at most [`BATCH_ROWS`]. Where their texts are long the
    /// batch has the first of them only, at least one.
    fn batch(&self, range: Range<usize>, projection: &Projection) -> RecordBatch;
}

/// The rows as batches of at most [`BATCH_ROWS`], made one at a time.
pub fn batches<'a>(rows: &'a dyn Rows, projection: &'a Projection) -> impl Iterator<Item = RecordBatch> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || next_batch(rows, &mut from, projection))
}

/// The batch that begins with row `from`, which then is the first of the next one; `None` behind the last.
pub fn next_batch(rows: &dyn Rows, from: &mut usize, projection: &Projection) -> Option<RecordBatch> {
    let to = rows.len().min(*from + BATCH_ROWS);
    let batch = (*from < to).then(|| rows.batch(*from..to, projection))?;
    *from += batch.num_rows();
    Some(batch)
}
