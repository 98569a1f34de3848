//! Once by block identity.

use super::sample::{Log, committed, header, process, second, stream};
use crate::{BlockFilter, Catalog, CommitOutcome, DeadLetter, Gap, StreamFilter};
use bytes::Bytes;
use framelake_log::Offset;
use framelake_wire::{StreamKind, Topic};

const SPAN: StreamKind = StreamKind::SPAN;

pub(super) async fn a_block_that_came_again_is_counted_and_not_stored(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, 0).await;
    let headers: Vec<_> = (0..3).map(|sequence| header(1, 10, SPAN, sequence)).collect();
    let (first, _) = log.write(catalog, headers.clone()).await;
    // The second and third again, the fourth twice in one batch.
    let fourth = header(1, 10, SPAN, 3);
    let again = vec![headers[1].clone(), fourth.clone(), headers[2].clone(), fourth];
    let (_, outcome) = log.write(catalog, again).await;
    assert_eq!(outcome, CommitOutcome::Committed { visible: 1, duplicates: 3, conflicts: 0 });

    let blocks = catalog.blocks(&BlockFilter::default()).await.expect("blocks");
    let found: Vec<_> = blocks.iter().map(|block| (block.sequence, block.position.offset.0)).collect();
    assert_eq!(found, [(0, 0), (1, 1), (2, 2), (3, 4)], "the first position wins");
    assert!(blocks[..3].iter().all(|block| *block.object == *first));
    let stream = &catalog.streams(&StreamFilter::default()).await.expect("streams")[0];
    assert_eq!((stream.block_count, stream.row_count, stream.duplicate_blocks), (4, 40, 3));
    assert_eq!(catalog.status().await.expect("status").duplicate_blocks, 3);

    // And from another log: the topic was made anew, a buffer was recovered.
    let mut other = Log::new(catalog, Topic::Spans, 0).await;
    let (_, outcome) = other.write(catalog, headers).await;
    assert_eq!(outcome, CommitOutcome::Committed { visible: 0, duplicates: 3, conflicts: 0 });
    assert_eq!(catalog.blocks(&BlockFilter::default()).await.expect("blocks"), blocks);
}

pub(super) async fn another_block_of_the_same_identity_is_a_dead_letter(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, 5).await;
    log.write(catalog, vec![header(1, 10, SPAN, 0)]).await;
    // One claims a committed identity and other times, one an identity of its own batch.
    let mut liar = header(1, 10, SPAN, 0);
    (liar.min_time, liar.max_time) = (second(500), second(501));
    let (_, outcome) = log.write(catalog, vec![liar.clone(), header(1, 10, SPAN, 1), header(1, 10, SPAN, 1)]).await;
    assert_eq!(outcome, CommitOutcome::Committed { visible: 1, duplicates: 0, conflicts: 2 });
    assert_eq!(catalog.status().await.expect("status").blocks, 2);

    let letters = catalog.dead_letters(10).await.expect("dead letters");
    assert_eq!(letters.len(), 2);
    let letter = &letters[1];
    assert_eq!((letter.position.offset, letter.key.as_str()), (Offset(1), process(1).to_string().as_str()));
    assert!(letter.reason.contains("CRC"), "{}", letter.reason);
    assert!(letter.time > 0);

    let outbox = catalog.outbox(10).await.expect("outbox");
    assert_eq!(outbox.len(), 2);
    let message = &outbox[0];
    assert_eq!((message.number, message.topic), (1, Topic::DeadLetters));
    assert_eq!(message.key, process(1).to_string());
    assert_eq!(message.value, format!("record of {}", liar.block_id), "the record, byte for byte");
    let text = |name: &str| {
        let header = message.headers.iter().find(|(key, _)| key == name);
        String::from_utf8(header.unwrap_or_else(|| panic!("no header {name}")).1.to_vec()).expect("text")
    };
    assert_eq!(text("_dlq.errors.disposition"), "CLIENT_REJECTED");
    assert_eq!(text("_dlq.errors.original.topic"), "framelake.spans");
    assert_eq!(text("_dlq.errors.original.partition"), "5");
    assert_eq!(text("_dlq.errors.original.offset"), "1");
    assert_eq!(text("_dlq.errors.reason"), letter.reason);
}

pub(super) async fn a_block_that_belongs_elsewhere_is_a_dead_letter(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Metrics, 0).await;
    log.write(catalog, vec![header(1, 10, StreamKind::METRIC, 0)]).await;
    let (_, outcome) = log
        .write(
            catalog,
            vec![
                header(2, 10, StreamKind::METRIC, 1),
                header(1, 10, StreamKind::FRAME, 1),
                header(1, 11, StreamKind::LOG, 0),
            ],
        )
        .await;
    assert_eq!(outcome, CommitOutcome::Committed { visible: 0, duplicates: 0, conflicts: 3 });
    let reasons: Vec<_> =
        catalog.dead_letters(3).await.expect("dead letters").into_iter().map(|letter| letter.reason).collect();
    assert!(reasons[2].contains("belongs to process"), "{reasons:?}");
    assert!(reasons[1].contains("is of kind metric"), "{reasons:?}");
    assert!(reasons[0].contains("belongs to framelake.logs"), "{reasons:?}");
    assert_eq!(catalog.streams(&StreamFilter::default()).await.expect("streams").len(), 1);
}

pub(super) async fn blocks_may_come_in_any_order(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, 0).await;
    for sequences in [&[7, 5][..], &[0], &[2, 1, 6]] {
        let headers = sequences.iter().map(|&sequence| header(1, 10, SPAN, sequence)).collect();
        assert_eq!(log.write(catalog, headers).await.1, committed(sequences.len() as u64));
    }
    let streams = catalog.streams(&StreamFilter::default()).await.expect("streams");
    assert_eq!(streams[0].sequences, [(0, 3), (5, 8)]);
    assert_eq!((streams[0].missing_blocks(), streams[0].next_ordinal), (2, 80));
    assert_eq!((streams[0].min_time, streams[0].max_time), (second(0) + 1, second(8) - 1));
    assert_eq!(catalog.status().await.expect("status").missing_blocks, 2);
    let blocks = catalog.blocks(&BlockFilter::default()).await.expect("blocks");
    assert_eq!(blocks.iter().map(|block| block.sequence).collect::<Vec<_>>(), [0, 1, 2, 5, 6, 7]);

    log.write(catalog, vec![header(1, 10, SPAN, 4), header(1, 10, SPAN, 3)]).await;
    assert_eq!(catalog.streams(&StreamFilter::default()).await.expect("streams")[0].sequences, [(0, 8)]);
    assert_eq!(catalog.status().await.expect("status").missing_blocks, 0);
}

pub(super) async fn dead_letters_leave_in_order_and_once(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, 0).await;
    for _ in 0..3 {
        let letter = |log: &mut Log| {
            let position = log.position();
            let value = Bytes::from(format!("bytes {}", position.offset));
            DeadLetter { position, key: Bytes::from_static(b"\xffkey"), value, reason: "no magic".to_owned() }
        };
        let letters = vec![letter(&mut log), letter(&mut log)];
        let mut commit = log.commit(Vec::new());
        commit.dead_letters = letters;
        assert_eq!(catalog.commit_segment(commit).await.expect("commit"), committed(0));
        log.committed = Some(log.next);
    }
    let numbers = |messages: Vec<crate::OutboxEntry>| messages.iter().map(|entry| entry.number).collect::<Vec<_>>();
    assert_eq!(numbers(catalog.outbox(100).await.expect("outbox")), [1, 2, 3, 4, 5, 6]);
    catalog.outbox_relayed(2).await.expect("relayed");
    let next = catalog.outbox(2).await.expect("outbox");
    assert_eq!(next[0].value, "bytes 2");
    assert_eq!(next[0].key, &b"\xffkey"[..], "the key's bytes");
    assert_eq!(numbers(next), [3, 4]);
    catalog.outbox_relayed(6).await.expect("relayed");
    assert!(catalog.outbox(100).await.expect("outbox").is_empty());
    let status = catalog.status().await.expect("status");
    assert_eq!((status.dead_letters, status.outbox), (6, 0), "they can still be seen");
}

pub(super) async fn old_letters_and_gaps_are_forgotten(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, 0).await;
    let mut moments = Vec::new();
    for _ in 0..2 {
        let positions: Vec<_> = (0..3).map(|_| log.position()).collect();
        let mut commit = log.commit(Vec::new());
        commit.dead_letters = positions
            .iter()
            .map(|&position| DeadLetter { position, key: Bytes::new(), value: Bytes::new(), reason: "old".to_owned() })
            .collect();
        commit.gaps = vec![Gap { from: positions[0], to: positions[0].offset, reason: "old".to_owned(), time: 0 }];
        assert_eq!(catalog.commit_segment(commit).await.expect("commit"), committed(0));
        log.committed = Some(log.next);
        moments.push(catalog.dead_letters(1).await.expect("dead letters")[0].time);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let left = async || {
        let letters = catalog.dead_letters(10).await.expect("dead letters");
        let gaps = catalog.gaps(10).await.expect("gaps").len();
        (letters.iter().map(|letter| letter.position.offset.0).collect::<Vec<_>>(), gaps)
    };
    assert_eq!(catalog.forget_letters(moments[0], 10).await.expect("forget"), 0, "found at that moment, not before");
    assert_eq!(left().await, (vec![5, 4, 3, 2, 1, 0], 2));
    assert_eq!(catalog.forget_letters(moments[1], 2).await.expect("forget"), 2 + 1, "at most so many of each");
    assert_eq!(left().await, (vec![5, 4, 3, 2], 1));
    assert_eq!(catalog.forget_letters(moments[1], 10).await.expect("forget"), 1);
    assert_eq!(left().await, (vec![5, 4, 3], 1), "the younger ones stay");
    assert_eq!(catalog.outbox(10).await.expect("outbox").len(), 6, "whatever is forgotten, all of them leave");
}

pub(super) async fn extreme_values_come_back_as_they_were(catalog: &dyn Catalog) {
    let mut log = Log::new(catalog, Topic::Spans, u32::MAX >> 1).await;
    log.next = Offset(i64::MAX - 10);
    let mut odd = header(1, 10, StreamKind::new("gpu"), 0);
    odd.sequence = u64::from(u32::MAX) << 20;
    (odd.min_time, odd.max_time) = (i64::MIN, i64::MAX);
    odd.thread_name = "a\0b".to_owned();
    odd.thread_number = u64::MAX;
    odd.first_ordinal = (1 << 63) - 1000;
    let mut too_far = header(1, 10, StreamKind::new("gpu"), 0);
    too_far.sequence = u64::MAX;
    let (_, outcome) = log.write(catalog, vec![odd.clone(), too_far]).await;
    assert_eq!(outcome, CommitOutcome::Committed { visible: 1, duplicates: 0, conflicts: 1 });
    let filter = BlockFilter { stream_ids: Some(vec![stream(10)]), ..BlockFilter::default() };
    let blocks = catalog.blocks(&filter).await.expect("blocks");
    assert_eq!((blocks[0].min_time, blocks[0].max_time), (i64::MIN, i64::MAX));
    assert_eq!((blocks[0].sequence, blocks[0].first_ordinal), (odd.sequence, odd.first_ordinal));
    assert_eq!((blocks[0].position.offset, &blocks[0].kind), (Offset(i64::MAX - 10), &odd.kind));
    let streams = catalog.streams(&StreamFilter::default()).await.expect("streams");
    assert_eq!((streams[0].thread_name.as_str(), streams[0].thread_number), ("a\u{fffd}b", u64::MAX));
}
