//! `dead_letters`: records that could not be taken in.

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

/// Rows at most, the newest: 100,000. All of them are in the topic `framelake.dead-letters`.
const ROWS_MAX: u64 = 100_000;

#[derive(Debug)]
pub(super) struct DeadLetters;

#[async_trait]
impl Source for DeadLetters {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&framelake_tables::catalog_tables::DEAD_LETTERS)
    }

    async fn columns(&self, shared: &Shared, _narrowed: &Narrowed) -> Result<Vec<ArrayRef>> {
        let entries = shared.lake.catalog().dead_letters(ROWS_MAX).await.map_err(external)?;
        let entries = entries.as_slice();
        Ok(vec![
            integers(entries, |letter| letter.position.incarnation.0),
            dictionary(entries, |letter| letter.position.topic_partition.topic.to_string()),
            integers(entries, |letter| letter.position.topic_partition.partition.cast_signed()),
            counts(entries, |letter| letter.position.offset.0.cast_unsigned()),
            texts(entries, |letter| letter.key.clone()),
            counts(entries, |letter| letter.bytes),
            texts(entries, |letter| letter.reason.clone()),
            times(entries, |letter| letter.time),
        ])
    }
}
