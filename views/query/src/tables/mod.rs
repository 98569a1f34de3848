//! The tables: row views, and what the catalog knows.

use crate::engine::Shared;
use datafusion::{catalog::TableProvider, execution::runtime_env::RuntimeEnv};
use framelake_lake::Lake;
use std::sync::Arc;

/// Every table with its name.
pub(crate) fn all(_shared: &Arc<Shared>) -> Vec<(&'static str, Arc<dyn TableProvider>)> {
    Vec::new()
}

/// Lets DataFusion's own sources read the lake's objects.
pub(crate) fn register_objects(_runtime: &RuntimeEnv, _lake: &Lake) {}
