//! The engine: what all queries of a server share, and the session that each of them gets.

use crate::{
    counters::{CounterValues, Counters},
    decode_errors::DecodeErrors,
    on_corrupt::OnCorrupt,
    query_memory::QueryMemory,
    tables,
};
use arrow::datatypes::SchemaRef;
use datafusion::{
    catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider},
    config::Dialect,
    error::Result,
    execution::{
        SessionState, SessionStateBuilder,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::{GreedyMemoryPool, TrackConsumersPool},
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
    prelude::{SessionConfig, SessionContext},
};
use framelake_lake::Lake;
use framelake_materialize::{BlockCache, Materializer};
use std::{num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

/// The catalog's name in SQL.
pub const CATALOG: &str = "framelake";
/// The schema's name in SQL.
pub const SCHEMA: &str = "public";

/// Bounds of the engine.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Bytes that all queries together may hold in sorts, joins and aggregates. Beyond it, what can spill does; the rest fails and says so.
    pub memory_limit: usize,
    /// Bytes that one query may hold; `None` is half of what all may, so that one query leaves room for others.
    pub query_memory_limit: Option<usize>,
    /// How long one query may run; kept by whoever runs it.
    pub query_timeout: Duration,
    /// Partitions that a query is split into.
    pub target_partitions: usize,
    /// Where sorts and aggregates spill to; `None` means they fail at the memory limit instead.
    pub spill_directory: Option<PathBuf>,
    /// Bytes on disk that all spills together may take.
    pub spill_bytes_max: u64,
    /// Bytes of decoded blocks that are kept for the next query.
    pub block_cache_bytes: usize,
    /// What a block that cannot be decoded does to a query whose client did not say.
    pub on_corrupt: OnCorrupt,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            // 1 GiB, and so 512 MiB a query: a sort of some 5 million spans at 90 bytes.
            memory_limit: 1024 * 1024 * 1024,
            query_memory_limit: None,
            query_timeout: Duration::from_secs(60),
            target_partitions: std::thread::available_parallelism().map_or(2, NonZeroUsize::get),
            spill_directory: None,
            spill_bytes_max: 4 * 1024 * 1024 * 1024,
            // 64 MiB: the last minute of some 10 processes, decoded.
            block_cache_bytes: 64 * 1024 * 1024,
            on_corrupt: OnCorrupt::default(),
        }
    }
}

/// What tables share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) lake: Lake,
    pub(crate) materializer: Option<Materializer>,
    pub(crate) cache: BlockCache,
    pub(crate) counters: Counters,
    pub(crate) decode_errors: DecodeErrors,
}

/// Runs SQL over the lake. Cheap to share; one per server.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    tables: Arc<MemorySchemaProvider>,
    runtime: Arc<RuntimeEnv>,
    memory: Arc<GreedyMemoryPool>,
    base: SessionState,
    options: EngineOptions,
}

impl Engine {
    /// An engine over `lake`. With a materializer, decoded rows that were asked for are written through in the background; without one every query
    /// decodes what no partition covers.
    ///
    /// # Errors
    /// The spill directory cannot be used.
    pub fn new(lake: Lake, materializer: Option<Materializer>, options: EngineOptions) -> Result<Self> {
        let shared = Arc::new(Shared {
            cache: BlockCache::new(options.block_cache_bytes),
            lake,
            materializer,
            counters: Counters::default(),
            decode_errors: DecodeErrors::default(),
        });
        let schema = Arc::new(MemorySchemaProvider::new());
        for (name, table) in tables::all(&shared) {
            schema.register_table(name.to_owned(), table)?;
        }
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, Arc::clone(&schema) as _)?;

        let spill = match &options.spill_directory {
            Some(directory) => DiskManagerMode::Directories(vec![directory.clone()]),
            None => DiskManagerMode::Disabled,
        };
        let runtime = RuntimeEnvBuilder::new()
            .with_disk_manager_builder(
                DiskManagerBuilder::default().with_mode(spill).with_max_temp_directory_size(options.spill_bytes_max),
            )
            .build_arc()?;
        tables::register_objects(&runtime, &shared.lake);

        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(true)
            .with_target_partitions(options.target_partitions.max(1))
            .with_extension(Arc::new(options.on_corrupt));
        let settings = config.options_mut();
        settings.execution.time_zone = Some("UTC".into());
        // The generic dialect allows a comma before FROM and so takes the columns `end` and `offset` for the end of a select list.
        settings.sql_parser.dialect = Dialect::PostgreSQL;
        // Views of strings are what many clients cannot read.
        settings.execution.parquet.schema_force_view_types = false;
        settings.sql_parser.map_string_types_to_utf8view = false;

        let base = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&runtime))
            .with_default_features()
            .build();
        base.catalog_list().register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        let memory = Arc::new(GreedyMemoryPool::new(options.memory_limit));
        Ok(Self { shared, tables: schema, runtime, memory, base, options })
    }

    /// A session for one query: the tables, and a memory pool of its own ([`EngineOptions::query_memory_limit`]) within that of all. Cheap enough to be
    /// made for each.
    ///
    /// Its configuration has an [`OnCorrupt`] as extension, [`EngineOptions::on_corrupt`] unless the caller sets another.
    ///
    /// SELECT only is for the caller to enforce (`SQLOptions::verify_plan`); there is nothing in the session that could be written to.
    #[must_use]
    pub fn session(&self) -> SessionContext {
        // Errors name the five greatest consumers.
        const NAMED: NonZeroUsize = NonZeroUsize::new(5).unwrap();
        let limit = self.options.query_memory_limit.unwrap_or(self.options.memory_limit / 2);
        let pool = TrackConsumersPool::new(QueryMemory::new(limit, Arc::clone(&self.memory)), NAMED);
        let runtime = RuntimeEnv { memory_pool: Arc::new(pool), ..self.runtime.as_ref().clone() };
        let state =
            SessionStateBuilder::new_from_existing(self.base.clone()).with_runtime_env(Arc::new(runtime)).build();
        SessionContext::new_with_state(state)
    }

    /// The tables and their columns, by name.
    #[must_use]
    pub fn tables(&self) -> Vec<(String, SchemaRef)> {
        let mut tables: Vec<_> =
            tables::all(&self.shared).into_iter().map(|(name, table)| (name.to_owned(), table.schema())).collect();
        tables.sort_by(|a, b| a.0.cmp(&b.0));
        tables
    }

    /// The table of that name.
    ///
    /// # Errors
    /// None today; lookups may become remote.
    pub async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.tables.table(name).await
    }

    /// What all queries together did so far.
    #[must_use]
    pub fn counters(&self) -> CounterValues {
        self.shared.counters.values()
    }

    /// The bounds this engine keeps.
    #[must_use]
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }
}
