//! `log_gaps`: positions of the log that never reached the lake.

use super::{
    catalog_table::{Source, external},
    narrow::Narrowed,
};
use crate::{
    column::{counts, dictionary, integers, texts, times},
    engine::Shared,
};
use arrow::{array::ArrayRef, datatypes::SchemaRef};
use async_trait::async_trait;
use datafusion::common::Result;
use std::sync::Arc;

/// Rows at most, the newest: 100,000.
const ROWS_MAX: u64 = 100_000;

#[derive(Debug)]
pub(super) struct LogGaps;

#[async_trait]
impl Source for LogGaps {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&framelake_tables::catalog_tables::LOG_GAPS)
    }

    async fn columns(&self, shared: &Shared, _narrowed: &Narrowed) -> Result<Vec<ArrayRef>> {
        let entries = shared.lake.catalog().gaps(ROWS_MAX).await.map_err(external)?;
        let entries = entries.as_slice();
        Ok(vec![
            integers(entries, |gap| gap.from.incarnation.0),
            dictionary(entries, |gap| gap.from.topic_partition.topic.to_string()),
            integers(entries, |gap| gap.from.topic_partition.partition.cast_signed()),
            counts(entries, |gap| gap.from.offset.0.cast_unsigned()),
            counts(entries, |gap| gap.to.0.cast_unsigned()),
            texts(entries, |gap| gap.reason.clone()),
            times(entries, |gap| gap.time),
        ])
    }
}
