//! The table of a row view: Parquet for what partitions cover, decoding for the rest.

use super::{
    block_scan::{BlockScanExec, Scan, Summary},
    blocks::block_filter,
    catalog_table::external,
    narrow::{Columns, Narrowed},
    parquet_scan,
};
use crate::{counters::Counters, engine::Shared, on_corrupt::OnCorrupt};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::Result,
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_plan::{ExecutionPlan, union::UnionExec},
};
use framelake_definitions::{Projection, RowView, ScopeRule, thread_name};
use framelake_lake::{BlockEntry, BlockFilter, Scope, StreamEntry, StreamFilter};
use framelake_materialize::{Plan, plan, view_version};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

#[derive(Debug)]
pub(super) struct RowViewTable {
    view: &'static dyn RowView,
    shared: Arc<Shared>,
}

impl RowViewTable {
    pub(super) fn new(view: &'static dyn RowView, shared: &Arc<Shared>) -> Self {
        Self { view, shared: Arc::clone(shared) }
    }
}

#[async_trait]
impl TableProvider for RowViewTable {
    fn schema(&self) -> SchemaRef {
        self.view.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // All of them help to leave out blocks or row groups; none is applied to rows here.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.view.schema();
        let narrowed = Narrowed::by(filters, Columns::of(self.view));
        let snapshot = Snapshot::take(&self.shared, self.view, &narrowed).await?;
        let Plan { reuse, covered, decode } = snapshot.plan;
        if let Some(materializer) = &self.shared.materializer {
            materializer.offer(self.view, &decode);
        }
        let counters = &self.shared.counters;
        Counters::add(&counters.scans, 1);
        Counters::add(&counters.partitions_read, reuse.len() as u64);

        let columns = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let parquet = parquet_scan::scan(state, &schema, &reuse, &columns, filters, limit)?;
        let blocks = BlockScanExec::new(Scan {
            view: self.view,
            shared: Arc::clone(&self.shared),
            summary: Summary {
                blocks: snapshot.blocks,
                pruned: snapshot.blocks.saturating_sub((covered + decode.len()) as u64),
                decode: decode.len(),
                reuse: covered,
                objects: reuse.len(),
                open: snapshot.open.len(),
            },
            projection: Projection::of(&schema, &columns),
            columns,
            decode,
            open: snapshot.open,
            on_corrupt: state.config().get_extension::<OnCorrupt>().map(|asked| *asked).unwrap_or_default(),
            partitions: state.config().target_partitions(),
        });
        let mut inputs: Vec<Arc<dyn ExecutionPlan>> = parquet.into_iter().collect();
        inputs.push(Arc::new(blocks));
        UnionExec::try_new(inputs)
    }
}

/// What one query sees of a view, fixed when it is planned.
#[derive(Debug, Default)]
struct Snapshot {
    /// Blocks of the processes and streams asked for, of any time.
    blocks: u64,
    plan: Plan,
    /// Blocks from which spans still open are taken: the newest of each live stream.
    open: Vec<BlockEntry>,
}

impl Snapshot {
    /// Reads the catalog in the order in which each answer keeps its meaning while blocks are being committed: coverage, then the newest blocks, then all
    /// blocks. So nothing is covered that is not listed, and a span that is shown open is not shown ended too.
    async fn take(shared: &Shared, view: &dyn RowView, narrowed: &Narrowed) -> Result<Self> {
        if narrowed.is_nothing() {
            return Ok(Self::default());
        }
        let catalog = shared.lake.catalog();
        let mut filter = BlockFilter { kind: Some(view.kind()), ..block_filter(narrowed) };
        let mut of_streams = StreamFilter {
            process_ids: filter.process_ids.clone(),
            stream_ids: filter.stream_ids.clone(),
            kind: filter.kind.clone(),
        };
        let mut streams = catalog.streams(&of_streams).await.map_err(external)?;
        if let Some(threads) = &narrowed.threads {
            streams.retain(|stream| may_be_of(stream, threads));
            of_streams.stream_ids = Some(streams.iter().map(|stream| stream.stream_id).collect());
            filter.stream_ids.clone_from(&of_streams.stream_ids);
        }
        let scopes: Vec<_> = match view.scope_rule() {
            ScopeRule::All => vec![Scope::All],
            ScopeRule::Stream => streams.iter().map(|stream| Scope::Stream(stream.stream_id)).collect(),
        };
        let coverage = catalog.coverage(&view_version(view), &scopes).await.map_err(external)?;
        let newest = if !view.ended_columns().is_empty() && !narrowed.ended {
            live(shared, catalog.newest_blocks(&of_streams).await.map_err(external)?).await?
        } else {
            Vec::new()
        };
        let blocks = up_to(&newest, catalog.blocks(&filter).await.map_err(external)?);
        Ok(Self {
            blocks: streams.iter().map(|stream| stream.block_count).sum(),
            plan: plan(blocks, view.scope_rule(), &coverage, narrowed.times),
            // A span that is open there began before its end.
            open: newest.into_iter().filter(|block| block.end >= narrowed.times.from).collect(),
        })
    }
}

/// Whether rows of the stream may have one of these threads, as SQL shows them.
fn may_be_of(stream: &StreamEntry, threads: &BTreeSet<String>) -> bool {
    // The catalog keeps a character that Postgres's text does not take as another one.
    let kept = |thread: &String| thread.replace('\0', "\u{fffd}");
    let name = thread_name(&stream.thread_name, stream.thread_number);
    stream.renamed || threads.iter().map(kept).any(|thread| thread == name)
}

/// The blocks but those that were committed after the newest ones were read: they belong to the next query, or a span would be shown open and ended.
fn up_to(newest: &[BlockEntry], mut blocks: Vec<BlockEntry>) -> Vec<BlockEntry> {
    let last: HashMap<_, _> = newest.iter().map(|block| (block.stream_id, block.sequence)).collect();
    blocks.retain(|block| last.get(&block.stream_id).is_none_or(|last| block.sequence <= *last));
    blocks
}

/// Those blocks whose process has not said that it ended: what is open in the others will never end.
async fn live(shared: &Shared, newest: Vec<BlockEntry>) -> Result<Vec<BlockEntry>> {
    if newest.is_empty() {
        return Ok(newest);
    }
    let ids: BTreeSet<_> = newest.iter().map(|block| block.process_id).collect();
    let ids: Vec<_> = ids.into_iter().collect();
    let processes = shared.lake.catalog().processes(Some(&ids)).await.map_err(external)?;
    let ended: BTreeSet<_> = processes
        .into_iter()
        .filter(|entry| entry.process.as_ref().is_some_and(|process| process.end_time.is_some()))
        .map(|entry| entry.process_id)
        .collect();
    Ok(newest.into_iter().filter(|block| !ended.contains(&block.process_id)).collect())
}

#[cfg(test)]
mod tests {
    use super::{super::sample::block, *};

    #[test]
    fn blocks_behind_the_newest_of_a_live_stream_wait_for_the_next_query() {
        let of =
            |stream, sequences: &[u64]| sequences.iter().map(|&sequence| block(stream, sequence)).collect::<Vec<_>>();
        let listed = [of(1, &[3, 4, 5]), of(2, &[7, 8])].concat();
        let left = up_to(&of(1, &[4]), listed);
        let left: Vec<_> = left.iter().map(|block| (block.stream_id.as_bytes()[0], block.sequence)).collect();
        assert_eq!(left, [(1, 3), (1, 4), (2, 7), (2, 8)], "of streams that are not live all are there");
    }
}
