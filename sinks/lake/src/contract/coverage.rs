//! What of a view stands in Parquet, by compare-and-set of a scope's counter.

use super::sample::{second, stream};
use crate::{
    AddOutcome, Catalog, Incarnation, NewPartition, PositionRange, Scope, ScopeCoverage, ViewPartition, ViewVersion,
};
use framelake_log::{Offset, TopicPartition};
use framelake_wire::Topic;
use std::{sync::Arc, time::Duration};

fn view(version: u32) -> ViewVersion {
    ViewVersion { view: "log_entries".to_owned(), version }
}

fn partition(object: &str, from: i64, to: i64, expected_counter: u64) -> NewPartition {
    NewPartition {
        view: view(1),
        scope: Scope::All,
        expected_counter,
        partition: ViewPartition {
            object: format!("views/log_entries/{object}.parquet"),
            range: PositionRange {
                incarnation: Incarnation(1),
                topic_partition: TopicPartition { topic: Topic::Logs, partition: 2 },
                from: Offset(from),
                to: Offset(to),
            },
            rows: 1_000,
            bytes: 50_000,
            min_time: second(0),
            max_time: second(9),
        },
    }
}

async fn covered(catalog: &dyn Catalog, scope: Scope) -> ScopeCoverage {
    catalog.coverage(&view(1), &[scope]).await.expect("coverage").remove(0)
}

async fn add(catalog: &dyn Catalog, partition: &NewPartition) -> AddOutcome {
    catalog.add_partition(partition.clone()).await.expect("add")
}

pub(super) async fn a_partition_is_added_once(catalog: &dyn Catalog) {
    let empty = ScopeCoverage { scope: Scope::All, counter: 0, partitions: vec![] };
    assert_eq!(covered(catalog, Scope::All).await, empty);
    let (later, earlier) = (partition("b", 100, 200, 0), partition("a", 0, 100, 1));
    assert_eq!(add(catalog, &later).await, AddOutcome::Added);
    assert_eq!(add(catalog, &earlier).await, AddOutcome::Added);
    assert_eq!(add(catalog, &later).await, AddOutcome::Added, "an ambiguous answer is asked again");
    let both = covered(catalog, Scope::All).await;
    assert_eq!((both.counter, both.partitions), (2, vec![earlier.partition, later.partition]));
    let status = catalog.status().await.expect("status");
    assert_eq!((status.view_partitions, status.view_bytes), (2, 100_000));
}

pub(super) async fn an_outdated_partition_changes_nothing(catalog: &dyn Catalog) {
    add(catalog, &partition("a", 0, 100, 0)).await;
    let before = covered(catalog, Scope::All).await;
    for (what, outdated) in [
        ("the counter moved", partition("b", 100, 200, 0)),
        ("the counter was never there", partition("b", 100, 200, 7)),
        ("it overlaps", partition("b", 99, 200, 1)),
        ("it lies within", partition("b", 10, 20, 1)),
    ] {
        assert_eq!(add(catalog, &outdated).await, AddOutcome::Superseded, "{what}");
        assert_eq!(covered(catalog, Scope::All).await, before, "{what}");
    }
    let doomed = partition("c", 100, 200, 1);
    catalog.doom(std::slice::from_ref(&doomed.partition.object)).await.expect("doom");
    assert_eq!(add(catalog, &doomed).await, AddOutcome::Superseded, "it is doomed");
    assert_eq!(covered(catalog, Scope::All).await, before);
    assert_eq!(add(catalog, &partition("d", 100, 200, 1)).await, AddOutcome::Added);
}

pub(super) async fn of_many_partitions_of_a_range_one_counts(catalog: Arc<dyn Catalog>) {
    for (round, expected) in [(0, 0), (1, 1)] {
        let writers: Vec<_> = (0..6)
            .map(|writer| {
                let catalog = catalog.clone();
                let new = partition(&format!("{round}-{writer}"), round * 100, round * 100 + 100, expected);
                tokio::spawn(async move { catalog.add_partition(new).await.expect("add") })
            })
            .collect();
        let mut added = 0;
        for writer in writers {
            added += u32::from(writer.await.expect("a writer") == AddOutcome::Added);
        }
        assert_eq!(added, 1);
    }
    let covered = covered(&*catalog, Scope::All).await;
    assert_eq!((covered.counter, covered.partitions.len()), (2, 2));
}

pub(super) async fn scopes_and_versions_are_apart(catalog: &dyn Catalog) {
    let all = partition("all", 0, 100, 0);
    let one = NewPartition { scope: Scope::Stream(stream(1)), ..partition("one", 0, 100, 0) };
    let newer = NewPartition { view: view(2), ..partition("newer", 0, 100, 0) };
    for new in [&all, &one, &newer] {
        assert_eq!(add(catalog, new).await, AddOutcome::Added);
    }
    let scopes = [Scope::Stream(stream(2)), Scope::Stream(stream(1)), Scope::All];
    let found = catalog.coverage(&view(1), &scopes).await.expect("coverage");
    assert_eq!(found.iter().map(|coverage| coverage.scope).collect::<Vec<_>>(), scopes, "in the order asked");
    assert_eq!(found.iter().map(|coverage| coverage.counter).collect::<Vec<_>>(), [0, 1, 1]);
    assert_eq!(found[1].partitions, [one.partition]);
    assert_eq!(found[2].partitions, [all.partition]);
    let found = catalog.coverage(&view(2), &[Scope::All]).await.expect("coverage");
    assert_eq!(found[0].partitions, [newer.partition]);
}

pub(super) async fn partitions_are_listed_by_the_age_of_their_rows(catalog: &dyn Catalog) {
    let (mut newer, mut older) = (partition("newer", 0, 100, 0), partition("older", 100, 200, 1));
    newer.partition.max_time = second(20);
    older.partition.max_time = second(10);
    for new in [&newer, &older] {
        assert_eq!(add(catalog, new).await, AddOutcome::Added);
    }
    let listed = catalog.partitions(Topic::Logs, 10).await.expect("partitions");
    assert_eq!(listed, [older.partition.clone(), newer.partition]);
    assert_eq!(catalog.partitions(Topic::Logs, 1).await.expect("partitions"), [older.partition]);
    assert_eq!(catalog.partitions(Topic::Spans, 10).await.expect("partitions"), []);
}

pub(super) async fn a_retired_partition_is_doomed(catalog: &dyn Catalog) {
    let (kept, retired) = (partition("kept", 0, 100, 0), partition("retired", 100, 200, 1));
    add(catalog, &kept).await;
    add(catalog, &retired).await;
    let keys = [retired.partition.object.clone(), "views/never-there.parquet".to_owned()];
    assert_eq!(catalog.retire_partitions(&keys).await.expect("retire"), 1);
    let covered = covered(catalog, Scope::All).await;
    assert_eq!((covered.counter, covered.partitions), (3, vec![kept.partition]));
    assert_eq!(catalog.doomed(Duration::ZERO, 10).await.expect("doomed"), keys[..1]);
    assert!(catalog.doomed(Duration::from_secs(600), 10).await.expect("doomed").is_empty(), "its grace is not over");
    let again = NewPartition { expected_counter: 3, ..retired };
    assert_eq!(add(catalog, &again).await, AddOutcome::Superseded, "its key is doomed");
    assert_eq!(catalog.retire_partitions(&keys).await.expect("retire"), 0);
}
