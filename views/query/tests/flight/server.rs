//! A server over a few tables in memory.

use arrow::array::{ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray, StringViewArray};
use arrow::datatypes::Int32Type;
use datafusion::catalog::MemTable;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use framelake_query::client::{Client, Error};
use framelake_query::flight::{Options, serve, service};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::Code;

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) memory: Arc<dyn MemoryPool>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default(), 256 * 1024 * 1024).await
    }

    pub(crate) async fn start_with(options: Options, memory_bytes: usize) -> Self {
        let memory: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(memory_bytes));
        let context = context(memory.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("grpc://{}", listener.local_addr().expect("an address"));
        let service = service(Arc::new(context), options).expect("a service");
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            serve(listener, service, shutdown).await.expect("serves");
        });
        Self { url, memory, stop: Some(stop), serving }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.url).await.expect("connects")
    }

    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        self.serving.await.expect("stops");
    }
}

/// `events` with 100,000 rows, `wide` with 8,192 rows of 2 KiB, `empty`, and a view.
fn context(memory: Arc<dyn MemoryPool>) -> SessionContext {
    let config =
        SessionConfig::new().with_default_catalog_and_schema("framelake", "public").with_information_schema(true);
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(memory).build_arc().expect("a runtime");
    let context = SessionContext::new_with_config_rt(config, runtime);
    for (name, batch) in [("events", events()), ("wide", wide()), ("empty", events().slice(0, 0))] {
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).expect("a table");
        context.register_table(name, Arc::new(table)).expect("a new name");
    }
    let view = futures::executor::block_on(context.table("events")).expect("events").into_view();
    context.register_table("events_view", view).expect("a new name");
    context
}

fn events() -> RecordBatch {
    let ordinals: Int64Array = (0..100_000).map(Some).collect();
    let names: DictionaryArray<Int32Type> = (0..100_000).map(|row| ["update", "draw", "physics"][row % 3]).collect();
    let notes: StringViewArray =
        (0..100_000).map(|row| (row % 10 == 0).then(|| format!("note number {row}"))).collect();
    RecordBatch::try_from_iter([
        ("ordinal", Arc::new(ordinals) as ArrayRef),
        ("name", Arc::new(names)),
        ("note", Arc::new(notes)),
    ])
    .expect("a batch")
}

fn wide() -> RecordBatch {
    let text: StringArray = (0..8_192).map(|row| Some(format!("{row:02048}"))).collect();
    RecordBatch::try_from_iter([("text", Arc::new(text) as ArrayRef)]).expect("a batch")
}

pub(crate) fn refusal<T>(result: Result<T, Error>) -> (Code, String) {
    match result {
        Err(Error::Refused { code, message }) => (code, message),
        Err(other) => panic!("expected a refusal, got {other}"),
        Ok(_) => panic!("expected a refusal, got an answer"),
    }
}

pub(crate) fn table(batches: &[RecordBatch]) -> String {
    arrow::util::pretty::pretty_format_batches(batches).expect("prints").to_string()
}
