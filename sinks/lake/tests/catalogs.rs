//! Every catalog keeps the contract.

use async_trait::async_trait;
use framelake_lake::{Catalog, PostgresCatalog, SqliteCatalog, contract};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};
use tempfile::TempDir;

#[derive(Debug)]
struct Sqlite {
    directory: TempDir,
    made: AtomicU32,
}

impl Sqlite {
    async fn open(&self) -> Arc<dyn Catalog> {
        let path = self.directory.path().join(format!("{}.db", self.made.load(Ordering::Relaxed)));
        Arc::new(SqliteCatalog::open(path).await.expect("open"))
    }
}

#[async_trait]
impl contract::Factory for Sqlite {
    async fn fresh(&self) -> Arc<dyn Catalog> {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.open().await
    }
    async fn reopen(&self) -> Arc<dyn Catalog> {
        self.open().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    let directory = tempfile::tempdir().expect("a directory");
    contract::run(&Sqlite { directory, made: AtomicU32::new(0) }).await;
}

/// Each catalog in a schema of its own.
#[derive(Debug)]
struct Postgres {
    url: String,
    made: Mutex<u32>,
}

impl Postgres {
    async fn open(&self) -> Arc<dyn Catalog> {
        let number = *self.made.lock().expect("the number");
        let separator = if self.url.contains('?') { '&' } else { '?' };
        let schema = format!("contract_{}_{number}", std::process::id());
        admin(&self.url, format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await;
        let url = format!("{}{separator}options=-csearch_path%3D{schema}", self.url);
        Arc::new(PostgresCatalog::connect(&url).await.expect("connect"))
    }
}

async fn admin(url: &str, sql: String) {
    use sqlx::{AssertSqlSafe, Connection, PgConnection};
    let mut connection = PgConnection::connect(url).await.expect("connect");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("a statement");
    connection.close().await.expect("close");
}

#[async_trait]
impl contract::Factory for Postgres {
    async fn fresh(&self) -> Arc<dyn Catalog> {
        *self.made.lock().expect("the number") += 1;
        self.open().await
    }
    async fn reopen(&self) -> Arc<dyn Catalog> {
        self.open().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract() {
    let Ok(url) = std::env::var("FRAMELAKE_TEST_POSTGRES") else {
        eprintln!(
            "SKIPPED postgres_keeps_the_contract: set FRAMELAKE_TEST_POSTGRES=postgres://user@host:port/database"
        );
        return;
    };
    let factory = Postgres { url, made: Mutex::new(0) };
    contract::run(&factory).await;
    let made = *factory.made.lock().expect("the number");
    for number in 1..=made {
        admin(&factory.url, format!("DROP SCHEMA contract_{}_{number} CASCADE", std::process::id())).await;
    }
}
