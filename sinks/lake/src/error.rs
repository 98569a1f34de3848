//! Why the lake could not.

/// The result of asking the lake.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why the lake could not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The catalog cannot be reached or is busy.
    #[error("the catalog is unavailable: {reason}")]
    CatalogUnavailable {
        /// What is known of it.
        reason: String,
        /// The cause.
        #[source]
        source: Option<Source>,
    },
    /// The catalog is damaged, or was written by a newer version.
    #[error("the catalog cannot be used: {reason}")]
    CatalogUnusable {
        /// What is wrong and what to do.
        reason: String,
        /// The cause.
        #[source]
        source: Option<Source>,
    },
    /// The object store could not.
    #[error("object {key}: {source}")]
    Object {
        /// The object.
        key: String,
        /// The cause.
        #[source]
        source: object_store::Error,
    },
    /// An object is not what the catalog says of it.
    #[error("object {key} is damaged at byte {byte_offset}: {source}")]
    Corrupt {
        /// The object.
        key: String,
        /// Where.
        byte_offset: u64,
        /// What is wrong there.
        #[source]
        source: framelake_wire::Error,
    },
}
