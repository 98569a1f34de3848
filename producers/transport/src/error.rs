//! Why a carrier could not be made.

use std::path::PathBuf;

/// The result of making a carrier.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a carrier could not be made. What goes wrong later is retried or counted, never returned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not an address that any carrier understands.
    #[error(
        "endpoint {text:?} is not understood: {reason}; give http://host:port, https://host:port or kafka://host:port"
    )]
    Endpoint {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The carrier is left out of this build.
    #[error("endpoint {text:?} needs the feature {feature:?} of the crate framelake; enable it in Cargo.toml")]
    FeatureMissing {
        /// What was given.
        text: String,
        /// The feature to enable.
        feature: &'static str,
    },
    /// The certificates to trust cannot be had.
    #[error(
        "the CA file {path:?} is of no use: {reason}; give a file of PEM certificates, or none for those that browsers trust"
    )]
    CaFile {
        /// What was given.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The directory of a spool cannot be read.
    #[error(
        "the spool {dir:?} cannot be read: {source}; give the directory that FRAMELAKE_SPOOL named, as the user who ran the program"
    )]
    Spool {
        /// What was given.
        dir: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The operating system gave no thread.
    #[error("the sending thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The Kafka client refused its configuration.
    #[error("the Kafka client refused its configuration: {0}")]
    Kafka(String),
}
