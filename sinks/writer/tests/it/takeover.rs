//! Two workers on the same partitions: whoever commits first wins.

use crate::{
    rebalancing::Rebalancing,
    world::{PATIENCE, Program, Worker, World, failing, options},
};
use framelake_writer::{Failpoints, Options, Step};
use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_on_the_same_partitions_lose_and_double_nothing() {
    let mut world = World::new();
    let programs: Vec<_> = (0..4).map(|_| Program::start()).collect();
    let catalog = world.catalog().await;
    let first = Worker::start(&world, world.lake().await, options("first"));
    // Other cuts than the first one's: with the same cuts both make the same segments, and each finds its own committed already.
    let other_cuts = Options { segment_records_max: 3, ..options("second") };
    let second = Worker::start(&world, world.lake().await, other_cuts);
    for sequence in 0..40 {
        for program in &programs {
            world.send_block(program.log_block(sequence, 2)).await;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    world.drained(catalog.as_ref()).await;
    let stats = [first.stats.clone(), second.stats.clone()];
    first.stop().await;
    second.stop().await;
    assert!(stats.iter().any(|stats| stats.snapshot().superseded > 0), "they got in each other's way: {stats:?}");
    world.assert_exactly_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_rebalances_loses_and_doubles_nothing() {
    for seed in [0x5702_0001, 0x5702_0002, 0x5702_0003] {
        println!("seed {seed:#x}");
        let mut world = World::new();
        let programs: Vec<_> = (0..4).map(|_| Program::start()).collect();
        let catalog = world.catalog().await;
        let log = Arc::new(Rebalancing::new(world.log.clone(), seed));
        let first = Worker::start_on(log.clone(), world.lake().await, options("first"));
        let second = Worker::start_on(log, world.lake().await, Options { segment_records_max: 3, ..options("second") });
        for sequence in 0..40 {
            for program in &programs {
                world.send_block(program.log_block(sequence, 2)).await;
                world.send_block(program.span_block(sequence, 2)).await;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        world.drained(catalog.as_ref()).await;
        first.stop().await;
        second.stop().await;
        world.assert_exactly_once().await;
        let gaps = catalog.gaps(10).await.expect("gaps can be listed");
        assert!(gaps.is_empty(), "a rebalance is no gap: {gaps:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_worker_that_wakes_up_late_drops_its_batch_and_goes_on() {
    let mut world = World::new();
    let program = Program::start();
    let catalog = world.catalog().await;
    let (wake, asleep) = mpsc::channel::<()>();
    let asleep = Mutex::new(Some(asleep));
    let (fell_asleep, mut sleeping) = tokio::sync::mpsc::unbounded_channel();
    // Its thread stands still before its first commit, as under SIGSTOP.
    let failpoints = Failpoints::new(move |step| {
        let first = if step == Step::BeforeCommit { asleep.lock().expect("no panic").take() } else { None };
        if let Some(until) = first {
            fell_asleep.send(()).expect("the test listens");
            let _woken = until.recv();
        }
        false
    });
    world.send_block(program.log_block(0, 2)).await;
    let zombie = Worker::start(&world, world.lake().await, failing("zombie", failpoints));
    timeout(PATIENCE, sleeping.recv()).await.expect("it gets to its first commit").expect("it is there");

    let other = Worker::start(&world, world.lake().await, options("other"));
    world.send_block(program.log_block(1, 2)).await;
    world.drained(catalog.as_ref()).await;
    other.stop().await;
    let visible = catalog.status().await.expect("sums").blocks;
    assert_eq!(visible, 2, "the other worker had both blocks");

    wake.send(()).expect("the zombie waits");
    world.send_block(program.log_block(2, 2)).await;
    world.drained(catalog.as_ref()).await;
    let stats = Arc::new(zombie.stats.snapshot());
    assert_eq!(stats.duplicate_blocks, 0, "it committed nothing that was there: {stats:?}");
    zombie.stop().await;
    world.assert_exactly_once().await;
}
