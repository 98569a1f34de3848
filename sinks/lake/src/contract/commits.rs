//! Commits: visible at once, whole or not at all, by compare-and-set.

use super::{
    Factory,
    sample::{Log, SCHEMA, committed, header, process_record},
};
use crate::{BlockFilter, Catalog, CommitOutcome, Gap, Position, Progress, RecordMark, StreamFilter};
use framelake_log::{Offset, TopicId};
use framelake_wire::{StreamKind, Topic};
use std::sync::Arc;
use uuid::Uuid;

const SPAN: StreamKind = StreamKind::SPAN;

pub(super) async fn a_commit_is_visible_at_once(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, 2).await;
    let blocks = vec![log.block(header(1, 10, SPAN, 0)), log.block(header(1, 11, SPAN, 0))];
    let mut commit = log.commit(blocks.clone());
    commit.processes.push(process_record(2, 0));
    let key = commit.key.clone();
    assert_eq!(catalog.commit_segment(commit).await.expect("commit"), committed(2));

    let found = catalog.blocks(&BlockFilter::default()).await.expect("blocks");
    assert_eq!(found.len(), 2);
    for (entry, block) in found.iter().zip(&blocks) {
        let header = &block.header;
        assert_eq!((entry.process_id, entry.stream_id), (header.process_id, header.stream_id));
        assert_eq!((&entry.kind, entry.block_id, entry.sequence), (&header.kind, header.block_id, 0));
        assert_eq!((entry.first_ordinal, entry.ordinal_count), (header.first_ordinal, header.ordinal_count));
        assert_eq!((entry.event_count, entry.row_count, entry.dropped_count), (20, 10, 0));
        assert_eq!((entry.min_time, entry.max_time), (header.min_time, header.max_time));
        assert_eq!((entry.begin, entry.end), (header.begin.wall_ns, header.end.wall_ns));
        assert_eq!((entry.crc, entry.position, &*entry.object), (block.crc, block.position, key.as_str()));
        assert_eq!((entry.byte_offset, entry.byte_length), (block.byte_offset, block.byte_length));
        assert_eq!((entry.payload_bytes, entry.schema), (block.payload_bytes, SCHEMA));
    }
    let streams = catalog.streams(&StreamFilter::default()).await.expect("streams");
    assert_eq!(streams.len(), 2);
    assert_eq!((streams[0].thread_name.as_str(), streams[0].thread_number), ("worker-10", 10));
    let processes = catalog.processes(None).await.expect("processes");
    assert_eq!(processes.len(), 2, "one by its blocks, one by its record");
    assert_eq!(processes[0].process, None, "no record of it came");
    assert_eq!(processes[1].process, Some(process_record(2, 0)));
    assert_eq!(
        catalog.progress().await.expect("progress"),
        [Progress {
            incarnation: log.incarnation,
            topic_partition: log.topic_partition(),
            next: Offset(2),
            last_segment: key.clone(),
            last_record: None,
        }]
    );
    let newest = catalog.newest_blocks(&StreamFilter::default()).await.expect("newest blocks");
    assert!(newest.iter().all(|entry| entry.schema == SCHEMA), "{newest:?}");
    let segments = catalog.segments(Some(Topic::Spans), 10).await.expect("segments");
    assert_eq!((segments.len(), segments[0].key.as_str(), segments[0].bytes), (1, key.as_str(), 10_000));
    assert_eq!(segments[0].max_time, Some(blocks[0].header.max_time));
    assert!(catalog.segments(Some(Topic::Logs), 10).await.expect("segments").is_empty());
}

pub(super) async fn a_commit_survives_the_catalog(factory: &dyn Factory) {
    let catalog = factory.fresh().await;
    let mut log = Log::new(&*catalog, Topic::Spans, 0).await;
    log.write(&*catalog, (0..5).map(|sequence| header(1, 10, SPAN, sequence)).collect()).await;
    let before = (catalog.blocks(&BlockFilter::default()).await, catalog.progress().await, catalog.status().await);
    drop(catalog);
    let catalog = factory.reopen().await;
    let after = (catalog.blocks(&BlockFilter::default()).await, catalog.progress().await, catalog.status().await);
    assert_eq!(before.0.expect("blocks"), after.0.expect("blocks"));
    assert_eq!(before.1.expect("progress"), after.1.expect("progress"));
    assert_eq!(before.2.expect("status"), after.2.expect("status"));
}

pub(super) async fn an_outdated_commit_changes_nothing(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, 0).await;
    let mut zombie = log.clone();
    log.write(catalog, vec![header(1, 10, SPAN, 0)]).await;
    let status = catalog.status().await.expect("status");

    let (_, outcome) = zombie.write(catalog, vec![header(1, 10, SPAN, 0), header(1, 10, SPAN, 1)]).await;
    assert_eq!(outcome, CommitOutcome::Superseded, "the first commit of a partition that has progress");
    zombie.committed = Some(Offset(2));
    let (_, outcome) = zombie.write(catalog, vec![header(1, 10, SPAN, 2)]).await;
    assert_eq!(outcome, CommitOutcome::Superseded, "a commit from where the partition does not stand");

    // One of two runs is outdated: the other does not move either.
    let other = Log { partition: 1, next: Offset(3), ..Log::new(catalog, Topic::Spans, 1).await };
    let mut both = other.commit(Vec::new());
    both.runs.push(zombie.commit(Vec::new()).runs.remove(0));
    assert_eq!(catalog.commit_segment(both).await.expect("commit"), CommitOutcome::Superseded);
    assert_eq!(catalog.status().await.expect("status"), status);
    assert_eq!(catalog.progress().await.expect("progress").len(), 1);
}

pub(super) async fn the_same_commit_again_is_told_so(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, 0).await;
    let block = log.block(header(1, 10, SPAN, 0));
    let commit = log.commit(vec![block]);
    assert_eq!(catalog.commit_segment(commit.clone()).await.expect("commit"), committed(1));
    let status = catalog.status().await.expect("status");
    let again = catalog.commit_segment(commit.clone()).await.expect("commit");
    assert_eq!(again, CommitOutcome::AlreadyCommitted);
    assert_eq!(catalog.status().await.expect("status"), status, "it changed nothing");

    log.committed = Some(log.next);
    log.write(catalog, vec![header(1, 10, SPAN, 1)]).await;
    let again = catalog.commit_segment(commit).await.expect("commit");
    assert_eq!(again, CommitOutcome::AlreadyCommitted, "also when the partition moved on");
}

pub(super) async fn of_many_writers_one_commits(catalog: Arc<dyn Catalog>) {
    let log = Log::new(&*catalog, Topic::Spans, 0).await;
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (catalog, mut log) = (catalog.clone(), log.clone());
            tokio::spawn(async move { log.write(&*catalog, vec![header(1, 10, SPAN, 0)]).await.1 })
        })
        .collect();
    let mut outcomes = Vec::new();
    for writer in writers {
        outcomes.push(writer.await.expect("a writer"));
    }
    let won = outcomes.iter().filter(|&&outcome| outcome == committed(1)).count();
    let lost = outcomes.iter().filter(|&&outcome| outcome == CommitOutcome::Superseded).count();
    assert_eq!((won, lost), (1, 7), "{outcomes:?}");
    assert_eq!(catalog.status().await.expect("status").blocks, 1);
}

/// One process's records may stand in two partitions: a topic grew while it ran.
pub(super) async fn writers_of_one_process_lose_no_count(catalog: Arc<dyn Catalog>) {
    const ROUNDS: u64 = 10;
    const WRITERS: u64 = 4;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let mut log = Log::new(&*catalog, Topic::Spans, writer as u32).await;
        let catalog = catalog.clone();
        writers.push(tokio::spawn(async move {
            for round in 0..ROUNDS {
                log.write(&*catalog, vec![header(1, 10, SPAN, round * WRITERS + writer)]).await;
            }
        }));
    }
    for writer in writers {
        writer.await.expect("a writer");
    }
    let streams = catalog.streams(&StreamFilter::default()).await.expect("streams");
    assert_eq!((streams[0].block_count, streams[0].row_count), (ROUNDS * WRITERS, ROUNDS * WRITERS * 10));
    assert_eq!(streams[0].sequences, [(0, ROUNDS * WRITERS)]);
}

pub(super) async fn a_topic_made_anew_is_another_log(catalog: &dyn Catalog) {
    let (first, second) = (TopicId(Uuid::new_v4()), TopicId(Uuid::new_v4()));
    let one = catalog.incarnation(Topic::Spans, first).await.expect("incarnation");
    let two = catalog.incarnation(Topic::Spans, second).await.expect("incarnation");
    assert_ne!(one, two);
    assert_eq!(catalog.incarnation(Topic::Spans, first).await.expect("incarnation"), one);
    assert_ne!(catalog.incarnation(Topic::Logs, first).await.expect("incarnation"), one);

    let mut old = Log::new(catalog, Topic::Spans, 0).await;
    let mut new = Log::new(catalog, Topic::Spans, 0).await;
    assert_eq!(old.write(catalog, vec![header(1, 10, SPAN, 0)]).await.1, committed(1));
    assert_eq!(new.write(catalog, vec![header(1, 10, SPAN, 1), header(1, 10, SPAN, 2)]).await.1, committed(2));
    let progress = catalog.progress().await.expect("progress");
    let mut found: Vec<_> = progress.iter().map(|progress| (progress.incarnation, progress.next)).collect();
    found.sort_unstable();
    assert_eq!(found, [(old.incarnation, Offset(1)), (new.incarnation, Offset(2))]);
}

pub(super) async fn a_log_that_was_rolled_back_gets_the_next_number(catalog: &dyn Catalog) {
    let id = TopicId(Uuid::new_v4());
    let first = catalog.incarnation(Topic::Spans, id).await.expect("incarnation");
    let log = |partition| Log { topic: Topic::Spans, partition, incarnation: first, committed: None, next: Offset(0) };
    let mark = RecordMark::of(b"key", b"value");
    for (mut log, marked) in [(log(0), true), (log(1), false)] {
        let block = log.block(header(1, 10, SPAN, u64::from(log.partition)));
        let mut commit = log.commit(vec![block]);
        if marked {
            commit.last_records.insert(log.topic_partition(), mark);
        }
        assert_eq!(catalog.commit_segment(commit).await.expect("commit"), committed(1));
    }
    let next = catalog.next_incarnation(Topic::Spans, id, first, &[1]).await.expect("the next number");
    assert!(next > first);
    for _ in 0..2 {
        let again = catalog.next_incarnation(Topic::Spans, id, first, &[0, 1]).await.expect("the next number");
        assert_eq!(again, next, "who found it too gets the same number, and changes nothing");
    }
    assert_eq!(catalog.incarnation(Topic::Spans, id).await.expect("incarnation"), next);
    let progress = catalog.progress().await.expect("progress");
    let found: Vec<_> =
        progress.iter().map(|at| (at.incarnation, at.topic_partition.partition, at.next, at.last_record)).collect();
    let expected = [(first, 0, Offset(1), Some(mark)), (first, 1, Offset(1), None), (next, 0, Offset(1), Some(mark))];
    assert_eq!(found, expected, "the partition that was lost begins anew");

    // Blocks that come again are there already, and offsets that come again are others.
    let mut log = Log { incarnation: next, ..log(1) };
    let (_, outcome) = log.write(catalog, vec![header(1, 10, SPAN, 2)]).await;
    assert_eq!(outcome, committed(1));
    let blocks = catalog.blocks(&BlockFilter::default()).await.expect("blocks");
    let positions: Vec<_> =
        blocks[1..].iter().map(|block| (block.position.incarnation, block.position.offset)).collect();
    assert_eq!(positions, [(first, Offset(0)), (next, Offset(0))]);
    let newer = catalog.next_incarnation(Topic::Spans, id, next, &[0, 1]).await.expect("the next number");
    assert!(newer > next);
    assert_eq!(catalog.progress().await.expect("progress").len(), 4, "nothing under the newest number");
}

pub(super) async fn gaps_of_the_log_are_kept(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Logs, 3).await;
    log.next = Offset(100);
    let position = log.position();
    for to in [40, 100] {
        let mut commit = log.commit(Vec::new());
        let from = Position { offset: Offset(to - 40), ..position };
        commit.gaps.push(Gap { from, to: Offset(to), reason: format!("retention passed {to}"), time: 0 });
        assert_eq!(catalog.commit_segment(commit).await.expect("commit"), committed(0));
        log.committed = Some(log.next);
    }
    let gaps = catalog.gaps(10).await.expect("gaps");
    assert_eq!(gaps.len(), 2);
    assert_eq!(
        (gaps[0].from.offset, gaps[0].to, gaps[0].reason.as_str()),
        (Offset(60), Offset(100), "retention passed 100")
    );
    assert!(gaps[1].time > 0, "the catalog's clock says when");
    assert_eq!(catalog.gaps(1).await.expect("gaps"), gaps[..1]);
}
