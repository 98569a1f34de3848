//! A table whose rows the catalog has: read when the query runs, narrowed by process and stream.

use super::narrow::{Columns, Narrowed};
use crate::engine::Shared;
use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::SchemaRef,
};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::Result,
    error::DataFusionError,
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_plan::{
        ExecutionPlan,
        stream::RecordBatchStreamAdapter,
        streaming::{PartitionStream, StreamingTableExec},
    },
};
use framelake_definitions::BATCH_ROWS;
use futures::{StreamExt, TryStreamExt, stream};
use std::{fmt::Debug, sync::Arc};

/// Where a table's rows come from.
#[async_trait]
pub(super) trait Source: Debug + Send + Sync + 'static {
    /// The columns.
    fn schema(&self) -> SchemaRef;
    /// All columns of the rows that may match, in the schema's order.
    async fn columns(&self, shared: &Shared, narrowed: &Narrowed) -> Result<Vec<ArrayRef>>;
}

/// Turns the lake's errors into DataFusion's, keeping them as the cause.
pub(super) fn external(error: framelake_lake::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[derive(Debug)]
pub(super) struct CatalogTable<S> {
    source: Arc<S>,
    shared: Arc<Shared>,
}

impl<S: Source> CatalogTable<S> {
    pub(super) fn new(source: S, shared: &Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { source: Arc::new(source), shared: Arc::clone(shared) })
    }
}

#[async_trait]
impl<S: Source> TableProvider for CatalogTable<S> {
    fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partition = CatalogRows {
            schema: self.source.schema(),
            source: Arc::clone(&self.source),
            shared: Arc::clone(&self.shared),
            narrowed: Narrowed::by(filters, Columns::NONE),
        };
        let schema = self.source.schema();
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![Arc::new(partition)], projection, [], false, limit)?))
    }
}

#[derive(Debug)]
struct CatalogRows<S> {
    schema: SchemaRef,
    source: Arc<S>,
    shared: Arc<Shared>,
    narrowed: Narrowed,
}

impl<S: Source> PartitionStream for CatalogRows<S> {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (schema, source) = (Arc::clone(&self.schema), Arc::clone(&self.source));
        let (shared, narrowed) = (Arc::clone(&self.shared), self.narrowed.clone());
        let whole = async move {
            if narrowed.is_nothing() {
                return Ok(RecordBatch::new_empty(schema));
            }
            let columns = source.columns(&shared, &narrowed).await?;
            Ok::<_, DataFusionError>(RecordBatch::try_new(schema, columns)?)
        };
        let batches = stream::once(whole).map_ok(|batch| {
            let rows = batch.num_rows();
            let parts = (0..rows).step_by(BATCH_ROWS);
            stream::iter(parts.map(move |from| Ok(batch.slice(from, BATCH_ROWS.min(rows - from)))))
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches.try_flatten().boxed()))
    }
}
