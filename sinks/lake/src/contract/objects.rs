//! What happens to objects: doom, expiry, orphans; and who may do it.

use super::sample::{Log, committed, header, second, stream};
use crate::{BlockFilter, Catalog, CommitOutcome, PositionRange, StreamFilter};
use framelake_log::Offset;
use framelake_wire::{StreamKind, Topic};
use std::time::Duration;

const SPAN: StreamKind = StreamKind::SPAN;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) async fn a_doomed_key_cannot_be_committed(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, 0).await;
    let block = log.block(header(1, 10, SPAN, 0));
    let commit = log.commit(vec![block]);
    let key = vec![commit.key.clone()];
    assert_eq!(catalog.unknown_objects(&key).await.expect("unknown"), key, "an object put, not yet committed");
    catalog.doom(&key).await.expect("doom");
    catalog.doom(&key).await.expect("doom again");
    assert!(catalog.unknown_objects(&key).await.expect("unknown").is_empty(), "it is known to be doomed");
    assert_eq!(catalog.commit_segment(commit.clone()).await.expect("commit"), CommitOutcome::Superseded);
    assert!(catalog.progress().await.expect("progress").is_empty());

    assert_eq!(catalog.doomed(Duration::ZERO, 10).await.expect("doomed"), key);
    catalog.objects_deleted(&key).await.expect("deleted");
    catalog.objects_deleted(&key).await.expect("deleted again");
    assert!(catalog.doomed(Duration::ZERO, 10).await.expect("doomed").is_empty());
    // A writer that slept since before the doom commits now, and names what is gone.
    assert_eq!(catalog.commit_segment(commit.clone()).await.expect("commit"), CommitOutcome::Superseded);
    assert!(catalog.blocks(&BlockFilter::default()).await.expect("blocks").is_empty());

    assert_eq!(catalog.forget_deleted(DAY, 10, 10).await.expect("forget"), 0, "it is young, and one of few");
    assert_eq!(catalog.commit_segment(commit.clone()).await.expect("commit"), CommitOutcome::Superseded);
    assert_eq!(catalog.forget_deleted(Duration::ZERO, 10, 10).await.expect("forget"), 1);
    assert_eq!(catalog.commit_segment(commit).await.expect("commit"), committed(1), "it may be put anew");
}

/// A writer may sleep in the middle of a PUT too.
pub(super) async fn an_object_put_after_its_deletion_is_an_orphan_again(catalog: &dyn Catalog) {
    let key = vec!["segments/late.avro".to_owned()];
    catalog.doom(&key).await.expect("doom");
    catalog.objects_deleted(&key).await.expect("deleted");
    assert_eq!(catalog.unknown_objects(&key).await.expect("unknown"), key, "were it there, nobody would know it");
    catalog.doom(&key).await.expect("doom");
    assert!(catalog.unknown_objects(&key).await.expect("unknown").is_empty());
    assert_eq!(catalog.doomed(Duration::ZERO, 10).await.expect("doomed"), key);
    assert!(catalog.doomed(DAY, 10).await.expect("doomed").is_empty(), "its grace begins anew");
    assert_eq!(catalog.forget_deleted(Duration::ZERO, 0, 10).await.expect("forget"), 0, "it is no tombstone now");
}

pub(super) async fn tombstones_are_bounded(catalog: &dyn Catalog) {
    let keys: Vec<String> = (0..6).map(|number| format!("segments/{number}.avro")).collect();
    catalog.doom(&keys).await.expect("doom");
    for key in &keys[..5] {
        catalog.objects_deleted(std::slice::from_ref(key)).await.expect("deleted");
    }
    assert_eq!(catalog.forget_deleted(DAY, 3, 10).await.expect("forget"), 2, "those deleted first");
    catalog.doom(&keys[..5]).await.expect("doom");
    let mut doomed = catalog.doomed(Duration::ZERO, 10).await.expect("doomed");
    doomed.sort_unstable();
    assert_eq!(doomed, keys);
    catalog.objects_deleted(&keys).await.expect("deleted");
    assert_eq!(catalog.forget_deleted(Duration::ZERO, 10, 4).await.expect("forget"), 4, "at most so many at once");
    assert_eq!(catalog.forget_deleted(Duration::ZERO, 10, 4).await.expect("forget"), 2);
}

/// An orphan may be committed between the moment somebody looks for orphans and the moment they are doomed.
pub(super) async fn what_the_catalog_names_cannot_be_doomed(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, 0).await;
    let (key, _) = log.write(catalog, vec![header(1, 10, SPAN, 0)]).await;
    let keys = [key, "segments/orphan.avro".to_owned()];
    catalog.doom(&keys).await.expect("doom");
    assert_eq!(catalog.doomed(Duration::ZERO, 10).await.expect("doomed"), keys[1..]);
}

pub(super) async fn an_expired_segment_takes_its_blocks_along(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, 0).await;
    let (oldest, _) =
        log.write(catalog, vec![header(1, 10, SPAN, 0), header(1, 10, SPAN, 1), header(1, 11, SPAN, 0)]).await;
    let (middle, _) = log.write(catalog, vec![header(1, 10, SPAN, 2)]).await;
    let (newest, _) = log.write(catalog, vec![header(1, 10, SPAN, 3)]).await;

    // Those in the middle and at the end first: what is newest must be found anew.
    catalog.expire_segments(&[newest.clone(), "segments/never-there.avro".to_owned()]).await.expect("expire");
    let found = catalog.newest_blocks(&StreamFilter::default()).await.expect("newest");
    assert_eq!((found.len(), found[0].sequence, &*found[0].object), (2, 2, middle.as_str()));
    catalog.expire_segments(std::slice::from_ref(&oldest)).await.expect("expire");
    catalog.expire_segments(std::slice::from_ref(&oldest)).await.expect("expire again");

    let blocks = catalog.blocks(&BlockFilter::default()).await.expect("blocks");
    assert_eq!(blocks.iter().map(|block| block.sequence).collect::<Vec<_>>(), [2]);
    let streams = catalog.streams(&StreamFilter::default()).await.expect("streams");
    assert_eq!((streams[0].block_count, streams[0].row_count, streams[0].byte_count), (1, 10, 400));
    assert_eq!((&streams[0].sequences[..], streams[0].expired_below), (&[(2, 3)][..], 4));
    assert_eq!((streams[1].block_count, streams[1].expired_below, streams[1].stream_id), (0, 1, stream(11)));
    let found = catalog.newest_blocks(&StreamFilter::default()).await.expect("newest");
    assert_eq!(found.len(), 1, "the other stream has none left");

    let status = catalog.status().await.expect("status");
    assert_eq!((status.segments, status.blocks, status.missing_blocks), (1, 1, 0), "what expired is not missing");
    let segments = catalog.segments(None, 10).await.expect("segments");
    assert_eq!((segments[0].key.as_str(), segments[0].max_time), (middle.as_str(), Some(second(3) - 1)));
    let mut doomed = catalog.doomed(Duration::ZERO, 10).await.expect("doomed");
    doomed.sort_unstable();
    let mut expected = vec![oldest, newest];
    expected.sort_unstable();
    assert_eq!(doomed, expected, "and no key that was never there");
}

pub(super) async fn what_was_expired_stays_gone(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, 0).await;
    let headers: Vec<_> = (0..4).map(|sequence| header(1, 10, SPAN, sequence)).collect();
    let (key, _) = log.write(catalog, headers[..3].to_vec()).await;
    catalog.expire_segments(&[key]).await.expect("expire");
    let (_, outcome) = log.write(catalog, headers).await;
    assert_eq!(outcome, CommitOutcome::Committed { visible: 1, duplicates: 3, conflicts: 0 });
    let blocks = catalog.blocks(&BlockFilter::default()).await.expect("blocks");
    assert_eq!(blocks.iter().map(|block| block.sequence).collect::<Vec<_>>(), [3]);
    assert_eq!(catalog.status().await.expect("status").missing_blocks, 0);
}

pub(super) async fn where_blocks_expired_is_remembered(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, 0).await;
    let mut keys = Vec::new();
    for sequence in 0..6 {
        // One block and one record of which nothing is visible.
        let (key, _) = log.write(catalog, vec![header(1, 10, SPAN, sequence), header(1, 10, SPAN, sequence)]).await;
        keys.push(key);
    }
    let range = PositionRange {
        incarnation: log.incarnation,
        topic_partition: log.topic_partition(),
        from: Offset(0),
        to: Offset(100),
    };
    let expired = async |range: PositionRange| {
        let found = catalog.expired(&range).await.expect("expired ranges");
        assert!(
            found.iter().all(|of| (of.incarnation, of.topic_partition) == (log.incarnation, log.topic_partition()))
        );
        found.iter().map(|found| (found.from.0, found.to.0)).collect::<Vec<_>>()
    };
    // Segments expired, ranges known then; offsets of the blocks are even.
    let check = async |segments: &[usize], ranges: &[(i64, i64)]| {
        let keys: Vec<String> = segments.iter().map(|&segment| keys[segment].clone()).collect();
        catalog.expire_segments(&keys).await.expect("expire");
        assert_eq!(expired(range).await, ranges, "{segments:?}");
    };
    check(&[], &[]).await;
    check(&[2], &[(4, 5)]).await;
    check(&[4], &[(4, 5), (8, 9)]).await;
    check(&[0, 1], &[(0, 5), (8, 9)]).await;
    check(&[3, 5], &[(0, 11)]).await;
    assert_eq!(expired(PositionRange { from: Offset(11), ..range }).await, []);
    assert_eq!(expired(PositionRange { from: Offset(10), to: Offset(11), ..range }).await, [(0, 11)]);
    let other = Log::new(catalog, Topic::Spans, 0).await;
    let of_another = PositionRange { incarnation: other.incarnation, ..range };
    assert!(catalog.expired(&of_another).await.expect("expired ranges").is_empty());
}

pub(super) async fn a_lease_has_one_holder(catalog: &dyn Catalog) {
    let long = Duration::from_secs(600);
    assert!(catalog.lease("relay", "a", long).await.expect("lease"));
    assert!(!catalog.lease("relay", "b", long).await.expect("lease"), "another holds it");
    assert!(catalog.lease("sweep", "b", long).await.expect("lease"), "another lease");
    assert!(catalog.lease("relay", "a", Duration::ZERO).await.expect("lease"), "its holder renews it, or gives it up");
    assert!(catalog.lease("relay", "b", long).await.expect("lease"), "it has run out");
    assert!(!catalog.lease("relay", "a", long).await.expect("lease"));
}
