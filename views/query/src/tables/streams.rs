//! `streams`: sums over the blocks of each stream, and what is missing.

use super::{
    catalog_table::{Source, external},
    narrow::Narrowed,
};
use crate::{
    column::{counts, dictionary, texts, times},
    engine::Shared,
};
use arrow::{array::ArrayRef, datatypes::SchemaRef};
use async_trait::async_trait;
use datafusion::common::Result;
use framelake_definitions::thread_name;
use framelake_lake::{StreamEntry, StreamFilter};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Streams;

#[async_trait]
impl Source for Streams {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&framelake_tables::catalog_tables::STREAMS)
    }

    async fn columns(&self, shared: &Shared, narrowed: &Narrowed) -> Result<Vec<ArrayRef>> {
        let filter = StreamFilter {
            process_ids: narrowed.processes.as_ref().map(|ids| ids.iter().copied().collect()),
            stream_ids: narrowed.streams.as_ref().map(|ids| ids.iter().copied().collect()),
            kind: None,
        };
        let entries = shared.lake.catalog().streams(&filter).await.map_err(external)?;
        Ok(columns(&entries))
    }
}

fn columns(entries: &[StreamEntry]) -> Vec<ArrayRef> {
    vec![
        texts(entries, |stream| stream.stream_id.to_string()),
        texts(entries, |stream| stream.process_id.to_string()),
        dictionary(entries, |stream| stream.kind.as_str().to_owned()),
        texts(entries, thread),
        counts(entries, |stream| stream.thread_number),
        counts(entries, |stream| stream.block_count),
        counts(entries, |stream| stream.event_count),
        counts(entries, |stream| stream.row_count),
        counts(entries, |stream| stream.byte_count),
        counts(entries, |stream| stream.next_ordinal),
        counts(entries, |stream| stream.dropped_events),
        counts(entries, |stream| stream.duplicate_blocks),
        counts(entries, StreamEntry::missing_blocks),
        times(entries, |stream| stream.min_time),
        times(entries, |stream| stream.max_time),
    ]
}

/// As in `thread_spans`: the number where a thread has no name. Streams of a whole process have neither.
fn thread(stream: &StreamEntry) -> String {
    if stream.thread_name.is_empty() && stream.thread_number == 0 {
        String::new()
    } else {
        thread_name(&stream.thread_name, stream.thread_number)
    }
}
