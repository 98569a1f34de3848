//! A log that lost its end gives offsets once more: what stands there then is not what was read.

use crate::world::{PATIENCE, Program, Worker, World, options};
use framelake_lake::{BlockFilter, Catalog, Incarnation};
use framelake_log::{EventLog, Offset, TopicPartition};
use framelake_wire::Topic;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::timeout;

/// A world in which one worker read six blocks of each of three programs, and the partition of the first of them.
async fn read(programs: &[Program]) -> (World, Arc<dyn Catalog>, TopicPartition) {
    let mut world = World::new();
    let catalog = world.catalog().await;
    let mut partition = TopicPartition { topic: Topic::Logs, partition: 0 };
    for program in programs {
        for sequence in 0..6 {
            world.send_block(program.log_block(sequence, 2)).await;
        }
        if std::ptr::eq(program, &programs[0]) {
            while world.log.bounds(partition).await.expect("bounds").next == Offset(0) {
                partition.partition += 1;
            }
        }
    }
    let worker = Worker::start(&world, world.lake().await, options("writer"));
    world.drained(catalog.as_ref()).await;
    worker.stop().await;
    (world, catalog, partition)
}

/// Of each block of the program, the log that the catalog says it came from.
async fn incarnations(catalog: &dyn Catalog, program: &Program) -> BTreeMap<u64, Incarnation> {
    let filter = BlockFilter { process_ids: Some(vec![program.process.process_id]), ..BlockFilter::default() };
    let blocks = catalog.blocks(&filter).await.expect("blocks can be listed");
    blocks.iter().map(|block| (block.sequence, block.position.incarnation)).collect()
}

/// Waits until the block is visible. That the log is drained says nothing here: by its ends alone it may seem to be before it is read.
async fn visible(catalog: &dyn Catalog, program: &Program, sequence: u64) {
    let seen = async {
        while !incarnations(catalog, program).await.contains_key(&sequence) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, seen).await.expect("the block at an offset given twice is seen");
}

async fn assert_one_gap(catalog: &dyn Catalog, partition: TopicPartition, at: Offset) {
    let gaps = catalog.gaps(10).await.expect("gaps can be listed");
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((gaps[0].from.topic_partition, gaps[0].from.offset), (partition, at), "{gaps:?}");
    assert!(gaps[0].reason.contains("rolled back"), "{gaps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_its_end_is_read_as_another_one() {
    // Records after the roll-back: fewer than were lost, as many, more. By the ends alone only the first would be noticed.
    for again in [1, 3, 5] {
        let programs: Vec<_> = (0..3).map(|_| Program::start()).collect();
        let (mut world, catalog, partition) = read(&programs).await;
        let end = world.log.bounds(partition).await.expect("bounds").next;
        world.log.roll_back(partition, Offset(end.0 - 3));
        for sequence in 6..6 + again {
            world.send_block(programs[0].log_block(sequence, 2)).await;
        }
        let worker = Worker::start(&world, world.lake().await, options("writer"));
        visible(catalog.as_ref(), &programs[0], 5 + again).await;
        world.drained(catalog.as_ref()).await;
        let read = worker.stats.snapshot().records_read;
        worker.stop().await;
        world.assert_exactly_once().await;
        assert_one_gap(catalog.as_ref(), partition, end).await;
        let of = incarnations(catalog.as_ref(), &programs[0]).await;
        assert!((6..6 + again).all(|sequence| of[&sequence] > of[&5]), "offsets that were given twice: {of:?}");
        let left = world.log.bounds(partition).await.expect("bounds").next;
        assert_eq!(read, left.0.unsigned_abs(), "the other partitions go on where they were");

        // Known from now on.
        world.send_block(programs[0].log_block(6 + again, 2)).await;
        let worker = Worker::start(&world, world.lake().await, options("writer"));
        world.drained(catalog.as_ref()).await;
        assert_eq!(worker.stats.snapshot().records_read, 1);
        worker.stop().await;
        world.assert_exactly_once().await;
        assert_one_gap(catalog.as_ref(), partition, end).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_loses_its_end_under_a_running_worker_is_read_as_another_one() {
    let programs = [Program::start()];
    let (mut world, catalog, partition) = read(&programs).await;
    let worker = Worker::start(&world, world.lake().await, options("writer"));
    world.send_block(programs[0].log_block(6, 2)).await;
    world.drained(catalog.as_ref()).await;
    world.log.roll_back(partition, Offset(4));
    world.send_block(programs[0].log_block(7, 2)).await;
    visible(catalog.as_ref(), &programs[0], 7).await;
    worker.stop().await;
    world.assert_exactly_once().await;
    assert_one_gap(catalog.as_ref(), partition, Offset(7)).await;
    let of = incarnations(catalog.as_ref(), &programs[0]).await;
    assert!(of[&7] > of[&6], "{of:?}");
}
