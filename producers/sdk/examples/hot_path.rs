//! What an event costs its thread: nanoseconds per operation, the least of many runs, beside the clock's own.
//!
//! `cargo run --release --example hot_path -p framelake`. With the name of an operation and a count it runs just that, for callgrind:
//! `valgrind --tool=callgrind --toggle-collect='*measured*' target/release/examples/hot_path span 1000`.
//!
//! With `frames` it plays 60 frames a second while no server is there, and tells the time that recording takes of each.

use framelake::transport::{Deliver, Outcome, Outgoing};
use framelake::{Builder, PropertySet, span};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Operations in a run: few enough that a run fits into the chunks made ready.
const RUN: u32 = 2_000;
const RUNS: usize = 3_000;

/// Keeps nothing.
struct Nowhere;

impl Deliver for Nowhere {
    fn deliver(&mut self, _: &[Outgoing], _: Instant) -> Outcome {
        Outcome::Kept { refused: vec![], control: None }
    }

    fn destination(&self) -> String {
        "nowhere".into()
    }
}

macro_rules! operation {
    ($name:ident, $index:ident => $body:block) => {
        #[inline(never)]
        fn $name(count: u32) {
            for $index in 0..count {
                $body
            }
        }
    };
}

operation!(measured_clock, _index => {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has rdtsc.
    black_box(unsafe { core::arch::x86_64::_rdtsc() });
    #[cfg(not(target_arch = "x86_64"))]
    black_box(Instant::now());
});
operation!(measured_span, _index => {
    span!("span");
});
operation!(measured_static_log, _index => {
    framelake::info!("a line without arguments");
});
operation!(measured_log_1, index => {
    framelake::info!("a line with {}", index);
});
operation!(measured_log_3, index => {
    framelake::info!("a line with {} and {} and {}", index, "some text", index);
});
operation!(measured_metric_integer, index => {
    framelake::metric!("integer", "1", index);
});
operation!(measured_metric_float, index => {
    framelake::metric!("float", "1", f64::from(index));
});
operation!(measured_metric_properties, index => {
    framelake::metric!("tagged", "1", index, black_box(PropertySet::EMPTY));
});
operation!(measured_frame, _index => {
    framelake::frame!();
});

type Operation = fn(u32);

const OPERATIONS: [(&str, Operation); 9] = [
    ("clock", measured_clock),
    ("span", measured_span),
    ("static_log", measured_static_log),
    ("log_1", measured_log_1),
    ("log_3", measured_log_3),
    ("metric_integer", measured_metric_integer),
    ("metric_float", measured_metric_float),
    ("metric_properties", measured_metric_properties),
    ("frame", measured_frame),
];

fn main() -> Result<(), framelake::Error> {
    let mut arguments = std::env::args().skip(1);
    let only = arguments.next();
    if only.as_deref() == Some("frames") {
        return frames();
    }
    let count = arguments.next().and_then(|count| count.parse().ok());

    println!("{:<20}{:>12}{:>12}", "operation", "disabled ns", "ns");
    let disabled: Vec<f64> = OPERATIONS.iter().map(|(_, operation)| least(*operation, RUN, 200)).collect();
    let guard = Builder::new().drain_period(Duration::from_millis(100)).deliver_by(Box::new(Nowhere)).start()?;
    for ((name, operation), disabled) in OPERATIONS.iter().zip(disabled) {
        if only.as_deref().is_some_and(|only| only != *name) {
            continue;
        }
        operation(1);
        let runs = if count.is_some() { 1 } else { RUNS };
        let enabled = least(*operation, count.unwrap_or(RUN), runs);
        println!("{name:<20}{disabled:>12.2}{enabled:>12.2}");
    }
    let report = guard.shutdown().expect("a recording that runs");
    let stats = report.stats;
    let events = stats.logs.events + stats.metrics.events + stats.spans.events + stats.frames.events;
    println!(
        "{events} events, {} B/event sealed, {:.1} ns/event in the background, {} rows dropped",
        stats.bytes_sealed as f64 / events as f64,
        stats.background_cpu_ns as f64 / events as f64,
        stats.logs.dropped + stats.metrics.dropped + stats.spans.dropped + stats.frames.dropped,
    );
    Ok(())
}

/// 1,000 span pairs, 10 metrics and 3 lines a frame, for 20 s.
fn frames() -> Result<(), framelake::Error> {
    let guard = Builder::new().endpoint("http://127.0.0.1:9").start()?;
    let mut micros: Vec<f64> = (0..1_200)
        .map(|_| {
            std::thread::sleep(Duration::from_millis(16));
            let begin = Instant::now();
            measured_frame(1);
            measured_span(1_000);
            measured_metric_integer(10);
            measured_log_3(3);
            begin.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros[(micros.len() as f64 * share) as usize];
    println!("us per frame: p50 {:.1}, p99 {:.1}, p99.9 {:.1}", at(0.5), at(0.99), at(0.999));
    let report = guard.shutdown_within(Duration::ZERO).expect("a recording that runs");
    println!("{:?}", report.stats);
    Ok(())
}

/// Nanoseconds per operation, the least of `runs`.
fn least(operation: Operation, count: u32, runs: usize) -> f64 {
    let mut least = Duration::MAX;
    for run in 0..runs {
        let begin = Instant::now();
        operation(black_box(count));
        least = least.min(begin.elapsed());
        if run % 4 == 3 {
            // Nothing may be dropped: that would be faster than recording.
            framelake::flush(Duration::from_secs(1));
        }
    }
    least.as_secs_f64() * 1e9 / f64::from(count)
}
