//! Each chore does what its plan says, to real stores.

use crate::world::{World, options};
use framelake_log::{EventLog, Offset};
use framelake_maintain::Options;
use framelake_wire::Topic;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn the_log_shrinks_to_its_bounds_and_keeps_what_is_not_in_the_lake() {
    let world = World::new().await;
    world.append(Topic::Spans, 200, 32 * 1024).await;
    world.append(Topic::Logs, 20, 1024).await;
    world.take_in(Topic::Spans, 150).await;
    let before = world.log.disk_bytes().await.expect("sizes").expect("it is on this disk");
    assert!(before > 6 * 1024 * 1024, "{before}");

    // Neither too large nor too old.
    world.maintain(options()).round(false).await.expect("a round");
    assert_eq!(world.bounds(Topic::Spans).await.earliest, Offset(0));

    // Too large by half: half of the offsets go, or fewer.
    let half = Options { log_keep_bytes: before / 2, ..options() };
    world.maintain(half).round(false).await.expect("a round");
    let earliest = world.bounds(Topic::Spans).await.earliest;
    assert!((90..=110).contains(&earliest.0), "{earliest}");
    assert_eq!(world.bounds(Topic::Logs).await.earliest, Offset(0), "logs are not in the lake");

    // Everything is too old: all that is in the lake goes.
    let maintain = world.maintain(Options { log_keep_age: Duration::ZERO, ..options() });
    tokio::time::sleep(Duration::from_millis(5)).await;
    maintain.round(false).await.expect("a round");
    assert_eq!(world.bounds(Topic::Spans).await.earliest, Offset(150));
    assert_eq!(world.bounds(Topic::Spans).await.next, Offset(200));
    assert_eq!(world.bounds(Topic::Logs).await.earliest, Offset(0));
    assert_eq!(maintain.stats().snapshot().trimmed_offsets, 150 - earliest.0.unsigned_abs());
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_and_gaps_are_kept_for_thirty_days_wherever_they_are() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let world = World::new().await;
    world.append(Topic::Logs, 3, 100).await;
    // All three are poison: rows of the catalog, and messages that a relay brought to their topic.
    world.take_in(Topic::Logs, 3).await;
    world.append(Topic::DeadLetters, 3, 100).await;
    world.append(Topic::Lake, 2, 100).await;
    let catalog = world.lake.catalog();
    let now = SystemTime::now();
    // However full the log and the data directory are, dead letters only go by their age.
    let maintain = world.maintain(Options { log_keep_bytes: 0, ..options() });
    maintain.round_at(now + 29 * DAY, false).await.expect("a round");
    assert_eq!(catalog.dead_letters(10).await.expect("dead letters").len(), 3);
    assert_eq!(world.bounds(Topic::DeadLetters).await.earliest, Offset(0));
    assert_eq!(maintain.stats().snapshot().forgotten_letters, 0);

    maintain.round_at(now + 31 * DAY, false).await.expect("a round");
    assert!(catalog.dead_letters(10).await.expect("dead letters").is_empty());
    assert_eq!(maintain.stats().snapshot().forgotten_letters, 3);
    let bounds = world.bounds(Topic::DeadLetters).await;
    assert_eq!((bounds.earliest, bounds.next), (Offset(3), Offset(3)));
    assert_eq!(world.bounds(Topic::Lake).await.earliest, Offset(0), "events of the lake stay");
    assert_eq!(catalog.outbox(10).await.expect("the outbox").len(), 3, "what was not relayed yet still leaves");
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_doomed_then_deleted_and_what_is_named_or_young_stays() {
    let world = World::new().await;
    world.append(Topic::Logs, 3, 100).await;
    let named = world.take_in(Topic::Logs, 3).await;
    let orphans = ["segments/framelake.logs/1/0000-9-10-aa.avro", "views/log_entries/1/aa.parquet"];
    for key in orphans {
        world.put(key).await;
    }
    world.put("notes/of-somebody-else").await;

    let patient = world.maintain(Options { orphan_grace: Duration::from_secs(3600), ..options() });
    patient.round(true).await.expect("a round");
    assert!(orphans.iter().all(|key| world.has_object(key)), "a writer may be about to commit them");

    // Doomed, but a query may still read what was retired a moment ago.
    let grace = world.maintain(Options { doomed_grace: Duration::from_secs(3600), ..options() });
    grace.round(true).await.expect("a round");
    assert_eq!(grace.stats().snapshot().orphans, 2);
    assert!(orphans.iter().all(|key| world.has_object(key)));

    let maintain = world.maintain(options());
    maintain.round(true).await.expect("a round");
    assert!(!orphans.iter().any(|key| world.has_object(key)));
    assert!(world.has_object(&named) && world.has_object("notes/of-somebody-else"));
    let stats = maintain.stats().snapshot();
    assert_eq!((stats.orphans, stats.deleted_objects), (0, 2), "{stats:?}");

    // Put late, by a writer that slept: an orphan like any other.
    world.put(orphans[0]).await;
    maintain.round(true).await.expect("a round");
    assert!(!world.has_object(orphans[0]));
    let stats = maintain.stats().snapshot();
    assert_eq!((stats.orphans, stats.deleted_objects), (1, 3), "{stats:?}");
    let catalog = world.lake.catalog();
    assert_eq!(catalog.forget_deleted(Duration::ZERO, 0, 10).await.expect("forget"), 2, "their keys stayed doomed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_spans_are_expired_first_when_the_cap_is_reached() {
    let world = World::new().await;
    world.append(Topic::Spans, 30, 64 * 1024).await;
    world.append(Topic::Logs, 10, 64 * 1024).await;
    // The logs are older than any span.
    let logs = world.take_in(Topic::Logs, 10).await;
    let mut spans = Vec::new();
    for _ in 0..3 {
        spans.push(world.take_in(Topic::Spans, 10).await);
    }
    let log_bytes = world.log.disk_bytes().await.expect("sizes").expect("it is on this disk");
    let status = world.lake.catalog().status().await.expect("sums");
    let over = status.segment_bytes / 4 + 1;
    let maintain = world.maintain(Options { data_bytes_max: log_bytes + status.segment_bytes - over, ..options() });
    maintain.round(false).await.expect("a round");

    let stats = maintain.stats().snapshot();
    assert_eq!(stats.expired_segments, 2, "each is a quarter of all: {stats:?}");
    assert!(stats.expired_bytes >= over);
    assert!(!world.has_object(&spans[0]) && !world.has_object(&spans[1]));
    assert!(world.has_object(&spans[2]) && world.has_object(&logs));
    let left = world.lake.catalog().segments(None, 10).await.expect("segments can be listed");
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_of_two_processes_does_the_chores_and_both_stop_when_told() {
    let world = World::new().await;
    world.append(Topic::Logs, 1, 10).await;
    let first = world.maintain(Options { period: Duration::from_secs(60), ..Options::new("first") });
    first.round(false).await.expect("a round");
    world.put("segments/x").await;
    let eager = Options { period: Duration::from_millis(5), orphan_period: Duration::ZERO, ..options() };
    let second = world.maintain(eager);
    let stats = second.stats();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(second.run(shutdown.clone()));
    while stats.snapshot().rounds < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    shutdown.cancel();
    task.await.expect("no panic").expect("no failure");
    let doomed = world.lake.catalog().doomed(Duration::ZERO, 10).await.expect("doomed objects can be listed");
    assert!(doomed.is_empty() && world.has_object("segments/x"), "the first one has the lease");
}
