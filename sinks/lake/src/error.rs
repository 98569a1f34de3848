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

impl Error {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::CatalogUnavailable { .. } => true,
            Error::Object { source, .. } => object_is_retryable(source),
            Error::CatalogUnusable { .. } | Error::Corrupt { .. } => false,
        }
    }
}

/// What a store cannot do, or says no to, it will not do the next time either; everything else may be the network.
fn object_is_retryable(error: &object_store::Error) -> bool {
    use object_store::Error as E;
    match error {
        E::NotFound { .. }
        | E::InvalidPath { .. }
        | E::NotSupported { .. }
        | E::AlreadyExists { .. }
        | E::Precondition { .. }
        | E::NotModified { .. }
        | E::NotImplemented { .. }
        | E::PermissionDenied { .. }
        | E::Unauthenticated { .. }
        | E::UnknownConfigurationKey { .. } => false,
        // The enum is open; its generic error holds failed requests and full disks, a join error a runtime that is going down.
        E::Generic { .. } | E::JoinError { .. } | _ => true,
    }
}
