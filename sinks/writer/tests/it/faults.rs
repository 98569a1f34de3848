//! The catalog is cut off again and again, also right after it committed; objects are doomed under the writer's hands.

use crate::{
    faulty_catalog::Faulty,
    faulty_objects::FaultyPuts,
    world::{PATIENCE, Program, Worker, World, failing, options},
};
use framelake_lake::Lake;
use framelake_writer::{Failpoints, Step};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_that_fails_before_and_after_its_commits_changes_nothing() {
    for seed in [0x5eed_0001, 0x5eed_0002, 0x5eed_0003] {
        println!("seed {seed:#x}");
        let mut world = World::new();
        let programs: Vec<_> = (0..3).map(|_| Program::start()).collect();
        let catalog = world.catalog().await;
        let faulty = Arc::new(Faulty::new(catalog.clone(), seed, 30));
        let worker = Worker::start(&world, world.lake_with(faulty), options("writer"));
        for sequence in 0..20 {
            for program in &programs {
                world.send_block(program.log_block(sequence, 2)).await;
                world.send_block(program.span_block(sequence, 2)).await;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        world.drained(catalog.as_ref()).await;
        assert!(worker.stats.snapshot().retries > 0, "it did fail");
        worker.stop().await;
        world.assert_exactly_once().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_that_fails_before_and_after_its_puts_changes_nothing() {
    for seed in [0x0b1e_0001, 0x0b1e_0002, 0x0b1e_0003] {
        println!("seed {seed:#x}");
        let mut world = World::new();
        let program = Program::start();
        let catalog = world.catalog().await;
        let objects = Arc::new(FaultyPuts::new(world.objects_store(), seed, 40));
        let worker = Worker::start(&world, Lake::new(catalog.clone(), objects), options("writer"));
        for sequence in 0..40 {
            world.send_block(program.log_block(sequence, 2)).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        world.drained(catalog.as_ref()).await;
        assert!(worker.stats.snapshot().retries > 0, "it did fail");
        worker.stop().await;
        world.assert_exactly_once().await;
        let status = catalog.status().await.expect("sums");
        assert_eq!(world.objects().len() as u64, status.segments, "a repeated put makes no second object");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_whose_segment_was_doomed_as_an_orphan_get_another_one() {
    // A single record too: no other may ever follow it.
    for blocks in [1, 4] {
        for deleted in [false, true] {
            check_doomed(blocks, deleted).await;
        }
    }
}

async fn check_doomed(blocks: u64, deleted: bool) {
    let mut world = World::new();
    let program = Program::start();
    let catalog = world.catalog().await;
    for sequence in 0..blocks {
        world.send_block(program.log_block(sequence, 2)).await;
    }
    // A worker dies between PUT and commit, and long after `maintain` finds what it put.
    let dead = Arc::new(AtomicBool::new(false));
    let told = dead.clone();
    let dies = Failpoints::new(move |step| {
        let there = step == Step::AfterPut;
        told.fetch_or(there, Ordering::SeqCst);
        there
    });
    let first = Worker::start(&world, world.lake().await, failing("first", dies));
    let put = async {
        while !dead.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, put).await.expect("an object is put");
    first.kill().await;
    let orphans = world.objects();
    assert_eq!(orphans.len(), 1, "{orphans:?}");
    assert_eq!(catalog.unknown_objects(&orphans).await.expect("the catalog answers"), orphans);
    catalog.doom(&orphans).await.expect("the catalog dooms");
    if deleted {
        std::fs::remove_file(world.object(&orphans[0])).expect("the object is there");
        catalog.objects_deleted(&orphans).await.expect("the catalog keeps the tombstone");
    }

    let second = Worker::start(&world, world.lake().await, options("second"));
    world.drained(catalog.as_ref()).await;
    assert!(second.stats.snapshot().superseded > 0, "its first segment was the doomed one");
    second.stop().await;
    world.assert_exactly_once().await;
}
