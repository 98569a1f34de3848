//! What a user sees of the writer: how soon, and what is said of what cannot be taken in.

use crate::world::{PATIENCE, Program, Worker, World, options};
use framelake_lake::DeadLetterEntry;
use framelake_log::{EventLog, Memory, Offset, TopicPartition};
use framelake_wire::{Topic, limits};
use framelake_writer::Options;
use std::time::{Duration, Instant};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_block_is_visible_without_waiting_for_others() {
    let mut world = World::new();
    let program = Program::start();
    let catalog = world.catalog().await;
    // Were it not for the linger, nothing would be visible for a minute.
    let options = Options { segment_age_max: Duration::from_secs(60), ..Options::embedded("writer") };
    let worker = Worker::start(&world, world.lake().await, options);
    let begun = Instant::now();
    world.send_block(program.log_block(0, 1)).await;
    timeout(Duration::from_secs(20), world.drained(catalog.as_ref())).await.expect("it is visible soon");
    println!("visible after {:?}", begun.elapsed());
    worker.stop().await;
    world.assert_exactly_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_becomes_a_dead_letter_with_position_and_reason_and_its_partition_goes_on() {
    let mut world = World::new();
    let program = Program::start();
    let key = program.process.process_id.to_string();
    let good = program.log_block(0, 2);
    let mut torn = good.encode();
    torn.truncate(torn.len() - 1);
    let mut flipped = program.log_block(1, 2).encode();
    *flipped.last_mut().expect("it has bytes") ^= 1;
    world.send_bytes(Topic::Logs, &key, "").await;
    world.send_bytes(Topic::Logs, &key, torn).await;
    world.send_bytes(Topic::Logs, &key, flipped).await;
    world.send_bytes(Topic::Logs, &key, program.span_block(0, 2).encode()).await;
    world.send_bytes(Topic::Logs, &key, vec![7; limits::RECORD_BYTES_MAX + 1]).await;
    world.send_block(good.clone()).await;
    // The same identity with other bytes.
    world.send_bytes(Topic::Logs, &key, program.log_block(0, 9).encode()).await;

    let catalog = world.catalog().await;
    let worker = Worker::start(&world, world.lake().await, options("writer"));
    world.drained(catalog.as_ref()).await;
    let stats = worker.stats.snapshot();
    worker.stop().await;
    world.assert_exactly_once().await;

    let mut letters = catalog.dead_letters(100).await.expect("dead letters can be listed");
    letters.sort_by_key(|letter| letter.position);
    let offsets: Vec<_> = letters.iter().map(|letter| letter.position.offset.0).collect();
    assert_eq!(offsets, [0, 1, 2, 3, 4, 6], "{letters:?}");
    let says = |letter: &DeadLetterEntry, word: &str| assert!(letter.reason.contains(word), "{letter:?}");
    says(&letters[2], "checksum");
    says(&letters[3], "belongs to topic framelake.spans");
    says(&letters[4], "over the limit");
    says(&letters[5], "another block of sequence 0");
    assert_eq!((stats.poison, stats.conflicting_blocks, stats.blocks), (5, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_forgot_unread_is_a_gap_and_reading_goes_on() {
    let mut world = World::new();
    let program = Program::start();
    let catalog = world.catalog().await;
    world.send_block(program.log_block(0, 1)).await;
    let worker = Worker::start(&world, world.lake().await, options("writer"));
    world.drained(catalog.as_ref()).await;
    worker.stop().await;

    // While no worker runs, retention passes two records that were not acknowledged to anybody here.
    let key = program.process.process_id.to_string();
    let mut partition = TopicPartition { topic: Topic::Logs, partition: 0 };
    for sequence in [1, 2] {
        world.send_bytes(Topic::Logs, &key, program.log_block(sequence, 1).encode()).await;
    }
    for number in 0..3 {
        partition.partition = number;
        let end = world.log.bounds(partition).await.expect("bounds").next;
        world.log.trim(partition, end).await.expect("memory trims");
        if end > Offset(0) {
            break;
        }
    }
    let worker = Worker::start(&world, world.lake().await, options("writer"));
    let reported = async {
        while catalog.gaps(10).await.expect("gaps can be listed").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, reported).await.expect("the gap is reported though nothing follows it");
    world.send_block(program.log_block(3, 1)).await;
    world.drained(catalog.as_ref()).await;
    worker.stop().await;

    let gaps = catalog.gaps(10).await.expect("gaps can be listed");
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((gaps[0].from.topic_partition, gaps[0].from.offset, gaps[0].to), (partition, Offset(1), Offset(3)));
    assert!(gaps[0].reason.contains("retention"), "{gaps:?}");
    world.assert_exactly_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_made_anew_is_another_log_and_says_so_by_a_gap() {
    let mut world = World::new();
    let program = Program::start();
    let catalog = world.catalog().await;
    for sequence in 0..3 {
        world.send_block(program.log_block(sequence, 1)).await;
    }
    let worker = Worker::start(&world, world.lake().await, options("writer"));
    world.drained(catalog.as_ref()).await;
    worker.stop().await;

    // Its offsets begin at 0 again, below what was read of the earlier one.
    world.log = Memory::new(3);
    for sequence in 3..5 {
        world.send_block(program.log_block(sequence, 1)).await;
    }
    let worker = Worker::start(&world, world.lake().await, options("writer"));
    world.drained(catalog.as_ref()).await;
    worker.stop().await;
    world.assert_exactly_once().await;
    let gaps = catalog.gaps(10).await.expect("gaps can be listed");
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(gaps[0].from.offset, Offset(3), "where the earlier topic was left");
    assert!(gaps[0].reason.contains("made anew"), "{gaps:?}");
}
