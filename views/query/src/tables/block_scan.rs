//! Decodes blocks while the query streams: nothing is fetched or decoded before it is asked for.

use super::catalog_table::external;
use crate::{counters::Counters, engine::Shared, on_corrupt::OnCorrupt};
use arrow::array::RecordBatch;
use datafusion::{
    common::{Result, Statistics, internal_err, stats::Precision, tree_node::TreeNodeRecursion},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::{EquivalenceProperties, PhysicalExpr},
    physical_plan::{
        ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
        ReplaceChildrenOptions,
        execution_plan::{Boundedness, EmissionType},
        metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet},
        statistics::StatisticsArgs,
        stream::RecordBatchStreamAdapter,
    },
};
use framelake_definitions::{Projection, RowView, Rows, batches, next_batch};
use framelake_lake::BlockEntry;
use framelake_materialize::Part;
use framelake_wire::Block;
use futures::{Stream, StreamExt, stream};
use std::{collections::VecDeque, fmt, pin::Pin, sync::Arc};

/// What a decoded row takes in memory, about: a span's 15 columns are 87 bytes.
const ROW_BYTES: u64 = 100;

/// What EXPLAIN says of a scan.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    /// Blocks of the processes and streams asked for.
    pub(super) blocks: u64,
    /// Of those, blocks of other times.
    pub(super) pruned: u64,
    /// Blocks to decode.
    pub(super) decode: usize,
    /// Blocks whose rows stand in Parquet.
    pub(super) reuse: usize,
    /// Objects that are read for those.
    pub(super) objects: usize,
    /// Newest blocks of live streams, from which spans still open are taken.
    pub(super) open: usize,
}

/// What a scan is made of.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) view: &'static dyn RowView,
    pub(super) shared: Arc<Shared>,
    pub(super) summary: Summary,
    pub(super) projection: Projection,
    /// The projection as indices into the view's schema.
    pub(super) columns: Vec<usize>,
    pub(super) decode: Vec<BlockEntry>,
    pub(super) open: Vec<BlockEntry>,
    pub(super) on_corrupt: OnCorrupt,
    /// Partitions at most.
    pub(super) partitions: usize,
}

/// The rows of blocks that no partition covers.
#[derive(Debug)]
pub(super) struct BlockScanExec {
    common: Arc<Common>,
    summary: Summary,
    /// Blocks of each partition, by object and byte.
    partitions: Vec<Vec<BlockEntry>>,
    /// Read by the first partition.
    open: Vec<BlockEntry>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// What all partitions of a scan need.
#[derive(Debug)]
struct Common {
    view: &'static dyn RowView,
    shared: Arc<Shared>,
    projection: Projection,
    columns: Vec<usize>,
    everything: Projection,
    /// Whether decoded blocks are kept for the next query: only where they leave half of the cache to others. A scan of more would push out all the
    /// rest, and in the end itself.
    keep: bool,
    on_corrupt: OnCorrupt,
}

impl BlockScanExec {
    pub(super) fn new(scan: Scan) -> Self {
        let rows: u64 = scan.decode.iter().map(|block| block.row_count).sum();
        let keep = rows.saturating_mul(ROW_BYTES) <= scan.shared.cache.bytes_max() as u64 / 2;
        let partitions = split(scan.decode, scan.partitions);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(scan.projection.schema())),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            common: Arc::new(Common {
                everything: Projection::all(scan.view.schema()),
                view: scan.view,
                shared: scan.shared,
                projection: scan.projection,
                columns: scan.columns,
                keep,
                on_corrupt: scan.on_corrupt,
            }),
            summary: scan.summary,
            partitions,
            open: scan.open,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

/// The blocks in at most `count` runs (at least one) of about the same bytes, each in the order in which they lie in their objects.
fn split(mut blocks: Vec<BlockEntry>, count: usize) -> Vec<Vec<BlockEntry>> {
    blocks.sort_by(|a, b| (&a.object, a.byte_offset).cmp(&(&b.object, b.byte_offset)));
    let total: u64 = blocks.iter().map(|block| u64::from(block.byte_length)).sum();
    let share = total.div_ceil(count.max(1) as u64).max(1);
    let mut runs = vec![Vec::new()];
    let mut bytes = 0;
    for block in blocks {
        if bytes >= share {
            runs.push(Vec::new());
            bytes = 0;
        }
        bytes += u64::from(block.byte_length);
        runs.last_mut().expect("at least one run").push(block);
    }
    runs
}

impl DisplayAs for BlockScanExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { blocks, pruned, decode, reuse, objects, open } = self.summary;
        let view = self.common.view.name();
        match kind {
            DisplayFormatType::Default | DisplayFormatType::Verbose => write!(
                f,
                "BlockScanExec: view={view}, blocks={blocks}, pruned={pruned}, decode={decode}, reuse={reuse} ({objects} objects), open={open}"
            ),
            DisplayFormatType::TreeRender => {
                writeln!(f, "view={view}")?;
                writeln!(f, "blocks={blocks}")?;
                writeln!(f, "pruned={pruned}")?;
                writeln!(f, "decode={decode}")?;
                writeln!(f, "reuse={reuse} ({objects} objects)")
            }
        }
    }
}

impl ExecutionPlan for BlockScanExec {
    fn name(&self) -> &'static str {
        "BlockScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("BlockScanExec has no children") }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    /// How many rows there are is known; that none of them fails to decode is not.
    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let rows = |blocks: &[BlockEntry]| blocks.iter().map(|block| block.row_count as usize).sum();
        let rows = match args.partition() {
            Some(partition) => self.partitions.get(partition).map_or(0, |blocks| rows(blocks)),
            None => self.partitions.iter().map(|blocks| rows(blocks)).sum(),
        };
        let mut statistics = Statistics::new_unknown(&self.schema());
        statistics.num_rows = Precision::Inexact(rows);
        statistics.total_byte_size = Precision::Inexact(rows.saturating_mul(ROW_BYTES as usize));
        Ok(Arc::new(statistics))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(blocks) = self.partitions.get(partition) else {
            return internal_err!("BlockScanExec has no partition {partition}");
        };
        let open = if partition == 0 { self.open.clone() } else { Vec::new() };
        let reading = Reading {
            blocks: blocks.clone(),
            next: 0,
            source: None,
            open: open.into(),
            ready: VecDeque::new(),
            decoded: None,
            looked_up: false,
            metrics: Metrics::new(&self.metrics, partition),
            common: Arc::clone(&self.common),
        };
        let batches = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next_batch().await?.map(|batch| (batch, reading)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(self.common.projection.schema()), batches)))
    }
}

/// What EXPLAIN ANALYZE says of a scan.
#[derive(Debug)]
struct Metrics {
    baseline: BaselineMetrics,
    blocks_decoded: Count,
    bytes_fetched: Count,
    cache_hits: Count,
}

impl Metrics {
    fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        Self {
            baseline: BaselineMetrics::new(metrics, partition),
            blocks_decoded: MetricBuilder::new(metrics).counter("blocks_decoded", partition),
            bytes_fetched: MetricBuilder::new(metrics).counter("bytes_fetched", partition),
            cache_hits: MetricBuilder::new(metrics).counter("cache_hits", partition),
        }
    }
}

type Source = Pin<Box<dyn Stream<Item = framelake_lake::Result<(BlockEntry, Block)>> + Send>>;

/// Where one partition of a scan stands.
struct Reading {
    common: Arc<Common>,
    metrics: Metrics,
    /// Blocks that are not in the cache, and how many of them came out of `source`.
    blocks: Vec<BlockEntry>,
    next: usize,
    source: Option<Source>,
    looked_up: bool,
    /// Rows that are ready as they are.
    ready: VecDeque<RecordBatch>,
    /// The block being laid out, and its first row not yet handed out.
    decoded: Option<(Box<dyn Rows>, usize)>,
    open: VecDeque<BlockEntry>,
}

impl Reading {
    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if !self.looked_up {
            self.looked_up = true;
            self.take_cached()?;
        }
        loop {
            if let Some(batch) = self.ready.pop_front().or_else(|| self.lay_out()) {
                self.metrics.baseline.record_output(batch.num_rows());
                return Ok(Some(batch));
            }
            if let Some((entry, block)) = self.next_block().await? {
                self.decode(&entry, &block)?;
            } else if let Some(entry) = self.open.pop_front() {
                self.decode_open(&entry).await?;
            } else {
                self.metrics.baseline.done();
                return Ok(None);
            }
        }
    }

    /// Takes what the cache has; the others stay to be read.
    fn take_cached(&mut self) -> Result<()> {
        let common = Arc::clone(&self.common);
        let mut unread = Vec::new();
        for entry in std::mem::take(&mut self.blocks) {
            match common.shared.cache.get(entry.identity(), common.view.name(), Part::Rows) {
                Some(batches) => {
                    self.hit();
                    self.push_ready(&batches)?;
                }
                None => unread.push(entry),
            }
        }
        self.blocks = unread;
        Ok(())
    }

    fn hit(&self) {
        self.metrics.cache_hits.add(1);
        Counters::add(&self.common.shared.counters.cache_hits, 1);
    }

    fn push_ready(&mut self, batches: &[RecordBatch]) -> Result<()> {
        for batch in batches {
            self.ready.push_back(batch.project(&self.common.columns)?);
        }
        Ok(())
    }

    /// The next rows of the block that is being laid out.
    fn lay_out(&mut self) -> Option<RecordBatch> {
        let (rows, from) = self.decoded.as_mut()?;
        let _timer = self.metrics.baseline.elapsed_compute().timer();
        let batch = next_batch(rows.as_ref(), from, &self.common.projection);
        if *from == rows.len() {
            self.decoded = None;
        }
        batch
    }

    /// The next block that can be read. One that cannot is put down in `decode_errors`; a checksum that does not match fails the query, for then
    /// nothing is known of what was there.
    async fn next_block(&mut self) -> Result<Option<(BlockEntry, Block)>> {
        while self.next < self.blocks.len() {
            let unread = &self.blocks[self.next..];
            let source = self.source.get_or_insert_with(|| Box::pin(self.common.shared.lake.read_blocks(unread)));
            match source.next().await {
                Some(Ok(read)) => {
                    self.next += 1;
                    self.fetched(&read.0);
                    return Ok(Some(read));
                }
                Some(Err(framelake_lake::Error::Corrupt { key, byte_offset, source }))
                    if !matches!(source, framelake_wire::Error::Checksum { .. })
                        && *self.blocks[self.next].object == *key
                        && self.blocks[self.next].byte_offset == byte_offset =>
                {
                    self.give_up(&self.blocks[self.next], source)?;
                    // An error ends the stream; the blocks behind it are read anew.
                    self.source = None;
                    self.next += 1;
                }
                Some(Err(error)) => return Err(external(error)),
                None => return internal_err!("{} blocks were not read", self.blocks.len() - self.next),
            }
        }
        Ok(None)
    }

    fn fetched(&self, entry: &BlockEntry) {
        let bytes = entry.byte_length as usize;
        self.metrics.bytes_fetched.add(bytes);
        Counters::add(&self.common.shared.counters.bytes_fetched, bytes as u64);
    }

    /// Puts the block down in `decode_errors`; fails where the query asked for that.
    fn give_up(&self, entry: &BlockEntry, reason: framelake_wire::Error) -> Result<()> {
        let Common { view, shared, on_corrupt, .. } = self.common.as_ref();
        tracing::warn!(view = view.name(), block = %entry.block_id, object = %entry.object, %reason, "a block cannot be decoded");
        shared.decode_errors.add(view.name(), entry, reason.to_string());
        Counters::add(&shared.counters.decode_errors, 1);
        match on_corrupt {
            OnCorrupt::Skip => Ok(()),
            OnCorrupt::Error => {
                let context = format!(
                    "block {} of stream {} cannot be decoded; narrow the query past it, or let on_corrupt be skip to have the rest answered",
                    entry.sequence, entry.stream_id
                );
                let (key, byte_offset) = (entry.object.to_string(), entry.byte_offset);
                Err(external(framelake_lake::Error::Corrupt { key, byte_offset, source: reason }).context(context))
            }
        }
    }

    fn decode(&mut self, entry: &BlockEntry, block: &Block) -> Result<()> {
        let common = Arc::clone(&self.common);
        let timer = self.metrics.baseline.elapsed_compute().timer();
        let rows = match common.view.open(block) {
            Ok(rows) => rows,
            Err(error) => {
                drop(timer);
                return self.give_up(entry, error);
            }
        };
        self.decoded_one(rows.len());
        if common.keep {
            let batches: Arc<Vec<_>> = Arc::new(batches(rows.as_ref(), &common.everything).collect());
            drop(timer);
            self.push_ready(&batches)?;
            common.shared.cache.put(entry.identity(), common.view.name(), Part::Rows, batches);
        } else {
            drop(timer);
            self.decoded = Some((rows, 0));
        }
        Ok(())
    }

    fn decoded_one(&self, rows: usize) {
        self.metrics.blocks_decoded.add(1);
        let counters = &self.common.shared.counters;
        Counters::add(&counters.blocks_decoded, 1);
        Counters::add(&counters.rows_decoded, rows as u64);
    }

    /// Spans still open where the block ends. They are few, and asked for by every query while the stream lives: always kept.
    async fn decode_open(&mut self, entry: &BlockEntry) -> Result<()> {
        let common = Arc::clone(&self.common);
        if let Some(batches) = common.shared.cache.get(entry.identity(), common.view.name(), Part::Open) {
            self.hit();
            return self.push_ready(&batches);
        }
        let mut source: Source = Box::pin(common.shared.lake.read_blocks(std::slice::from_ref(entry)));
        let block = match source.next().await {
            Some(Ok((_, block))) => block,
            Some(Err(framelake_lake::Error::Corrupt { source, .. }))
                if !matches!(source, framelake_wire::Error::Checksum { .. }) =>
            {
                return self.give_up(entry, source);
            }
            Some(Err(error)) => return Err(external(error)),
            None => return internal_err!("block {} was not read", entry.block_id),
        };
        self.fetched(entry);
        match common.view.open_rows(&block) {
            Ok(rows) => {
                let batches: Arc<Vec<_>> = Arc::new(rows.into_iter().collect());
                self.decoded_one(0);
                self.push_ready(&batches)?;
                common.shared.cache.put(entry.identity(), common.view.name(), Part::Open, batches);
            }
            Err(error) => self.give_up(entry, error)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
