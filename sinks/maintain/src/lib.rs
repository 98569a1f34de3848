//! Removes orphans and keeps the data directory within its bounds.
//!
//! Four chores, each a plain function that decides and a thin one that acts:
//!
//! - [`trim`]: the embedded log forgets what is in the lake, beyond a size and an age. What is not in the lake is never forgotten.
//! - [`letters`]: dead letters and gaps are forgotten after some weeks.
//! - [`orphans`]: objects that no commit names are doomed, so that none can name them any more, and deleted a grace later; so are retired ones.
//! - [`retention`]: the oldest spans, raw and as rows of views, leave the lake when everything together takes more than its cap.
//!
//! Every chore may be stopped anywhere and done again by anybody: what it does is told to the catalog first. A lease keeps two processes from doing
//! the same work twice, not from harm. Compaction of views will be another chore beside these; rules by age or by a predicate belong to [`retention`].

mod error;
pub mod letters;
mod maintain;
mod options;
pub mod orphans;
pub mod retention;
mod stats;
pub mod trim;

pub use error::{Error, Result};
pub use maintain::Maintain;
pub use options::Options;
pub use stats::{Snapshot, Stats};
