//! Only the spans of slow frames are kept: real threads, frames of known lengths.

mod support;

use framelake::{Builder, Report, StreamKind, span};
use framelake_wire::decode;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};
use support::{Collector, Span, eventually, turn};

const FACTOR: f64 = 3.0;
const SPANS_PER_TREE: u64 = 4;
/// What frames take, but for slow ones.
const USUAL: Duration = Duration::from_millis(2);
const SLOW: Duration = Duration::from_millis(30);

/// A tree that takes `time`.
fn tree(time: Duration) {
    let begin = Instant::now();
    span!("tree");
    {
        span!("first");
        framelake::metric!("within", "1", 1);
    }
    span!("second");
    while begin.elapsed() < time {
        std::hint::spin_loop();
    }
    span!("last");
}

/// Plays `count` frames, every 40th slow, while another thread works on trees of its own.
fn play(builder: Builder, count: usize) -> (Collector, Report) {
    let lake = Collector::default();
    let guard = lake.start_with(builder.drain_period(Duration::from_millis(50)));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        thread::Builder::new()
            .name("worker".into())
            .spawn_scoped(scope, || {
                while !over.load(SeqCst) {
                    tree(Duration::from_micros(100));
                    thread::sleep(Duration::from_micros(900));
                }
            })
            .unwrap();
        thread::Builder::new()
            .name("player".into())
            .spawn_scoped(scope, || {
                for frame in 1..=count {
                    framelake::frame!();
                    tree(Duration::from_micros(200));
                    thread::sleep(if frame % 40 == 0 { SLOW } else { USUAL });
                }
                framelake::frame!();
                over.store(true, SeqCst);
            })
            .unwrap();
    });
    let report = guard.shutdown().unwrap();
    (lake, report)
}

/// Frames by begin and end, in nanoseconds.
fn frames(lake: &Collector) -> Vec<(i64, i64)> {
    let mut frames = Vec::new();
    for block in lake.streams(&StreamKind::FRAME).into_values().flatten() {
        let rows = decode::frames(&block).unwrap();
        frames.extend(rows.begin.iter().copied().zip(rows.end.iter().copied()));
    }
    frames
}

/// For each frame whether it is surely slow, and whether it is surely not: what lies near the bound is neither.
fn slow(frames: &[(i64, i64)]) -> Vec<(bool, bool)> {
    let lengths: Vec<i64> = frames.iter().map(|(begin, end)| end - begin).collect();
    let of = |index: usize| {
        let mut before = lengths[index.saturating_sub(255)..index].to_vec();
        before.sort_unstable();
        if before.len() < 30 {
            return (true, false);
        }
        let medians = lengths[index] as f64 / before[before.len() / 2] as f64;
        (medians > FACTOR * 1.01, medians < FACTOR * 0.99)
    };
    (0..lengths.len()).map(of).collect()
}

/// Trees by begin and end, each checked to be whole.
fn trees(spans: &[Span]) -> Vec<(i64, i64)> {
    let trees: Vec<_> = spans.chunks(SPANS_PER_TREE as usize).collect();
    for tree in &trees {
        let names: Vec<&str> = tree.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["tree", "first", "second", "last"]);
        let first = tree[0].ordinal;
        assert!(tree.iter().map(|span| span.ordinal).eq(first..first + SPANS_PER_TREE));
        assert!(tree[1..].iter().all(|span| span.parent.is_some_and(|parent| parent >= first)));
        assert!(tree.iter().all(|span| !span.truncated && span.begin >= tree[0].begin && span.end <= tree[0].end));
    }
    trees.iter().map(|tree| (tree[0].begin, tree[0].end)).collect()
}

#[test]
fn slow_frames_keep_their_spans_whole_and_others_leave_theirs_out() {
    let _turn = turn();
    let (lake, report) = play(Builder::new().keep_slow_frames(FACTOR), 400);
    lake.check(&report);
    let frames = &frames(&lake)[..];
    assert_eq!(frames.len(), 400);
    let slow = slow(frames);
    assert!(slow.iter().filter(|(is_slow, _)| *is_slow).count() >= 39, "{slow:?}");
    let near = |index: usize| &slow[index.saturating_sub(1)..slow.len().min(index + 2)];
    let is_kept = |index: usize| near(index).iter().any(|(is_slow, _)| *is_slow);
    // What is decided only with frames that never came is kept.
    let is_left_out = |index: usize| index + 2 < slow.len() && near(index).iter().all(|(_, is_not)| *is_not);
    let during = |tree: (i64, i64)| {
        (0..frames.len()).filter(move |index| frames[*index].0 <= tree.1 && tree.0 < frames[*index].1)
    };
    let spans = lake.spans();
    for thread in ["player", "worker"] {
        for tree in trees(&spans[thread]) {
            let all_left_out = during(tree).count() > 0 && during(tree).all(is_left_out);
            assert!(!all_left_out, "{thread} keeps {tree:?} of {:?}", during(tree).collect::<Vec<_>>());
        }
    }
    // The player's trees are one to a frame, so those that are kept are there.
    let begins: Vec<i64> = trees(&spans["player"]).iter().map(|(begin, _)| *begin).collect();
    for index in (0..frames.len()).filter(|index| is_kept(*index)) {
        let (begin, end) = frames[index];
        assert!(begins.iter().any(|at| (begin..end).contains(at)), "frame {index} of {:?} lost its spans", near(index));
    }
    let streams: BTreeMap<&str, _> =
        report.streams.iter().map(|stream| (stream.thread_name.as_str(), stream)).collect();
    let player = streams["player"];
    assert_eq!((player.ordinals, player.dropped, player.open), (400 * SPANS_PER_TREE, 0, 0));
    assert_eq!(player.sampled + spans["player"].len() as u64, player.ordinals);
    assert!(player.sampled > 200 * SPANS_PER_TREE, "{player:?}");
    let sampled = player.sampled + streams["worker"].sampled;
    assert_eq!((report.stats.spans.sampled, report.stats.spans.dropped), (sampled, 0));
    // All else is there.
    assert_eq!(report.stats.metrics.emitted * SPANS_PER_TREE, report.stats.spans.emitted);
    assert_eq!((report.stats.metrics.sampled, report.stats.metrics.dropped), (0, 0));

    let process = lake.processes().pop().unwrap();
    assert_eq!(process.properties["framelake.sampling"], "slow frames over 3 × median");
    assert_eq!(process.properties["framelake.sampled_spans"], sampled.to_string());
    // To SQL they are rows that are not there.
    assert_eq!(process.dropped.values().sum::<u64>(), sampled);
}

#[test]
fn a_program_without_frames_keeps_all() {
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start_with(Builder::new().drain_period(Duration::from_millis(10)).keep_slow_frames(FACTOR));
    for _ in 0..100 {
        tree(Duration::from_micros(500));
    }
    let report = guard.shutdown().unwrap();
    lake.check(&report);
    assert_eq!(lake.spans().into_values().flatten().count() as u64, 100 * SPANS_PER_TREE);
    assert_eq!(report.stats.spans.sampled, 0);
}

#[test]
fn what_a_flush_asks_for_does_not_wait_for_its_frame() {
    let _turn = turn();
    let lake = Collector::default();
    // Nothing is drained but by the flush.
    let guard = lake.start_with(Builder::new().drain_period(Duration::from_secs(60)).keep_slow_frames(FACTOR));
    for _ in 0..100 {
        framelake::frame!();
        tree(Duration::from_micros(300));
    }
    span!("open");
    assert!(framelake::flush(Duration::from_secs(30)));
    let spans = lake.spans().into_values().flatten().collect::<Vec<_>>();
    let last = spans.iter().map(|span| span.ordinal).max();
    assert_eq!(last, Some(100 * SPANS_PER_TREE - 1), "the frame before a crash is there");
    let report = guard.shutdown().unwrap();
    lake.check(&report);
    assert!(report.stats.spans.sampled > 0);
}

#[test]
fn threads_that_end_leave_nothing_behind() {
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start_with(Builder::new().drain_period(Duration::from_millis(10)).keep_slow_frames(FACTOR));
    for _ in 0..200 {
        framelake::frame!();
        thread::spawn(|| tree(Duration::from_micros(100))).join().unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    eventually("the drain of all threads", || framelake::stats().spans.emitted == 200 * SPANS_PER_TREE);
    let report = guard.shutdown().unwrap();
    lake.check(&report);
    assert_eq!(report.stats.spans.emitted, 200 * SPANS_PER_TREE);
    assert!(report.stats.spans.sampled > 0);
    let mut brief = lake.spans().into_values().flatten().collect::<Vec<_>>();
    brief.sort_by_key(|span| span.begin);
    assert_eq!(brief.len() as u64 + report.stats.spans.sampled, 200 * SPANS_PER_TREE);
}
