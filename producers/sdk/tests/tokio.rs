//! A tokio runtime's threads and queues.

mod support;

use framelake::Builder;
use framelake_wire::{StreamKind, decode};
use std::collections::BTreeMap;
use std::time::Duration;
use support::{Collector, eventually, turn};

/// Each measurement of the runtimes, by runtime and name, in its order.
fn measured(collector: &Collector) -> BTreeMap<(String, String), Vec<f64>> {
    let mut measured: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    for block in collector.streams(&StreamKind::METRIC).into_values().flatten() {
        let metrics = decode::metrics(&block).unwrap();
        for row in 0..metrics.ordinal.len() {
            let (index, site) = (metrics.site[row], &metrics.sites[metrics.site[row] as usize]);
            let arg = |number| metrics.args.get(index, metrics.event[row], number).to_string();
            if site.target == "framelake.tokio" {
                assert_eq!(site.args[1], "runtime");
                measured.entry((arg(1), site.name.clone())).or_default().push(arg(0).parse().unwrap());
            }
        }
    }
    measured
}

fn of(collector: &Collector, runtime: &str, name: &str) -> Vec<f64> {
    measured(collector).remove(&(runtime.to_owned(), name.to_owned())).unwrap_or_default()
}

#[test]
fn workers_have_names_and_their_waiting_is_a_span_and_the_runtime_is_measured() {
    let _turn = turn();
    let collector = Collector::default();
    let period = Duration::from_millis(20);
    let guard = collector.start_with(Builder::new().drain_period(period).system_metrics(period));
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = framelake::tokio::hooks(builder.worker_threads(2).enable_all(), "net").build().unwrap();
    framelake::tokio::watch(runtime.handle(), "tested");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let task = runtime.spawn(async move {
        framelake::info!("on a worker");
        let _ = stopped.await;
    });
    for _ in 0..10 {
        runtime.block_on(async { tokio::time::sleep(Duration::from_millis(2)).await });
    }
    let measured_last = |name, value| of(&collector, "tested", name).last() == Some(&value);
    // A worker that is started late has not taken the tasks from the queue yet, or not waited: it would not, once the runtime ends.
    eventually("the waiting of both workers", || (0..2).all(|worker| runtime.metrics().worker_park_count(worker) > 0));
    eventually("a measurement of the task, and of an empty queue", || {
        measured_last("tokio.tasks.alive", 1.0) && measured_last("tokio.queue.depth", 0.0)
    });
    // From here on the queue may have the task that is woken.
    stop.send(()).unwrap();
    runtime.block_on(task).unwrap();
    drop(runtime);
    collector.check(&guard.shutdown().unwrap());

    let last = |name| of(&collector, "tested", name).pop().unwrap();
    assert_eq!(last("tokio.workers"), 2.0);
    assert!((0.0..1.5).contains(&last("tokio.worker.utilization")));
    assert!(collector.lines().iter().all(|line| line.thread.starts_with("net-")));
    let spans = collector.spans();
    let workers: Vec<_> = spans.iter().filter(|(thread, _)| thread.starts_with("net-")).collect();
    assert_eq!(workers.len(), 2);
    assert!(workers.iter().all(|(_, spans)| spans.iter().all(|span| span.name == "parked" && span.depth == 0)));
}

#[test]
fn a_runtime_that_ended_is_measured_no_more() {
    let _turn = turn();
    let collector = Collector::default();
    let period = Duration::from_millis(20);
    let guard = collector.start_with(Builder::new().drain_period(period).system_metrics(period));
    let ending = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    framelake::tokio::watch(ending.handle(), "ending");
    // Nobody runs what is spawned on it.
    let staying = tokio::runtime::Builder::new_current_thread().build().unwrap();
    framelake::tokio::watch(staying.handle(), "staying");
    let count = |runtime| of(&collector, runtime, "tokio.tasks.alive").len();
    let measured_again = |times: usize| {
        let before = count("staying");
        eventually("another measurement", || count("staying") >= before + times);
    };
    eventually("a first measurement", || count("ending") > 0);
    let handle = ending.handle().clone();
    drop(ending);
    framelake::tokio::watch(&handle, "ended");
    // By then all that was measured before is there.
    measured_again(2);
    let ended = count("ending");
    measured_again(3);
    assert_eq!(count("ending"), ended);
    collector.check(&guard.shutdown().unwrap());
    assert_eq!((of(&collector, "staying", "tokio.tasks.alive")[0], count("ended")), (0.0, 0));
    // The task that shows when it ends.
    assert_eq!(of(&collector, "staying", "tokio.queue.depth")[0], 1.0);
}
