//! From `attach` to parts in sealed blocks; what finds no room is counted.

mod support;

use framelake::{Builder, NotAttached, Report, StreamKind, StreamReport, attach};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::{Collector, turn};

/// Bytes that do not compress, the same for the same seed.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

fn stream(report: &Report) -> &StreamReport {
    report.streams.iter().find(|stream| stream.kind == StreamKind::ATTACHMENT).unwrap()
}

fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64
}

#[test]
fn attachments_come_back_whole_whatever_their_size_and_thread() {
    const PART: usize = 512 * 1024;
    let _turn = turn();
    let lake = Collector::default();
    let before = now_ns();
    let guard = lake.start();
    let sizes = [0, 1, 1000, PART, PART + 1, 3 * PART, 3 * PART + 7];
    let expected: Mutex<Vec<(u64, usize, String)>> = Mutex::default();
    thread::scope(|scope| {
        for number in 0..2 {
            let (expected, sizes) = (&expected, &sizes);
            let name = format!("shooter {number}");
            thread::Builder::new()
                .name(name.clone())
                .spawn_scoped(scope, move || {
                    for (index, &size) in sizes.iter().enumerate() {
                        let bytes = noise(size as u64, size);
                        let shot = format!("shot {index} ä.png");
                        // Owned and borrowed alike.
                        let attached = if index % 2 == 0 {
                            attach(shot, "image/png", bytes)
                        } else {
                            attach(&*shot, String::from("image/png"), &bytes[..])
                        };
                        expected.lock().unwrap().push((attached.unwrap(), index, name.clone()));
                        assert!(framelake::flush(Duration::from_secs(10)));
                    }
                })
                .unwrap();
        }
    });
    // Waits for nothing but the end.
    let last = attach("last words", "text/plain", "bye").unwrap();
    let report = guard.shutdown().unwrap();
    lake.check(&report);

    let found = lake.attachments();
    let mut expected = expected.into_inner().unwrap();
    expected.sort();
    assert!(expected.iter().map(|(number, ..)| *number).eq(0..last), "{expected:?}");
    for (number, index, thread) in expected {
        let (attached, size) = (&found[&number], sizes[index]);
        assert!(attached.bytes == noise(size as u64, size), "shot {index}: {} bytes", attached.bytes.len());
        let name = format!("shot {index} ä.png");
        assert_eq!((&attached.name, &*attached.media_type, &attached.thread), (&name, "image/png", &thread));
        assert!((before..=now_ns()).contains(&attached.time));
    }
    assert_eq!((&found[&last].name[..], &found[&last].bytes[..]), ("last words", &b"bye"[..]));
    let parts: u64 = found.values().map(|attached| u64::from(attached.parts)).sum();
    assert_eq!(parts, 2 * (1 + 1 + 1 + 1 + 2 + 3 + 4) + 1);
    let stats = report.stats.attachments;
    assert_eq!((stats.emitted, stats.events, stats.dropped), (parts, parts, 0));
    assert_eq!((stream(&report).ordinals, stream(&report).open), (parts, 0));
}

#[test]
fn what_is_larger_than_the_budget_is_refused_and_counted_by_its_parts() {
    let _turn = turn();
    let lake = Collector::default();
    let one_drain = Builder::new().drain_period(Duration::from_secs(60));
    let guard = lake.start_with(one_drain.attachment_budget(1024 * 1024));
    assert_eq!(attach("small", "text/plain", "x"), Ok(0));
    let refused = attach("dump", "application/octet-stream", vec![0; 1024 * 1024 + 1]).unwrap_err();
    assert!(matches!(refused, NotAttached::TooLarge { bytes: 1_048_577.., bytes_max: 1_048_576 }), "{refused:?}");
    assert!(refused.to_string().contains("raise Builder::attachment_budget"), "{refused}");
    assert_eq!(attach("small", "text/plain", "y"), Ok(2));
    let report = guard.shutdown().unwrap();
    lake.check(&report);
    assert_eq!(lake.attachments().keys().copied().collect::<Vec<_>>(), [0, 2]);
    // Three parts that were not taken, between two that were.
    assert_eq!((stream(&report).ordinals, stream(&report).dropped), (5, 3));
    assert_eq!((report.stats.attachments.emitted, report.stats.attachments.dropped), (5, 3));
    assert_eq!(lake.processes().last().unwrap().dropped, [(stream(&report).stream_id, 3)].into());
    let block = &lake.streams(&StreamKind::ATTACHMENT).into_values().next().unwrap()[0];
    assert_eq!(framelake_wire::decode::attachments(block).unwrap().ordinal, [0, 4]);
}

#[test]
fn every_attachment_of_a_flood_is_seen_or_counted_as_dropped() {
    const THREADS: u64 = 3;
    const EACH: usize = 400;
    let _turn = turn();
    let lake = Collector::default();
    // The smallest budget: attachments have 512 KiB of it.
    let guard = lake.start_with(Builder::new().memory_budget(4 * 1024 * 1024).drain_period(Duration::from_secs(1)));
    let attached: Mutex<BTreeSet<u64>> = Mutex::default();
    let refused: Mutex<u64> = Mutex::default();
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let (attached, refused) = (&attached, &refused);
            scope.spawn(move || {
                let bytes = noise(seed, 60_000);
                for index in 0..EACH {
                    if index == EACH / 2 {
                        // Whatever waits is sealed, so that there is room again.
                        assert!(framelake::flush(Duration::from_secs(10)));
                    }
                    match attach("flood", "application/octet-stream", &bytes[..]) {
                        Ok(number) => assert!(attached.lock().unwrap().insert(number), "{number} was given out twice"),
                        Err(NotAttached::NoRoom { waiting, bytes_max, .. }) => {
                            assert!(waiting <= bytes_max);
                            *refused.lock().unwrap() += 1;
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            });
        }
    });
    let report = guard.shutdown().unwrap();
    lake.check(&report);
    let (attached, refused) = (attached.into_inner().unwrap(), refused.into_inner().unwrap());
    let found: BTreeSet<u64> = lake.attachments().into_keys().collect();
    // Eight of 60,000 bytes fill 512 KiB, and after the flush there is room for another.
    assert!(refused > 0 && attached.len() > 8, "the flood was no flood: {} were attached", attached.len());
    assert_eq!(attached.len() as u64 + refused, THREADS * EACH as u64);
    // Attached and yet not there is what the sending queue shed.
    assert_eq!(found.len() as u64 + stream(&report).dropped, THREADS * EACH as u64);
    assert!(found.is_subset(&attached));
    assert_eq!(report.stats.attachments.dropped, stream(&report).dropped);
    assert_eq!(stream(&report).dropped, refused + report.stats.shed_rows);
}

#[test]
fn many_without_bytes_are_bounded_too() {
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start_with(Builder::new().attachment_budget(2048).drain_period(Duration::from_secs(60)));
    // No drain but those that a full queue asks for.
    let refused = (0..100_000).filter(|_| attach("", "", "").is_err()).count();
    assert!(refused > 0, "100,000 found room in 2 KiB");
    let report = guard.shutdown().unwrap();
    lake.check(&report);
    assert_eq!((stream(&report).ordinals, stream(&report).dropped), (100_000, refused as u64));
    assert_eq!(lake.attachments().len(), 100_000 - refused);
}

#[test]
fn without_recording_or_without_a_budget_nothing_is_taken() {
    let _turn = turn();
    assert_eq!(attach("early", "text/plain", "x"), Err(NotAttached::NotRecording));
    let lake = Collector::default();
    let guard = lake.start_with(Builder::new().attachment_budget(0));
    assert!(matches!(attach("none", "text/plain", "x"), Err(NotAttached::TooLarge { bytes_max: 0, .. })));
    let report = guard.shutdown().unwrap();
    assert_eq!(attach("late", "text/plain", "x"), Err(NotAttached::NotRecording));
    lake.check(&report);
    assert_eq!((stream(&report).ordinals, stream(&report).dropped), (1, 1));

    let greedy = Builder::new().memory_budget(16 * 1024 * 1024).attachment_budget(3 * 1024 * 1024);
    let error = greedy.deliver_by(Box::new(lake.clone())).start().unwrap_err();
    assert!(error.to_string().contains("at most an eighth"), "{error}");

    // A later recording counts from 0 again.
    let guard = lake.start();
    assert_eq!(attach("first", "text/plain", "x"), Ok(0));
    drop(guard);
}
