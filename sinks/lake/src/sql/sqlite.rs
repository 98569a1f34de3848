//! The catalog in a SQLite file.

use super::{implementation::Stored, migrate::migrate, session::Store};
use crate::Result;
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::{path::Path, time::Duration};

/// Connections that read at the same time; one more writes.
const READERS_MAX: u32 = 4;

/// The catalog in a SQLite file: durable at every commit, one process at a time.
#[derive(Clone, Debug)]
pub struct SqliteCatalog {
    store: Store,
}

impl SqliteCatalog {
    /// Opens the file, or makes it where there is none; brings its tables up to this version.
    ///
    /// # Errors
    /// The file cannot be opened, is no catalog, or was written by a newer version.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .page_size(16 * 1024)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await?;
        migrate(&Store::Sqlite { writer: writer.clone(), readers: writer.clone() }).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .connect_with(options.pragma("query_only", "true"))
            .await?;
        Ok(Self { store: Store::Sqlite { writer, readers } })
    }

    /// Closes the file, its journal merged into it. Every call after it fails.
    pub async fn close(&self) {
        if let Store::Sqlite { writer, readers } = &self.store {
            readers.close().await;
            writer.close().await;
        }
    }
}

impl Stored for SqliteCatalog {
    fn store(&self) -> &Store {
        &self.store
    }
}
