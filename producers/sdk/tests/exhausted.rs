//! Where there is no room: what is lost is counted, and its ordinals are used up.

mod support;

use framelake::{Builder, StreamKind, span, span_guard};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;
use support::{Collector, turn};

/// The smallest budget: 1 MiB are 16 chunks.
fn small() -> Builder {
    Builder::new().memory_budget(4 * 1024 * 1024).drain_period(Duration::from_millis(50))
}

#[test]
fn every_event_of_a_flood_is_seen_or_counted_as_dropped() {
    const THREADS: u64 = 3;
    const ROUNDS: u64 = 300_000;
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start_with(small());
    thread::scope(|scope| {
        for number in 0..THREADS {
            thread::Builder::new()
                .name(format!("flood {number}"))
                .spawn_scoped(scope, move || {
                    for index in 0..ROUNDS {
                        span!("outer");
                        {
                            span!("middle");
                            span!("inner");
                        }
                        framelake::metric!("index", "1", index);
                        framelake::info!("line {}", index);
                        if number == 0 {
                            framelake::frame!();
                        }
                    }
                })
                .unwrap();
        }
    });
    let report = guard.shutdown().unwrap();
    lake.check(&report);
    let emitted = |kind: StreamKind| -> Vec<u64> {
        report.streams.iter().filter(|stream| stream.kind == kind).map(|stream| stream.ordinals).collect()
    };
    assert_eq!(emitted(StreamKind::SPAN), [3 * ROUNDS; THREADS as usize]);
    assert_eq!(emitted(StreamKind::METRIC), [THREADS * ROUNDS]);
    assert_eq!(emitted(StreamKind::LOG), [THREADS * ROUNDS]);
    assert_eq!(emitted(StreamKind::FRAME), [ROUNDS]);
    assert!(report.stats.spans.dropped > 0, "the flood was no flood: {:?}", report.stats);

    // What got through has its own number: the line that says 7 is not taken for another.
    for spans in lake.spans().values() {
        assert!(spans.windows(2).all(|pair| pair[0].ordinal < pair[1].ordinal));
        assert!(spans.iter().all(|span| span.depth <= 2 && span.begin <= span.end));
    }
    // The count reached the server, in the last word of the process.
    let processes = lake.processes();
    let dropped: u64 = processes.last().unwrap().dropped.values().sum();
    assert_eq!(dropped, report.streams.iter().map(|stream| stream.dropped).sum::<u64>());
}

#[test]
fn more_threads_than_chunks_go_on_with_what_they_have() {
    const THREADS: usize = 40;
    const ROUNDS: u64 = 20;
    const PAIRS: u64 = 1_000;
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start_with(small());
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let barrier = &barrier;
            thread::Builder::new()
                .name(format!("one of many {number}"))
                .spawn_scoped(scope, move || {
                    for _ in 0..ROUNDS {
                        barrier.wait();
                        for _ in 0..PAIRS {
                            drop(span_guard!("pair"));
                        }
                        thread::sleep(Duration::from_millis(60));
                    }
                })
                .unwrap();
        }
    });
    let report = guard.shutdown().unwrap();
    lake.check(&report);
    assert_eq!(report.streams.len(), THREADS);
    assert!(report.streams.iter().all(|stream| stream.ordinals == ROUNDS * PAIRS));
    // A chunk holds 2,728 pairs; who has one starts it over again and again.
    let served = report.streams.iter().filter(|stream| stream.ordinals - stream.dropped > 10_000).count();
    assert!(served >= 12, "{served} threads could go on");
}

#[test]
fn spans_are_shed_from_the_queue_and_counted_while_the_server_is_away() {
    use framelake::transport::{Deliver, Outcome, Outgoing};
    struct Away;
    impl Deliver for Away {
        fn deliver(&mut self, _: &[Outgoing], _: std::time::Instant) -> Outcome {
            Outcome::Retry { after: None, reason: "away".into() }
        }
        fn destination(&self) -> String {
            "nowhere".into()
        }
    }
    let _turn = turn();
    let guard = small().panic_hook(false).deliver_by(Box::new(Away)).start().unwrap();
    // A pair in a loop takes less than a byte, so this takes a million of them and more.
    for index in 0..5_000_u64 {
        framelake::info!("line {index}");
        for _ in 0..8_000 {
            span!("pair");
        }
        // What is to be shed here is blocks, so that no event may want for room: on a busy machine a drain takes its time.
        while framelake::stats().spans.emitted < (index + 1) * 8_000 {
            assert!(!framelake::flush(Duration::from_millis(2)));
        }
        let stats = framelake::stats();
        assert!(stats.queue_bytes <= 1536 * 1024 + 64 * 1024, "{stats:?}");
        if stats.shed_rows > 100_000 {
            break;
        }
    }
    let report = guard.shutdown_within(Duration::from_millis(50)).unwrap();
    let stats = report.stats;
    assert!(stats.shed_rows > 0 && stats.logs.dropped == 0, "{stats:?}");
    assert_eq!(stats.spans.dropped, report.streams.iter().map(|stream| stream.dropped).sum::<u64>());
    // Everything emitted was dropped or is still undelivered.
    let open: u64 = report.streams.iter().map(|stream| stream.open).sum();
    let emitted = stats.spans.emitted + stats.logs.emitted;
    assert_eq!(stats.spans.dropped + open + report.undelivered_rows, emitted);
}
