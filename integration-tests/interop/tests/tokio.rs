//! What tokio tells only where it is built with `--cfg tokio_unstable`.

#[path = "../../../producers/sdk/tests/support/mod.rs"]
mod support;

use framelake_wire::{StreamKind, decode};
use std::collections::BTreeMap;
use support::Collector;

#[cfg(not(tokio_unstable))]
compile_error!(
    "these tests need --cfg tokio_unstable: run cargo in integration-tests/interop, whose .cargo/config.toml gives it, without RUSTFLAGS"
);

const TASKS: usize = 50;

/// What was counted, and under which target, by name.
fn counted(collector: &Collector) -> BTreeMap<String, (i64, String)> {
    let mut counted: BTreeMap<String, (i64, String)> = BTreeMap::new();
    for block in collector.streams(&StreamKind::METRIC).into_values().flatten() {
        let metrics = decode::metrics(&block).unwrap();
        for row in 0..metrics.ordinal.len() {
            let site = &metrics.sites[metrics.site[row] as usize];
            let sum = metrics.args.get(metrics.site[row], metrics.event[row], 0).to_string();
            let of = counted.entry(site.name.clone()).or_insert_with(|| (0, site.target.clone()));
            of.0 += sum.parse::<i64>().unwrap();
        }
    }
    counted
}

#[test]
fn every_task_that_is_spawned_is_counted() {
    let collector = Collector::default();
    let guard = collector.start();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = framelake::tokio::hooks(builder.worker_threads(2), "worker").build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(tokio::task::yield_now())).collect();
        for task in tasks {
            task.await.unwrap();
        }
        // Its end is the runtime's.
        tokio::spawn(std::future::pending::<()>());
        tokio::task::spawn_blocking(|| ()).await.unwrap();
    });
    drop(runtime);
    collector.check(&guard.shutdown().unwrap());
    let spawned = (TASKS as i64 + 1, "framelake.tokio".to_owned());
    assert_eq!(counted(&collector), [("tokio.tasks.spawned".to_owned(), spawned)].into());
}
