//! Why rows could not be written through.

/// The result of writing through.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why rows could not be written through. Queries decode them instead; nothing is lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The lake could not.
    #[error(transparent)]
    Lake(#[from] framelake_lake::Error),
    /// A block of the range cannot be decoded, so the range cannot be complete.
    #[error("block {sequence} of stream {stream} cannot be decoded for view {view}: {source}")]
    Decode {
        /// The block's stream.
        stream: framelake_wire::StreamId,
        /// Its number there.
        sequence: u64,
        /// The view.
        view: &'static str,
        /// What is wrong with it.
        #[source]
        source: framelake_wire::Error,
    },
    /// The rows do not fit Parquet.
    #[error("cannot write Parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The rows cannot be put together.
    #[error("cannot sort rows: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The task that encodes ended.
    #[error("the encoding task ended: {0}")]
    Task(#[from] tokio::task::JoinError),
}
