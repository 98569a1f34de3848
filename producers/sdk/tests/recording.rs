//! From macros to the rows in sealed blocks.

mod support;

use framelake::{Builder, Error, Level, PropertySet, StreamKind, span, span_guard};
use framelake_wire::decode;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::{Collector, eventually, turn};

#[test]
fn nothing_is_lost_by_threads_that_flood_or_live_briefly() {
    const FLOODS: usize = 4;
    const PAIRS: usize = 20_000;
    // With 4 × 20,000 × 54 B in 66 chunks, all fits into the budget's 256 even if nothing is drained meanwhile.
    const BRIEF: usize = 150;
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start();
    thread::scope(|scope| {
        for flood in 0..FLOODS {
            thread::Builder::new()
                .name(format!("flood {flood}"))
                .spawn_scoped(scope, || {
                    for index in 0..PAIRS {
                        span!("outer");
                        if index % 10 == 0 {
                            framelake::info!("pair {index}");
                            framelake::metric!("index", "1", index);
                        }
                        span!("inner");
                    }
                })
                .unwrap();
        }
        for _ in 0..BRIEF {
            scope.spawn(|| {
                span!("brief");
                framelake::warn!("brief");
            });
        }
    });
    let report = guard.shutdown().unwrap();
    lake.check(&report);
    assert_eq!(report.streams.iter().map(|stream| stream.dropped + stream.open).sum::<u64>(), 0);

    let spans = lake.spans();
    for flood in 0..FLOODS {
        let spans = &spans[&format!("flood {flood}")];
        assert!(spans.iter().map(|span| span.ordinal).eq(0..2 * PAIRS as u64));
        assert!(spans.chunks(2).all(|pair| pair[0].name == "outer" && pair[1].parent == Some(pair[0].ordinal)));
        assert!(spans.windows(2).all(|pair| pair[0].begin <= pair[1].begin));
    }
    // Unnamed threads have the program's name, as the system has it; theirs are one span each.
    let brief: usize = spans.values().flatten().filter(|span| span.name == "brief").count();
    assert_eq!(brief, BRIEF);

    let lines = lake.lines();
    assert!(lines.iter().map(|line| line.ordinal).eq(0..(FLOODS * PAIRS / 10 + BRIEF) as u64));
    for flood in 0..FLOODS {
        let thread = format!("flood {flood}");
        let messages = lines.iter().filter(|line| line.thread == thread).map(|line| line.message.clone());
        assert!(messages.eq((0..PAIRS).step_by(10).map(|index| format!("pair {index}"))));
    }
    assert_eq!(report.stats.metrics.emitted, (FLOODS * PAIRS / 10) as u64);
}

/// Buffers are looked at one after the other while their threads go on. A drain that took what came meanwhile would have children without their parents.
#[test]
fn a_drain_has_nothing_later_than_the_instant_it_began() {
    const BLOCKS: usize = 150;
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start();
    let blocks = || lake.streams(&StreamKind::LOG).into_values().flatten().collect::<Vec<_>>();
    let drained = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !drained.load(Relaxed) {
                // Bursts: what is asked is no question of how much there is.
                (0..100).for_each(|_| framelake::info!("on and on"));
                thread::sleep(Duration::from_micros(10));
            }
        });
        while blocks().len() < BLOCKS && framelake::flush(Duration::from_secs(10)) {}
        drained.store(true, Relaxed);
    });
    // Before the last drain, which takes whatever there is.
    let blocks = blocks();
    let report = guard.shutdown().unwrap();
    lake.check(&report);
    assert!(blocks.len() >= BLOCKS, "{} blocks, and a flush that was not done", blocks.len());
    for header in blocks.iter().map(|block| &block.header) {
        let end = header.time_map().unix_ns(header.end.ticks);
        assert!(header.max_time <= end, "block {}: {} ns too late", header.sequence, header.max_time - end);
    }
}

#[test]
fn threads_that_idle_or_ended_are_drained_without_their_help() {
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start();
    let (wake, waiting) = mpsc::channel::<()>();
    let idle = thread::Builder::new().name("idle".into()).spawn(move || {
        framelake::info!("before the wait");
        drop(span_guard!("done"));
        span!("open");
        waiting.recv().unwrap();
    });
    thread::Builder::new().name("ended".into()).spawn(|| drop(span_guard!("gone"))).unwrap().join().unwrap();
    eventually("the drain", || {
        let spans = lake.spans();
        spans.contains_key("idle") && spans.contains_key("ended") && lake.messages() == ["before the wait"]
    });
    assert_eq!(lake.spans()["idle"].len(), 1);
    wake.send(()).unwrap();
    idle.unwrap().join().unwrap();
    lake.check(&guard.shutdown().unwrap());
    let spans = &lake.spans()["idle"];
    assert_eq!((spans[1].name.as_str(), spans[1].ordinal, spans[1].truncated), ("open", 1, false));
}

#[test]
fn every_form_of_every_macro_says_what_it_says() {
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start();
    let (map, count) = ("castle", 3);
    framelake::fatal!("static");
    framelake::error!("{}", count);
    framelake::warn!("{map} has {count:>4} and {{braces}}");
    framelake::info!(target: "net", "peer {}", map,);
    framelake::debug!("{what:?}", what = Some("x"));
    framelake::trace!(concat!("a", "b"));
    framelake::log!(Level::Info, "by level");
    framelake::log!(target: "own", Level::Info, "{}", 1);
    let line = line!() - 1;
    let arena = PropertySet::new([("mode", "duel"), ("map", "arena")]);
    assert_eq!(arena, PropertySet::new([("map", "arena"), ("mode", "duel")]));
    framelake::metric!("integer", "By", -7_i64);
    framelake::metric!("unsigned", "1", u64::MAX, arena);
    framelake::metric!("float", "ms", 1.5_f32, PropertySet::EMPTY,);
    framelake::metric!("usize", "1", 2_usize,);
    for _ in 0..4 {
        framelake::frame!();
    }
    named();
    assert_eq!(with_name(2), 4);
    {
        span!("scope");
        span!("within");
        let early = span_guard!("early");
        drop(early);
    }
    let report = guard.shutdown().unwrap();
    lake.check(&report);

    let lines = lake.lines();
    let expected = [
        (1, "static", "recording"),
        (2, "3", "recording"),
        (3, "castle has    3 and {braces}", "recording"),
        (4, "peer castle", "net"),
        (5, "Some(\"x\")", "recording"),
        (6, "ab", "recording"),
        (4, "by level", "recording"),
        (4, "1", "own"),
    ];
    assert_eq!(lines.len(), expected.len());
    for (line, (level, message, target)) in lines.iter().zip(expected) {
        assert_eq!((line.site.level, line.message.as_str(), line.site.target.as_str()), (level, message, target));
        assert!(line.site.file.ends_with("recording.rs"));
    }
    assert_eq!((lines[7].site.name.as_str(), lines[7].site.line), ("{}", line));

    let blocks = lake.streams(&StreamKind::METRIC).into_values().flatten();
    let metrics: Vec<_> = blocks
        .flat_map(|block| {
            let metrics = decode::metrics(&block).unwrap();
            (0..metrics.ordinal.len())
                .map(|index| {
                    let site = &metrics.sites[metrics.site[index] as usize];
                    let properties = metrics.properties[index].map(|set| metrics.property_sets[set as usize].clone());
                    (site.name.clone(), site.unit.clone(), metrics.value[index], properties.unwrap_or_default())
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let pairs = vec![("map".to_owned(), "arena".to_owned()), ("mode".to_owned(), "duel".to_owned())];
    assert_eq!(
        metrics,
        [
            ("integer".into(), "By".into(), -7.0, vec![]),
            ("unsigned".into(), "1".into(), i64::MAX as f64, pairs),
            ("float".into(), "ms".into(), 1.5, vec![]),
            ("usize".into(), "1".into(), 2.0, vec![]),
        ]
    );

    let spans = &lake.spans()[thread::current().name().unwrap()];
    let names: Vec<_> = spans.iter().map(|span| (span.name.as_str(), span.depth)).collect();
    assert_eq!(names, [("named", 0), ("other", 0), ("scope", 0), ("within", 1), ("early", 2)]);
    let frames = report.stats.frames;
    assert_eq!((frames.emitted, report.streams.iter().find(|s| s.kind == StreamKind::FRAME).unwrap().open), (4, 1));
}

#[framelake::instrument]
fn named() {}

#[framelake::instrument(name = "other")]
fn with_name<T: Copy + std::ops::Add<Output = T>>(value: T) -> T {
    return value + value;
}

#[test]
fn messages_are_whole_at_every_length_and_cut_at_the_limit() {
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start();
    // Lengths that meet a chunk's end at every distance.
    let lengths: Vec<usize> = (0..600).map(|index| index * 37 % 9_000).collect();
    for length in &lengths {
        framelake::info!("{}|{:>width$}", length, "é", width = length);
    }
    framelake::info!("{}", "ü".repeat(40_000));
    lake.check(&guard.shutdown().unwrap());
    let messages = lake.messages();
    assert_eq!(messages.len(), 601);
    for (message, length) in messages.iter().zip(lengths) {
        assert_eq!(*message, format!("{length}|{:>width$}", "é", width = length));
    }
    let cut = &messages[600];
    assert!(cut.ends_with("ü…") && cut.len() <= 32 * 1024 && cut.len() > 32 * 1024 - 8, "{}", cut.len());
}

#[test]
fn arguments_that_record_or_panic_while_formatted_leave_the_rest_whole() {
    struct Chatty(u32);
    impl fmt::Display for Chatty {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            span!("display");
            f.write_str("<")?;
            if self.0 > 0 {
                framelake::info!("inside {}", Chatty(self.0 - 1));
            }
            write!(f, "{}>", self.0)
        }
    }
    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            std::panic::resume_unwind(Box::new("as asked"))
        }
    }
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start();
    framelake::info!("before {}", Chatty(2));
    assert!(std::panic::catch_unwind(|| framelake::info!("half {} {}", Chatty(0), Panics)).is_err());
    assert!(std::panic::catch_unwind(|| framelake::info!("half {}", Panics)).is_err());
    assert!(
        std::panic::catch_unwind(|| {
            span!("half", field = Panics);
        })
        .is_err()
    );
    framelake::info!("after {}", 1);
    let report = guard.shutdown().unwrap();
    lake.check(&report);
    // What a panic left out is counted.
    assert_eq!((report.stats.logs.dropped, report.stats.spans.dropped), (2, 1));
    assert_eq!(lake.messages(), ["before <2>", "inside <1>", "inside <0>", "after 1"]);
    assert_eq!(lake.spans().into_values().flatten().filter(|span| span.name == "display").count(), 4);
}

/// Where it is known which of a thread's locals goes first.
#[test]
#[cfg(target_os = "linux")]
fn what_belongs_to_no_stream_is_measured() {
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            framelake::info!("after the thread's buffer is gone");
        }
    }
    thread_local!(static LATE: Late = const { Late });
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start();
    assert!(framelake::flush(Duration::from_secs(10)));
    let before = framelake::stats().unattributed;
    // Made before the buffer, it is destroyed after it.
    let record = || {
        LATE.with(|_| ());
        framelake::info!("in time");
    };
    thread::spawn(record).join().unwrap();
    let report = guard.shutdown().unwrap();
    assert_eq!((lake.messages(), report.stats.unattributed - before), (vec!["in time".to_owned()], 1));
    let measured: Vec<_> = lake
        .streams(&StreamKind::METRIC)
        .into_values()
        .flatten()
        .flat_map(|block| {
            let metrics = decode::metrics(&block).unwrap();
            let name = |row: usize| metrics.sites[metrics.site[row] as usize].name.clone();
            (0..metrics.ordinal.len()).map(|row| (name(row), metrics.value[row])).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(measured, [("framelake.sdk.unattributed".to_owned(), 1.0)]);
}

#[test]
fn times_are_those_of_the_wall_clock() {
    let _turn = turn();
    let lake = Collector::default();
    let before = unix_ns();
    let guard = lake.start();
    framelake::info!("first");
    {
        span!("sleep");
        thread::sleep(Duration::from_millis(120));
    }
    framelake::info!("last");
    let after = unix_ns();
    lake.check(&guard.shutdown().unwrap());
    let lines = lake.lines();
    let tolerance = 1_000_000;
    assert!(lines[0].time >= before - tolerance && lines[1].time <= after + tolerance);
    let span = &lake.spans()[thread::current().name().unwrap()][0];
    assert!(lines[0].time <= span.begin && span.end <= lines[1].time);
    // It slept over several drains; the durations are of one clock.
    let slept = span.end - span.begin;
    assert!(slept >= 120_000_000 && slept <= after - before, "{slept}");
}

#[test]
fn only_what_is_recorded_between_start_and_end_is_kept() {
    let _turn = turn();
    framelake::info!("before");
    let open = span_guard!("begun before");
    let first = Collector::default();
    let guard = first.start();
    framelake::info!("first");
    drop(open);
    assert!(matches!(Builder::new().start(), Err(Error::AlreadyStarted)));
    let unfinished = span_guard!("unfinished");
    first.check(&guard.shutdown().unwrap());
    framelake::info!("between");
    drop(unfinished);
    assert_eq!(framelake::process_id(), None);

    let second = Collector::default();
    let guard = second.start();
    drop(span_guard!("second"));
    framelake::info!("second");
    second.check(&guard.shutdown().unwrap());
    assert_eq!((first.messages(), second.messages()), (vec!["first".to_owned()], vec!["second".to_owned()]));
    assert_eq!(first.spans().into_values().flatten().count(), 0);
    let spans: Vec<_> = second.spans().into_values().flatten().map(|span| span.name).collect();
    assert_eq!(spans, ["second"]);
    assert_ne!(first.processes()[0].process_id, second.processes()[0].process_id);
}

#[test]
fn lines_above_the_level_are_left_out_and_their_arguments_not_touched() {
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start_with(Builder::new().level(Level::Warn));
    framelake::warn!("kept");
    framelake::info!("{}", unreachable_argument());
    lake.check(&guard.shutdown().unwrap());
    assert_eq!(lake.messages(), ["kept"]);
}

fn unreachable_argument() -> u32 {
    panic!("formatted a line that nobody asked for")
}

#[test]
fn the_process_says_who_it_is_and_how_it_ended() {
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start_with(Builder::new().app("test").version("1.2").property("map", "castle"));
    let id = guard.process_id().unwrap();
    assert_eq!(framelake::process_id(), Some(id));
    let mut command = std::process::Command::new("true");
    framelake::adopt(&mut command);
    let environment: Vec<_> = command.get_envs().collect();
    assert_eq!(environment[0].1.unwrap().to_str(), Some(id.to_string().as_str()));
    // A record that is still waiting when the next one comes is replaced by it.
    assert!(framelake::flush(Duration::from_secs(10)));
    drop(guard);
    let processes = lake.processes();
    let (first, last) = (&processes[0], &processes[processes.len() - 1]);
    assert_eq!((first.process_id, first.revision, first.end_time), (id, 0, None));
    assert_eq!((first.version.as_str(), first.properties["app"].as_str()), ("1.2", "test"));
    assert_eq!(first.properties["map"], "castle");
    assert!(first.cores > 0 && first.pid == std::process::id() && first.exe.starts_with("recording"));
    assert!(last.revision > 0 && last.end_time >= Some(first.start_time));
    assert_eq!(last.exit_reason.as_deref(), Some("exit"));
}

#[test]
fn a_flush_makes_all_that_was_recorded_before_visible() {
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start_with(Builder::new().drain_period(Duration::from_secs(60)));
    framelake::info!("flushed");
    assert!(framelake::flush(Duration::from_secs(10)));
    assert_eq!(lake.messages(), ["flushed"]);
    assert_eq!(framelake::stats().logs.emitted, 1);
    drop(guard);
}

fn unix_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64
}
