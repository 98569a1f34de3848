//! Why a chore could not be done.

/// The result of a chore.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a chore could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log could not.
    #[error(transparent)]
    Log(#[from] framelake_log::Error),
    /// The lake could not.
    #[error(transparent)]
    Lake(#[from] framelake_lake::Error),
    /// The object store could not.
    #[error("cannot {what} objects: {source}")]
    Objects {
        /// What was tried.
        what: &'static str,
        /// The cause.
        #[source]
        source: object_store::Error,
    },
}

impl Error {
    /// Whether the next round may do better.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Log(error) => error.is_retryable(),
            Error::Lake(error) => error.is_retryable(),
            // Whatever is wrong with the store, the writer will say it louder; the next round tries again.
            Error::Objects { .. } => true,
        }
    }
}
