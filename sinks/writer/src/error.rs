//! Why the writer could not.

/// The result of a step of the writer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the writer could not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log could not.
    #[error(transparent)]
    Log(#[from] framelake_log::Error),
    /// The lake could not.
    #[error(transparent)]
    Lake(#[from] framelake_lake::Error),
    /// A task of the writer panicked or was cancelled by the runtime.
    #[error("a task of the writer ended without finishing: {source}; restart it, nothing is lost")]
    Task {
        /// How it ended.
        #[from]
        source: tokio::task::JoinError,
    },
}

impl Error {
    /// Whether the same step may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Log(error) => error.is_retryable(),
            Error::Lake(error) => error.is_retryable(),
            Error::Task { .. } => false,
        }
    }
}
