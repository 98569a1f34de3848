//! SQLite's failures as the log's few outcomes.

use crate::Error;
use std::{path::Path, sync::Arc};

/// A failure that can be told to each of the appends it hit.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    reason: String,
    retryable: bool,
    source: Arc<sqlx::Error>,
}

impl Failure {
    /// What `error` means for the log in the file at `path`.
    pub(super) fn new(path: &Path, error: sqlx::Error) -> Self {
        let path = path.display();
        // Primary result codes, https://sqlite.org/rescode.html.
        let (retryable, reason) = match sqlite_code(&error) {
            Some(5 | 6) => (true, format!("{path} is locked; end whatever else has it open")),
            Some(8) => (
                true,
                format!("{path} cannot be written; check its permissions and whether its disk is mounted read-only"),
            ),
            Some(10) => (true, format!("the disk of {path} failed ({error})")),
            Some(13) => (true, format!("the disk of {path} is full; free space, it goes on by itself")),
            Some(14) => (false, format!("{path} cannot be opened; its directory must exist and be writable")),
            Some(11 | 26) => (
                false,
                format!(
                    "{path} is damaged or not a log ({error}); move it away to begin an empty one, the lake keeps what it holds"
                ),
            ),
            Some(_) => (false, format!("{path}: {error}")),
            None => match &error {
                sqlx::Error::Io(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => (true, format!("{path}: {error}")),
                _ => (false, format!("{path}: {error}")),
            },
        };
        Self { reason, retryable, source: Arc::new(error) }
    }
}

/// SQLite's primary result code, where SQLite answered.
fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    let extended: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let Failure { reason, retryable, source } = failure;
        let source: Option<Box<dyn std::error::Error + Send + Sync>> = Some(Box::new(source));
        if retryable { Error::Unavailable { reason, source } } else { Error::Unusable { reason, source } }
    }
}
