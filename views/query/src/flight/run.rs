//! Where queries run: a runtime of their own, with a deadline, and an end when nobody reads.

use super::Options;
use futures::{Stream, StreamExt, stream};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;
use uuid::Uuid;

/// Messages between a query and the connection. 4 × at most 2 MiB wait for a slow reader; then the query waits too.
const MESSAGES_AHEAD: usize = 4;

/// A stream of messages to the client.
pub(super) type Reply<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Runs plans and queries away from the connections.
pub(super) struct Runner {
    /// Taken when dropped: a runtime must not wait for its tasks where others run.
    runtime: Option<Runtime>,
    at_once: Arc<Semaphore>,
    running: Arc<Running>,
    timeout: Duration,
}

impl Runner {
    pub(super) fn new(options: &Options) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(options.threads.get())
            .thread_name("framelake-query")
            .enable_all()
            .build()?;
        Ok(Self {
            runtime: Some(runtime),
            at_once: Arc::new(Semaphore::new(options.queries_at_once.get())),
            running: Arc::default(),
            timeout: options.query_timeout,
        })
    }

    /// Does something short, such as planning. Ends it when the caller goes away.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<T, Status> {
        let task = AbortOnDropHandle::new(self.runtime().spawn(work));
        match timeout_at(Instant::now() + self.timeout, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(join)) => Err(failed(join)),
            Err(_) => Err(self.too_long()),
        }
    }

    /// Streams what `query` sends. It ends with a status when it takes too long or is cancelled by `id`, and stops when the stream is dropped.
    pub(super) fn stream<T, S>(
        &self,
        id: Uuid,
        query: impl Future<Output = Result<S, Status>> + Send + 'static,
    ) -> Reply<T>
    where
        T: Send + 'static,
        S: Stream<Item = Result<T, Status>> + Send,
    {
        let (sender, receiver) = mpsc::channel(MESSAGES_AHEAD);
        let at_once = self.at_once.clone();
        let task = self.runtime().spawn(async move {
            let _permit = at_once.acquire_owned().await.map_err(|_| stopping())?;
            let mut messages = std::pin::pin!(query.await?);
            while let Some(message) = messages.next().await {
                // Nobody reads: the stream was dropped.
                if sender.send(message?).await.is_err() {
                    break;
                }
            }
            Ok(())
        });
        let reading = Reading {
            receiver,
            task: AbortOnDropHandle::new(task),
            deadline: Instant::now() + self.timeout,
            too_long: self.too_long(),
            entry: self.running.enter(id),
        };
        stream::unfold(Some(reading), |reading| async {
            let mut reading = reading?;
            match reading.next().await {
                Some(Ok(message)) => Some((Ok(message), Some(reading))),
                Some(Err(status)) => Some((Err(status), None)),
                None => None,
            }
        })
        .boxed()
    }

    /// Ends the queries that run under `id`; says whether there were any.
    pub(super) fn cancel(&self, id: Uuid) -> bool {
        self.running.cancel(|running| running == id)
    }

    /// Ends all queries.
    pub(super) fn cancel_all(&self) {
        self.running.cancel(|_| true);
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is there until drop")
    }

    /// The watch runs on the connection's side, so that it is kept even by a query that never yields.
    fn too_long(&self) -> Status {
        Status::deadline_exceeded(format!(
            "the query took longer than {:?}, the limit of this server; narrow it by process_id and time, or raise the server's query timeout",
            self.timeout
        ))
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Reading<T> {
    receiver: mpsc::Receiver<T>,
    task: AbortOnDropHandle<Result<(), Status>>,
    deadline: Instant,
    too_long: Status,
    entry: Entry,
}

impl<T> Reading<T> {
    async fn next(&mut self) -> Option<Result<T, Status>> {
        tokio::select! {
            biased;
            () = self.entry.cancelled.cancelled() => Some(Err(Status::cancelled("the query was cancelled"))),
            () = sleep_until(self.deadline) => Some(Err(self.too_long.clone())),
            message = self.receiver.recv() => match message {
                Some(message) => Some(Ok(message)),
                // The end of the channel alone would take a failed query for a complete one.
                None => match (&mut self.task).await {
                    Ok(Ok(())) => None,
                    Ok(Err(status)) => Some(Err(status)),
                    Err(join) => Some(Err(failed(join))),
                },
            },
        }
    }
}

/// The queries that run now.
#[derive(Default)]
struct Running {
    queries: Mutex<HashMap<u64, (Uuid, CancellationToken)>>,
    number: AtomicU64,
}

/// A query's place among those that run; left when dropped.
struct Entry {
    running: Arc<Running>,
    number: u64,
    cancelled: CancellationToken,
}

impl Running {
    fn enter(self: &Arc<Self>, id: Uuid) -> Entry {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let cancelled = CancellationToken::new();
        self.queries.lock().unwrap_or_else(PoisonError::into_inner).insert(number, (id, cancelled.clone()));
        Entry { running: self.clone(), number, cancelled }
    }

    fn cancel(&self, which: impl Fn(Uuid) -> bool) -> bool {
        let queries = self.queries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut any = false;
        for (_, token) in queries.values().filter(|(id, _)| which(*id)) {
            token.cancel();
            any = true;
        }
        any
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.running.queries.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

fn failed(join: tokio::task::JoinError) -> Status {
    if join.is_cancelled() {
        return stopping();
    }
    let panic = join.into_panic();
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Status::internal(format!(
        "the query panicked ({}); please report it with the statement",
        said.unwrap_or("no message")
    ))
}

fn stopping() -> Status {
    Status::unavailable("the server is stopping; connect again")
}
