//! Which columns of a view are wanted.

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    datatypes::{Schema, SchemaRef},
};
use std::sync::Arc;

/// Some columns of a view's schema, in the order in which they are wanted; none at all is fine (`count(*)`).
#[derive(Clone, Debug)]
pub struct Projection {
    schema: SchemaRef,
}

impl Projection {
    /// Every column.
    #[must_use]
    pub fn all(schema: SchemaRef) -> Self {
        Self { schema }
    }

    /// The columns with these indices in `schema`.
    ///
    /// # Panics
    /// When an index is not below the number of columns.
    #[must_use]
    pub fn of(schema: &SchemaRef, columns: &[usize]) -> Self {
        let fields: Vec<_> = columns.iter().map(|&index| Arc::clone(&schema.fields()[index])).collect();
        Self { schema: Arc::new(Schema::new(fields)) }
    }

    /// The columns that are wanted.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether that column is wanted.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.schema.index_of(column).is_ok()
    }

    /// A batch of `rows` rows, each wanted column made by `column`.
    pub(crate) fn batch(&self, rows: usize, mut column: impl FnMut(&str) -> ArrayRef) -> RecordBatch {
        let columns = self.schema.fields().iter().map(|field| column(field.name())).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .expect("a view makes the columns that its schema names")
    }
}
