//! The sink worker: from the log to segments and catalog.
//!
//! Each topic has a pipeline of its own, so that spans never hold up logs. A pipeline has two halves with a short queue between them:
//!
//! - the **reader** polls the log, opens each record within limits (`open`), and groups records into a `batch` until it is due (`cut`);
//! - the **committer** turns a batch into a segment, puts it into the object store and commits it to the catalog by compare-and-set.
//!
//! Whoever commits first wins. A batch whose partitions were moved by somebody else is dropped, progress is read again, and reading goes on from
//! there (`start` decides where, and which gaps to report). Until a segment is committed the log is the truth, so a worker may die at any step
//! ([`Step`] names them) and the next one takes up where the catalog stands.
//!
//! It is not here that records are made visible or counted once: that is the catalog's part. Nor does the writer delete anything: an object that was
//! put and never committed is removed by `framelake-maintain`.
//!
//! [`relay`] carries what commits leave in the catalog's outbox to its topics.

mod batch;
mod commit;
mod cut;
mod error;
mod failpoints;
mod lag;
mod open;
mod options;
mod reader;
pub mod relay;
mod retry;
mod start;
mod stats;
mod writer;

pub use error::{Error, Result};
pub use failpoints::{Failpoints, Step};
pub use lag::{Lag, lag};
pub use options::Options;
pub use stats::{Snapshot, Stats};
pub use writer::Writer;
