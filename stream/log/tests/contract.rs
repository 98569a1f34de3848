//! The contract, held by the logs of this crate.

use async_trait::async_trait;
use framelake_log::{
    Embedded, EmbeddedOptions, EventLog, Memory,
    contract::{self, Factory},
};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

#[derive(Default)]
struct InMemory(Mutex<Memory>);

#[async_trait]
impl Factory for InMemory {
    async fn fresh(&self) -> Arc<dyn EventLog> {
        let log = Memory::default();
        *self.0.lock().unwrap() = log.clone();
        Arc::new(log)
    }

    async fn reopen(&self) -> Arc<dyn EventLog> {
        Arc::new(self.0.lock().unwrap().clone())
    }

    fn trims(&self) -> bool {
        true
    }
}

struct InFiles {
    directory: tempfile::TempDir,
    files: AtomicUsize,
    last: Mutex<Option<Embedded>>,
}

impl InFiles {
    async fn open(&self) -> Arc<dyn EventLog> {
        let path = self.directory.path().join(format!("log-{}.db", self.files.load(Ordering::Relaxed)));
        let log = Embedded::open(EmbeddedOptions { path, partitions: 3 }).await.expect("open");
        *self.last.lock().unwrap() = Some(log.clone());
        Arc::new(log)
    }
}

#[async_trait]
impl Factory for InFiles {
    async fn fresh(&self) -> Arc<dyn EventLog> {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.open().await
    }

    async fn reopen(&self) -> Arc<dyn EventLog> {
        let last = self.last.lock().unwrap().take().expect("one was opened");
        last.close().await;
        self.open().await
    }

    fn trims(&self) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_in_memory_holds_the_contract() {
    contract::run(&InMemory::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_log_holds_the_contract() {
    let directory = tempfile::tempdir().expect("a directory");
    contract::run(&InFiles { directory, files: AtomicUsize::new(0), last: Mutex::new(None) }).await;
}
