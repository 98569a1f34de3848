//! The embedded log: SQLite in WAL mode, appends of many callers grouped into one fsync.

use std::path::PathBuf;

/// Where and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database file; its directory must exist.
    pub path: PathBuf,
    /// Partitions per topic, fixed when the file is made.
    pub partitions: u32,
}

/// The log in one SQLite file.
#[derive(Debug)]
pub struct Embedded {}
