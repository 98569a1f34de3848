//! What of the row views stands in Parquet, and how it gets there.
//!
//! - [`plan`] says, of the blocks that a query needs, which are covered by partitions and which must be decoded. It does no IO.
//! - [`worthwhile`] says which of those to be decoded are worth writing through.
//! - [`Materializer`] writes them in the background; no query waits for it, and a query that ends early changes nothing.
//! - [`BlockCache`] keeps the decoded rows of the small tails that are not worth a partition.
//!
//! Not here: SQL. The tables are `views/query`.

mod cache;
mod error;
mod materializer;
mod options;
mod partition;
mod plan;
#[cfg(test)]
mod sample;
mod worthwhile;

pub use cache::{BlockCache, Part};
pub use error::{Error, Result};
pub use materializer::{Materializer, MaterializerCounters};
pub use options::Options;
pub use partition::encode;
pub use plan::{Plan, Reused, TimeRange, plan, scope_of};
pub use worthwhile::{Offer, worthwhile};

use framelake_definitions::RowView;
use framelake_lake::ViewVersion;

/// The view as the catalog names it.
#[must_use]
pub fn view_version(view: &dyn RowView) -> ViewVersion {
    ViewVersion { view: view.name().to_owned(), version: view.version() }
}
