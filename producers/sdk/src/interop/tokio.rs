//! Threads, queues and tasks of a [`tokio`](https://docs.rs/tokio) runtime (feature `tokio`).
//!
//! ```standalone_crate
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # framelake::__private::example();
//! let period = std::time::Duration::from_secs(1);
//! let _framelake = framelake::Builder::new().app("my-service").system_metrics(period).start()?;
//! let mut builder = tokio::runtime::Builder::new_multi_thread();
//! let runtime = framelake::tokio::hooks(builder.enable_all(), "worker").build()?;
//! framelake::tokio::watch(runtime.handle(), "main");
//! # Ok(())
//! # }
//! ```

use crate::arg::Str;
use crate::record::{self, MetricValue, Span};
use crate::site::CallSite;
use crate::system;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, RuntimeMetrics};

static PARKED: CallSite = CallSite::span("parked", "framelake.tokio", file!(), line!());

#[cfg(tokio_unstable)]
static SPAWNED: CallSite =
    CallSite::metric("tokio.tasks.spawned", "{task}", "framelake.tokio", file!(), line!()).aggregated();

thread_local! {
    /// The span of the time in which this thread waits for work.
    static WAITING: Cell<Option<Span>> = const { Cell::new(None) };
}

/// Gives the runtime's threads a name each (`name-0`, `name-1` …) and records as the span `parked` of the target `framelake.tokio` when they wait for work. Where
/// tokio is built with `--cfg tokio_unstable`, tasks are counted as well, of all runtimes together: `tokio.tasks.spawned`, without those of `spawn_blocking` and `LocalSet`.
///
/// These take the place of what the builder had for the same: `thread_name`, `on_thread_park`, `on_thread_unpark`, and with `tokio_unstable` `on_task_spawn`.
pub fn hooks<'a>(builder: &'a mut Builder, name: &str) -> &'a mut Builder {
    let (name, next) = (name.to_owned(), AtomicU32::new(0));
    builder.thread_name_fn(move || format!("{name}-{}", next.fetch_add(1, Relaxed)));
    builder.on_thread_park(|| {
        let _ = WAITING.try_with(|waiting| waiting.set(Some(Span::begin(&PARKED))));
    });
    builder.on_thread_unpark(|| {
        let _ = WAITING.try_with(Cell::take);
    });
    // Not `on_task_terminate`: that tells also of tasks of which nobody told the begin, those of `spawn_blocking` and the workers themselves.
    #[cfg(tokio_unstable)]
    builder.on_task_spawn(|_| crate::aggregate::counter(&SPAWNED, 1));
    builder
}

macro_rules! sites {
    ($($name:ident = $metric:literal, $unit:literal $(, $tag:literal)?;)*) => {$(
        static $name: CallSite =
            CallSite::metric($metric, $unit, "framelake.tokio", file!(), line!()).with_args(&["runtime" $(, $tag)?], "");
    )*};
}

sites! {
    WORKERS = "tokio.workers", "{thread}";
    ALIVE = "tokio.tasks.alive", "{task}";
    QUEUED = "tokio.queue.depth", "{task}";
    BUSY = "tokio.worker.utilization", "1", "worker";
}

/// Measures the runtime each period of [`Builder::system_metrics`](crate::Builder::system_metrics) until it ends: its workers, its tasks, those that wait in the
/// queue that workers share, and the share of the time that each worker was busy (where the target has 64-bit atomics). `name` is their tag `runtime`.
///
/// A task of its own in the runtime shows when that ends. It waits for nothing else and is not among the tasks that are measured; but it waits in the queue
/// until the runtime first runs it, and with `tokio_unstable` [`hooks`] count it.
pub fn watch(runtime: &Handle, name: &str) {
    let metrics = Arc::new(runtime.metrics());
    let (left, name) = (Arc::downgrade(&metrics), name.to_owned());
    let mut busy = vec![Duration::ZERO; metrics.num_workers()];
    measure_busy(&metrics, &mut busy, |_, _| {});
    // Nothing tells of a handle whether its runtime ended, but a runtime that ends drops its tasks: this one has what keeps the measuring, and the runtime's memory.
    runtime.spawn(async move {
        let _metrics = metrics;
        std::future::pending::<()>().await;
    });
    system::add(Box::new(move |elapsed| {
        let Some(metrics) = left.upgrade() else { return false };
        measured(&WORKERS, metrics.num_workers(), &name);
        measured(&ALIVE, metrics.num_alive_tasks().saturating_sub(1), &name);
        measured(&QUEUED, metrics.global_queue_depth(), &name);
        measure_busy(&metrics, &mut busy, |worker, time| {
            if let Some(on) = record::on(&BUSY) {
                let share = time.as_secs_f64() / elapsed.as_secs_f64();
                record::metric_args(on, share, (Str::new(&name), worker as u64));
            }
        });
        true
    }));
}

fn measured(site: &'static CallSite, value: impl MetricValue, runtime: &str) {
    if let Some(on) = record::on(site) {
        record::metric_args(on, value, (Str::new(runtime),));
    }
}

/// Calls `take` with each worker's number and how long it was busy since the last call.
#[cfg(target_has_atomic = "64")]
fn measure_busy(metrics: &RuntimeMetrics, before: &mut [Duration], mut take: impl FnMut(usize, Duration)) {
    for (worker, before) in before.iter_mut().enumerate() {
        let busy = metrics.worker_total_busy_duration(worker);
        take(worker, busy.saturating_sub(std::mem::replace(before, busy)));
    }
}

#[cfg(not(target_has_atomic = "64"))]
fn measure_busy(_: &RuntimeMetrics, _: &mut [Duration], _: impl FnMut(usize, Duration)) {}
