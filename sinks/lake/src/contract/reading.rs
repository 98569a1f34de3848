//! What the catalog answers.

use super::sample::{Log, header, process, process_record, second, stream};
use crate::{BlockEntry, BlockFilter, Catalog, PositionRange, Status, StreamFilter};
use framelake_log::{Offset, TopicId};
use framelake_wire::{Header, StreamKind, Topic};
use std::time::Duration;
use uuid::Uuid;

const SPAN: StreamKind = StreamKind::SPAN;

/// Every filter against the same question asked of all blocks.
pub(super) async fn filters_name_exactly_what_they_say(catalog: &dyn Catalog) {
    let mut spans = [Log::new(catalog, Topic::Spans, 0).await, Log::new(catalog, Topic::Spans, 1).await];
    let mut metrics = Log::new(catalog, Topic::Metrics, 0).await;
    for sequence in 0..6 {
        for (number, log) in (1..).zip(&mut spans) {
            let headers =
                vec![header(number, 10 + number, SPAN, sequence), header(number, 20 + number, SPAN, sequence)];
            log.write(catalog, headers).await;
        }
        let headers = vec![header(1, 31, StreamKind::METRIC, sequence), header(1, 41, StreamKind::FRAME, sequence)];
        metrics.write(catalog, headers).await;
    }
    let all = catalog.blocks(&BlockFilter::default()).await.expect("blocks");
    assert_eq!(all.len(), 36);
    assert!(all.is_sorted_by_key(|block| (block.stream_id, block.sequence)));

    let range = PositionRange {
        incarnation: spans[1].incarnation,
        topic_partition: spans[1].topic_partition(),
        from: Offset(3),
        to: Offset(8),
    };
    let base = BlockFilter::default;
    let check = async |filter: BlockFilter, count: usize, wanted: &dyn Fn(&BlockEntry) -> bool| {
        let found = catalog.blocks(&filter).await.expect("blocks");
        let expected: Vec<_> = all.iter().filter(|block| wanted(block)).cloned().collect();
        assert_eq!(found, expected, "{filter:?}");
        assert_eq!(found.len(), count, "{filter:?}");
    };
    check(BlockFilter { process_ids: Some(vec![process(1)]), ..base() }, 24, &|block| block.process_id == process(1))
        .await;
    check(BlockFilter { process_ids: Some(vec![]), ..base() }, 0, &|_| false).await;
    check(BlockFilter { stream_ids: Some(vec![stream(11), stream(41)]), ..base() }, 12, &|block| {
        [stream(11), stream(41)].contains(&block.stream_id)
    })
    .await;
    check(BlockFilter { stream_ids: Some(vec![stream(99)]), ..base() }, 0, &|_| false).await;
    let filter = BlockFilter { stream_ids: Some(vec![stream(12)]), process_ids: Some(vec![process(1)]), ..base() };
    check(filter, 0, &|_| false).await;
    check(BlockFilter { kind: Some(StreamKind::FRAME), ..base() }, 6, &|block| block.kind == StreamKind::FRAME).await;
    check(BlockFilter { time_from: Some(second(2)), time_to: Some(second(4)), ..base() }, 12, &|block| {
        block.max_time >= second(2) && block.min_time <= second(4)
    })
    .await;
    check(BlockFilter { time_from: Some(second(6) - 1), ..base() }, 6, &|block| block.sequence == 5).await;
    check(BlockFilter { time_from: Some(second(6)), ..base() }, 0, &|_| false).await;
    check(BlockFilter { positions: Some(range), ..base() }, 5, &|block| {
        block.position.topic_partition == range.topic_partition && (3..8).contains(&block.position.offset.0)
    })
    .await;
    let filter = BlockFilter {
        process_ids: Some(vec![process(2)]),
        stream_ids: Some(vec![stream(12), stream(22)]),
        kind: Some(SPAN),
        time_from: Some(second(1)),
        time_to: Some(second(5)),
        positions: Some(range),
    };
    check(filter, 5, &|block| {
        block.process_id == process(2) && (3..8).contains(&block.position.offset.0) && (1..5).contains(&block.sequence)
    })
    .await;

    let filter = StreamFilter { process_ids: Some(vec![process(1)]), kind: Some(SPAN), ..StreamFilter::default() };
    let streams = catalog.streams(&filter).await.expect("streams");
    assert_eq!(streams.iter().map(|entry| entry.stream_id).collect::<Vec<_>>(), [stream(11), stream(21)]);
    let ids = catalog.processes(Some(&[process(2), process(9)])).await.expect("processes");
    assert_eq!(ids.iter().map(|entry| entry.process_id).collect::<Vec<_>>(), [process(2)]);
}

pub(super) async fn the_newest_block_has_the_greatest_sequence(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, 3).await;
    log.write(catalog, vec![header(1, 10, SPAN, 4), header(1, 11, SPAN, 0)]).await;
    let (late, _) = log.write(catalog, vec![header(1, 10, SPAN, 9), header(1, 10, SPAN, 2)]).await;
    log.write(catalog, vec![header(1, 10, SPAN, 8), header(1, 10, SPAN, 9)]).await;
    let newest = catalog.newest_blocks(&StreamFilter::default()).await.expect("newest");
    let all = catalog.blocks(&BlockFilter::default()).await.expect("blocks");
    let expected: Vec<_> =
        all.into_iter().filter(|block| block.sequence == 9 || block.stream_id == stream(11)).collect();
    assert_eq!(newest, expected, "the very entries");
    assert_eq!(*newest[0].object, *late);
    let filter = StreamFilter { stream_ids: Some(vec![stream(11)]), ..StreamFilter::default() };
    assert_eq!(catalog.newest_blocks(&filter).await.expect("newest"), expected[1..]);
}

pub(super) async fn the_greatest_revision_of_a_process_holds(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Processes, 0).await;
    for (revisions, holds) in [(&[1, 3, 2][..], 3), (&[2], 3), (&[3], 3), (&[0, 5, 4], 5)] {
        log.position();
        let mut commit = log.commit(Vec::new());
        commit.processes = revisions.iter().map(|&revision| process_record(1, revision)).collect();
        catalog.commit_segment(commit).await.expect("commit");
        log.committed = Some(log.next);
        let found = catalog.processes(None).await.expect("processes");
        assert_eq!(found[0].process, Some(process_record(1, holds)));
    }
}

/// The name that a stream has is its newest block's; whoever prunes by it must know that others may have had another.
pub(super) async fn a_thread_that_was_renamed_says_so(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, 0).await;
    let named = |sequence, name: &str| Header { thread_name: name.to_owned(), ..header(1, 10, SPAN, sequence) };
    // Blocks in any order, in one commit or several; the last one is there already.
    for (headers, name, renamed) in [
        (vec![named(5, "main"), named(6, "main")], "main", false),
        (vec![named(7, "main")], "main", false),
        (vec![named(3, ""), named(4, "main")], "main", true),
        (vec![named(8, "main"), named(8, "other")], "main", true),
    ] {
        log.write(catalog, headers).await;
        let streams = catalog.streams(&StreamFilter::default()).await.expect("streams");
        assert_eq!((streams[0].thread_name.as_str(), streams[0].renamed), (name, renamed));
    }
    log.write(catalog, vec![Header { thread_number: 77, ..header(1, 11, SPAN, 1) }, header(1, 11, SPAN, 0)]).await;
    let streams = catalog.streams(&StreamFilter::default()).await.expect("streams");
    assert_eq!((streams[1].thread_number, streams[1].renamed), (77, true));
}

pub(super) async fn what_a_program_lost_is_counted(catalog: &dyn Catalog) {
    let mut spans = Log::new(catalog, Topic::Spans, 0).await;
    let mut processes = Log::new(catalog, Topic::Processes, 0).await;
    // Of one stream the blocks say it, of another only the process does.
    let mut lossy = header(1, 10, SPAN, 1);
    lossy.dropped_total = 7;
    spans.write(catalog, vec![lossy, header(1, 10, SPAN, 0)]).await;
    let mut record = process_record(1, 0);
    record.dropped = [(stream(10), 5), (stream(11), 40)].into();
    // Of another's streams a process has nothing to say.
    let mut foreign = process_record(2, 0);
    foreign.dropped = [(stream(10), 1_000), (stream(11), 1_000)].into();
    processes.position();
    let mut commit = processes.commit(Vec::new());
    commit.processes = vec![record, foreign];
    catalog.commit_segment(commit).await.expect("commit");
    assert_eq!(catalog.status().await.expect("status").dropped_events, 47);
    let streams = catalog.streams(&StreamFilter::default()).await.expect("streams");
    assert_eq!(streams.iter().map(|entry| entry.dropped_events).collect::<Vec<_>>(), [7], "no block of the other came");

    spans.write(catalog, vec![header(1, 11, SPAN, 3)]).await;
    let streams = catalog.streams(&StreamFilter::default()).await.expect("streams");
    assert_eq!(streams.iter().map(|entry| entry.dropped_events).collect::<Vec<_>>(), [7, 40]);
    assert_eq!(catalog.status().await.expect("status").dropped_events, 47);
}

pub(super) async fn sums_add_up(catalog: &dyn Catalog) {
    assert_eq!(catalog.status().await.expect("status"), Status::default(), "an empty catalog");
    let mut log = Log::new(catalog, Topic::Spans, 0).await;
    for sequence in [0, 1, 3] {
        log.write(catalog, vec![header(1, 10, SPAN, sequence), header(2, 11, SPAN, sequence)]).await;
    }
    log.write(catalog, vec![header(1, 10, SPAN, 0)]).await;
    assert_eq!(
        catalog.status().await.expect("status"),
        Status {
            processes: 2,
            streams: 2,
            blocks: 6,
            events: 120,
            segments: 4,
            segment_bytes: 40_000,
            missing_blocks: 2,
            dead_letters: 1,
            outbox: 1,
            ..Status::default()
        }
    );
    // Nothing here takes part in a sum.
    catalog.incarnation(Topic::Lake, TopicId(Uuid::new_v4())).await.expect("incarnation");
    assert!(catalog.lease("relay", "me", Duration::from_secs(1)).await.expect("lease"));
    assert_eq!(catalog.status().await.expect("status").segments, 4);
}
