//! The catalog in a Postgres database.

use super::{implementation::Stored, migrate::migrate, session::Store};
use crate::Result;
use sqlx::postgres::PgPoolOptions;
use std::time::Duration;

/// Connections to the server: a writer's commits are one at a time, the others are queries being planned.
const CONNECTIONS_MAX: u32 = 8;

/// A connection that was cut off may hold its locks until the server notices; nobody waits longer for it than this, and what ends by
/// a timeout may be tried again.
const TIMEOUTS: &str =
    "SET lock_timeout = '15s'; SET idle_in_transaction_session_timeout = '30s'; SET statement_timeout = '60s'";

/// The catalog in a Postgres database, shared by any number of processes.
#[derive(Clone, Debug)]
pub struct PostgresCatalog {
    store: Store,
}

impl PostgresCatalog {
    /// Connects to `postgres://user:password@host:port/database`, and brings its tables up to this version.
    ///
    /// # Errors
    /// The server cannot be reached or says no, or the catalog was written by a newer version.
    pub async fn connect(url: &str) -> Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(Duration::from_secs(10))
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::raw_sql(TIMEOUTS).execute(connection).await?;
                    Ok(())
                })
            })
            .connect(url)
            .await?;
        let store = Store::Postgres(pool);
        migrate(&store).await?;
        Ok(Self { store })
    }

    /// Closes the connections. Every call after it fails.
    pub async fn close(&self) {
        if let Store::Postgres(pool) = &self.store {
            pool.close().await;
        }
    }
}

impl Stored for PostgresCatalog {
    fn store(&self) -> &Store {
        &self.store
    }
}
