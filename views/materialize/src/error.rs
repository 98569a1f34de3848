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
    #[error("block {block} of view {view} cannot be decoded: {source}")]
    Decode {
        /// The block.
        block: framelake_wire::BlockId,
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
