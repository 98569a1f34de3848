//! A tokio runtime's threads and queues.

mod support;

use framelake::Builder;
use framelake_wire::{StreamKind, decode};
use std::collections::BTreeMap;
use std::time::Duration;
use support::{Collector, eventually, turn};

/// The last value of each of the runtime's metrics, by name.
fn measured(collector: &Collector) -> BTreeMap<String, f64> {
    let mut measured = BTreeMap::new();
    for block in collector.streams(&StreamKind::METRIC).into_values().flatten() {
        let metrics = decode::metrics(&block).unwrap();
        for row in 0..metrics.ordinal.len() {
            let (index, site) = (metrics.site[row], &metrics.sites[metrics.site[row] as usize]);
            let arg = |number| metrics.args.get(index, metrics.event[row], number).to_string();
            if site.target == "framelake.tokio" {
                assert_eq!((site.args[1].as_str(), arg(1).as_str()), ("runtime", "tested"));
                measured.insert(site.name.clone(), arg(0).parse().unwrap());
            }
        }
    }
    measured
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
    eventually("a measurement of the task", || measured(&collector).get("tokio.tasks.alive") == Some(&1.0));
    stop.send(()).unwrap();
    runtime.block_on(task).unwrap();
    drop(runtime);
    collector.check(&guard.shutdown().unwrap());

    let measured = measured(&collector);
    assert_eq!((measured["tokio.workers"], measured["tokio.queue.depth"]), (2.0, 0.0));
    assert!((0.0..1.5).contains(&measured["tokio.worker.utilization"]), "{measured:?}");
    assert!(collector.lines().iter().all(|line| line.thread.starts_with("net-")));
    let spans = collector.spans();
    let workers: Vec<_> = spans.iter().filter(|(thread, _)| thread.starts_with("net-")).collect();
    assert_eq!(workers.len(), 2);
    assert!(workers.iter().all(|(_, spans)| spans.iter().all(|span| span.name == "parked" && span.depth == 0)));
}
