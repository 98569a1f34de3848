//! The lake: segments in object storage and the catalog that makes their blocks visible.
//!
//! - [`segment`] packs records of the log into one object and reads blocks back from it.
//! - [`Catalog`] is the small trait behind which SQLite and Postgres stand; both run [`contract`].
//! - [`Lake`] is the two together, as sinks and views use them.

mod blocks;
mod catalog;
mod coverage;
mod error;
mod lake;
mod local;
mod position;
mod sql;

pub mod contract;
pub mod segment;

pub use blocks::{BlockEntry, BlockFilter, BlockIdentity, PositionRange, ProcessEntry, StreamEntry, StreamFilter};
pub use catalog::{
    Catalog, CommitOutcome, DeadLetter, DeadLetterEntry, Gap, NewBlock, OutboxEntry, Progress, Run, SegmentCommit,
    SegmentEntry, Status,
};
pub use coverage::{AddOutcome, NewPartition, Scope, ScopeCoverage, ViewPartition, ViewVersion};
pub use error::{Error, Result};
pub use lake::Lake;
pub use local::DurableLocal;
pub use position::{Incarnation, Position, RecordMark};
pub use sql::{PostgresCatalog, SqliteCatalog};
