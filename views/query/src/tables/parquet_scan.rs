//! Partitions of a view, read by DataFusion's own Parquet source, which prunes row groups and pages.

use arrow::datatypes::SchemaRef;
use datafusion::{
    catalog::Session,
    common::{DFSchema, Result, Statistics, stats::Precision},
    config::TableParquetOptions,
    datasource::{
        listing::PartitionedFile,
        object_store::ObjectStoreUrl,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource, parquet::CachedParquetFileReaderFactory},
        source::DataSourceExec,
    },
    execution::runtime_env::RuntimeEnv,
    logical_expr::{Expr, utils::conjunction},
    physical_plan::ExecutionPlan,
};
use framelake_lake::Lake;
use framelake_materialize::Reused;
use std::sync::Arc;

/// What the lake's objects are called inside DataFusion.
const URL: &str = "framelake://lake/";
/// Bytes of an object's end that are asked for at once: 64 KiB hold the footer and page index of a partition of 512 Ki rows.
const FOOTER_BYTES: usize = 64 * 1024;

fn url() -> ObjectStoreUrl {
    ObjectStoreUrl::parse(URL).expect("the constant is a URL")
}

/// Lets DataFusion's own sources read the lake's objects.
pub(crate) fn register_objects(runtime: &RuntimeEnv, lake: &Lake) {
    runtime.register_object_store(url().as_ref(), Arc::clone(lake.objects()));
}

/// A scan of the partitions, in at most the session's target partitions. `None` when there are none.
pub(super) fn scan(
    state: &dyn Session,
    schema: &SchemaRef,
    partitions: &[Reused],
    projection: &[usize],
    filters: &[Expr],
    limit: Option<usize>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if partitions.is_empty() {
        return Ok(None);
    }
    let runtime = state.runtime_env();
    let metadata = runtime.cache_manager.get_file_metadata_cache();
    let reader = CachedParquetFileReaderFactory::new(runtime.object_store(url())?, metadata);
    let options = TableParquetOptions {
        global: state.config_options().execution.parquet.clone(),
        ..TableParquetOptions::default()
    };
    let mut source = ParquetSource::new(Arc::clone(schema))
        .with_table_parquet_options(options)
        .with_metadata_size_hint(FOOTER_BYTES)
        .with_parquet_file_reader_factory(Arc::new(reader));
    if let Some(filter) = conjunction(filters.iter().cloned()) {
        let columns = DFSchema::try_from(Arc::clone(schema))?;
        source = source.with_predicate(state.create_physical_expr(filter, &columns)?);
    }
    let mut statistics = Statistics::new_unknown(schema);
    let sum = |count: fn(&Reused) -> u64| partitions.iter().map(count).sum::<u64>() as usize;
    statistics.num_rows = Precision::Inexact(sum(|reused| reused.partition.rows));
    statistics.total_byte_size = Precision::Inexact(sum(|reused| reused.partition.bytes));
    let config = FileScanConfigBuilder::new(url(), Arc::new(source))
        .with_file_groups(groups(partitions, state.config().target_partitions()))
        .with_projection_indices(Some(projection.to_vec()))?
        .with_limit(limit)
        .with_statistics(statistics)
        .build();
    Ok(Some(DataSourceExec::from_data_source(config)))
}

/// The objects in `count` groups of about the same size: the greatest first, each to the smallest group.
fn groups(partitions: &[Reused], count: usize) -> Vec<FileGroup> {
    let mut partitions: Vec<_> = partitions.iter().map(|reused| &reused.partition).collect();
    partitions.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.object.cmp(&b.object)));
    let mut groups = vec![(0, Vec::new()); count.clamp(1, partitions.len())];
    for partition in partitions {
        let group = groups.iter_mut().min_by_key(|(bytes, _)| *bytes).expect("at least one group");
        group.0 += partition.bytes;
        group.1.push(PartitionedFile::new(&partition.object, partition.bytes));
    }
    groups.into_iter().map(|(_, files)| FileGroup::new(files)).collect()
}
