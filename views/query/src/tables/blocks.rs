//! `blocks`: what visible blocks hold and where they lie.

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
use framelake_lake::{BlockEntry, BlockFilter};
use framelake_materialize::TimeRange;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Blocks;

#[async_trait]
impl Source for Blocks {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&framelake_tables::catalog_tables::BLOCKS)
    }

    async fn columns(&self, shared: &Shared, narrowed: &Narrowed) -> Result<Vec<ArrayRef>> {
        let entries = shared.lake.catalog().blocks(&block_filter(narrowed)).await.map_err(external)?;
        Ok(columns(&entries))
    }
}

/// The catalog's filter for what a query asks for.
pub(super) fn block_filter(narrowed: &Narrowed) -> BlockFilter {
    BlockFilter {
        process_ids: narrowed.processes.as_ref().map(|ids| ids.iter().copied().collect()),
        stream_ids: narrowed.streams.as_ref().map(|ids| ids.iter().copied().collect()),
        kind: None,
        time_from: (narrowed.times.from != TimeRange::ALL.from).then_some(narrowed.times.from),
        time_to: (narrowed.times.to != TimeRange::ALL.to).then_some(narrowed.times.to),
        positions: None,
    }
}

fn columns(entries: &[BlockEntry]) -> Vec<ArrayRef> {
    vec![
        texts(entries, |block| block.block_id.to_string()),
        dictionary(entries, |block| block.process_id.to_string()),
        dictionary(entries, |block| block.stream_id.to_string()),
        dictionary(entries, |block| block.kind.as_str().to_owned()),
        counts(entries, |block| block.sequence),
        counts(entries, |block| block.first_ordinal),
        counts(entries, |block| block.ordinal_count),
        counts(entries, |block| block.event_count),
        counts(entries, |block| block.row_count),
        counts(entries, |block| block.dropped_count),
        times(entries, |block| block.begin),
        times(entries, |block| block.end),
        times(entries, |block| block.min_time),
        times(entries, |block| block.max_time),
        integers(entries, |block| block.position.incarnation.0),
        dictionary(entries, |block| block.position.topic_partition.topic.to_string()),
        integers(entries, |block| block.position.topic_partition.partition.cast_signed()),
        counts(entries, |block| block.position.offset.0.cast_unsigned()),
        dictionary(entries, |block| block.object.to_string()),
        counts(entries, |block| block.byte_offset),
        counts(entries, |block| u64::from(block.byte_length)),
        counts(entries, |block| u64::from(block.payload_bytes)),
        counts(entries, |block| u64::from(block.crc)),
    ]
}
