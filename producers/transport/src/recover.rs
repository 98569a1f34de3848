//! Sends what programs left in a spool, without running them again.

use crate::{Deliver, Error, Options, Result, Sender, spool};
use std::path::Path;
use std::time::{Duration, Instant};

/// Memory for records on their way: four batches.
const QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What became of the records in a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records found, of processes that are gone.
    pub found_records: u64,
    /// Those that are kept now.
    pub sent_records: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Those that the other side refused for good.
    pub refused_records: u64,
    /// Those that could not be read any more.
    pub lost_records: u64,
    /// Those that are still there, because time was over.
    pub left_records: u64,
    /// Bytes at the ends of files that were no whole record: what was being written when the program was killed.
    pub torn_bytes: u64,
    /// Files or directories that could not be read.
    pub errors: u64,
    /// Processes that still run and keep their files.
    pub running_processes: u64,
}

/// Sends what programs that are gone left in the spool `dir` by `carrier`, for at most `timeout`, and removes what is kept.
///
/// # Errors
/// `dir` cannot be read, or the operating system gives no thread. What is wrong with single files is counted.
pub fn recover(dir: &Path, carrier: Box<dyn Deliver>, timeout: Duration) -> Result<Recovered> {
    let deadline = Instant::now() + timeout;
    std::fs::read_dir(dir).map_err(|source| Error::Spool { dir: dir.to_owned(), source })?;
    // Nothing is written, so no budget makes anything go.
    let spool = spool::Options { dir: dir.to_owned(), bytes_max: u64::MAX };
    let sender = Sender::start_with(carrier, Options { queue_bytes_max: QUEUE_BYTES_MAX, spool: Some(spool) })?;
    let _ = sender.flush(timeout);
    let _ = sender.shutdown(deadline.saturating_duration_since(Instant::now()));
    let stats = sender.stats();
    Ok(Recovered {
        found_records: stats.recovered_records,
        sent_records: stats.sent_records,
        sent_bytes: stats.sent_bytes,
        refused_records: stats.refused_records,
        lost_records: stats.recovered_lost_records,
        left_records: stats.spool_records,
        torn_bytes: stats.torn_bytes,
        errors: stats.spool_errors,
        running_processes: stats.spool_shared_with,
    })
}
