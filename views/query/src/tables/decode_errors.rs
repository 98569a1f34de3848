//! `decode_errors`: blocks that queries could not decode since the engine started.

use super::{catalog_table::Source, narrow::Narrowed};
use crate::{
    column::{counts, dictionary, texts, times},
    engine::Shared,
};
use arrow::{array::ArrayRef, datatypes::SchemaRef};
use async_trait::async_trait;
use datafusion::common::Result;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct DecodeErrors;

#[async_trait]
impl Source for DecodeErrors {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&framelake_tables::catalog_tables::DECODE_ERRORS)
    }

    async fn columns(&self, shared: &Shared, _narrowed: &Narrowed) -> Result<Vec<ArrayRef>> {
        let errors = shared.decode_errors.list();
        let errors = errors.as_slice();
        Ok(vec![
            times(errors, |error| error.time),
            dictionary(errors, |error| error.view.to_owned()),
            texts(errors, |error| error.block.block_id.to_string()),
            texts(errors, |error| error.block.process_id.to_string()),
            texts(errors, |error| error.block.stream_id.to_string()),
            counts(errors, |error| error.block.sequence),
            texts(errors, |error| error.block.object.to_string()),
            counts(errors, |error| error.block.byte_offset),
            texts(errors, |error| error.reason.clone()),
        ])
    }
}
