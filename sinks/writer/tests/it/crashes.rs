//! A worker dies at each of its steps; the next one takes up where the catalog stands.

use crate::world::{PATIENCE, Program, Worker, World, failing, options};
use framelake_wire::Topic;
use framelake_writer::{Failpoints, Options, Step, relay};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

/// Stops everything from the `times`-th passing of `step` on, and says so.
fn dies_at(step: Step, times: u32) -> (Failpoints, Arc<Notify>) {
    let (died, passed, dead) = (Arc::new(Notify::new()), AtomicU32::new(0), AtomicBool::new(false));
    let told = died.clone();
    let failpoints = Failpoints::new(move |at| {
        if at == step && passed.fetch_add(1, Ordering::SeqCst) + 1 == times {
            dead.store(true, Ordering::SeqCst);
            told.notify_one();
        }
        dead.load(Ordering::SeqCst)
    });
    (failpoints, died)
}

async fn send_some(world: &mut World, programs: &[Program], sequences: std::ops::Range<u64>) {
    for sequence in sequences {
        for program in programs {
            world.send_block(program.log_block(sequence, 3)).await;
            world.send_block(program.span_block(sequence, 4)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_at_any_step_loses_and_doubles_nothing() {
    let steps = [
        Step::AfterPoll,
        Step::AfterDecode,
        Step::AfterGroup,
        Step::BeforePut,
        Step::AfterPut,
        Step::BeforeCommit,
        Step::AfterCommit,
        Step::AfterHint,
    ];
    for step in steps {
        for times in [1, 4] {
            dies_and_recovers(step, times).await;
        }
    }
}

async fn dies_and_recovers(step: Step, times: u32) {
    let mut world = World::new();
    let programs: Vec<_> = (0..4).map(|_| Program::start()).collect();
    for program in &programs {
        world.send_process(program.process.clone()).await;
    }
    let (failpoints, died) = dies_at(step, times);
    let first = Worker::start(&world, world.lake().await, failing("first", failpoints));
    let sending = async {
        // Until it is dead, so that every step is passed often enough.
        for sequence in (0..).step_by(4) {
            send_some(&mut world, &programs, sequence..sequence + 4).await;
            if timeout(Duration::from_millis(30), died.notified()).await.is_ok() {
                return sequence + 4;
            }
        }
        unreachable!("sequences do not end")
    };
    let sent = timeout(PATIENCE, sending).await.unwrap_or_else(|_| panic!("the worker reaches {step:?} {times} times"));
    first.kill().await;

    // The producers got no reply for some of it and send it again; one sends rubbish.
    world.send_again(3).await;
    world.send_bytes(Topic::Logs, "rubbish", "not a record").await;
    send_some(&mut world, &programs, sent..sent + 2).await;
    let catalog = world.catalog().await;
    let second = Worker::start(&world, world.lake().await, options("second"));
    world.drained(catalog.as_ref()).await;
    second.stop().await;

    world.assert_exactly_once().await;
    let letters = catalog.dead_letters(10).await.expect("dead letters can be listed");
    assert_eq!(letters.len(), 1, "after a death at {step:?}: {letters:?}");
    assert_eq!(letters[0].key, "rubbish");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_commits_what_the_worker_holds() {
    let mut world = World::new();
    let program = Program::start();
    let catalog = world.catalog().await;
    // Nothing would be cut for an hour.
    let hour = Duration::from_secs(3600);
    let lazy = Options { segment_age_max: hour, segment_linger: hour, ..Options::embedded("lazy") };
    let worker = Worker::start(&world, world.lake().await, lazy);
    send_some(&mut world, &[program], 0..3).await;
    let read = async {
        while worker.stats.snapshot().records_read < 6 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, read).await.expect("the records are read");
    assert_eq!(catalog.status().await.expect("sums").blocks, 0);
    worker.stop().await;
    world.assert_exactly_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_relayed_at_least_once_and_in_order_when_the_relay_dies() {
    for step in [Step::BeforeRelay, Step::AfterRelay] {
        let world = World::new();
        for number in 0..5 {
            world.send_bytes(Topic::Spans, "key", format!("rubbish {number}")).await;
        }
        let catalog = world.catalog().await;
        let worker = Worker::start(&world, world.lake().await, options("writer"));
        world.drained(catalog.as_ref()).await;
        worker.stop().await;

        let (failpoints, died) = dies_at(step, 1);
        let shutdown = CancellationToken::new();
        // The same owner: a lease outlives the process that took it, and this test will not wait for its end.
        let start = |options: Options, lake| {
            tokio::spawn(relay::run(Arc::new(world.log.clone()), lake, "relay".into(), options, shutdown.clone()))
        };
        let first = start(failing("relay", failpoints), world.lake().await);
        timeout(PATIENCE, died.notified()).await.expect("the relay gets there");
        first.abort();
        let _cancelled = first.await;
        let second = start(options("relay"), world.lake().await);
        let relayed = async {
            while catalog.status().await.expect("sums").outbox > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, relayed).await.expect("the outbox is emptied");
        shutdown.cancel();
        second.await.expect("no panic").expect("no failure");

        let once: Vec<_> = (0..5).map(|number| format!("rubbish {number}")).collect();
        let expected = if step == Step::BeforeRelay { once } else { [once.clone(), once].concat() };
        assert_eq!(world.values(Topic::DeadLetters).await, expected, "died at {step:?}");
    }
}
