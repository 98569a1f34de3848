//! What spans and events of `tracing` cost their thread: by Framelake's subscriber and by its layer, beside `tracing-subscriber`'s registry and its formatter with
//! a writer that keeps nothing. Nanoseconds per operation, the least of many runs in turns.
//!
//! `cargo run --release --example tracing_speed -p framelake --features tracing`

use framelake::Builder;
use framelake::transport::{Deliver, Outcome, Outgoing};
use std::hint::black_box;
use std::time::{Duration, Instant};
use tracing::{Dispatch, dispatcher, info, info_span};
use tracing_subscriber::prelude::*;

/// Operations in a run: few enough that a run fits into the chunks made ready.
const RUN: u32 = 1_000;
const ROUNDS: usize = 2_000;

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

#[inline(never)]
fn span(count: u32) {
    for _ in 0..count {
        let _entered = info_span!("span").entered();
    }
}

#[inline(never)]
fn span_with_fields(count: u32) {
    for index in 0..count {
        let _entered = info_span!("span", map = "castle", bodies = index, ratio = 0.5).entered();
    }
}

#[inline(never)]
fn event(count: u32) {
    for _ in 0..count {
        info!("a line without fields");
    }
}

#[inline(never)]
fn event_with_fields(count: u32) {
    for index in 0..count {
        info!(map = "castle", bodies = index, ratio = 0.5, "a line with fields");
    }
}

#[inline(never)]
fn disabled(count: u32) {
    for index in 0..count {
        tracing::trace!(target: "disabled", bodies = black_box(index), "not recorded");
    }
}

type Operation = fn(u32);

const OPERATIONS: [(&str, Operation); 5] = [
    ("span", span),
    ("span, 3 fields", span_with_fields),
    ("event", event),
    ("event, 3 fields", event_with_fields),
    ("disabled event", disabled),
];

fn main() -> Result<(), framelake::Error> {
    let guard = Builder::new()
        .filter("info")?
        .drain_period(Duration::from_millis(100))
        .memory_budget(256 << 20)
        .deliver_by(Box::new(Nowhere))
        .start()?;
    // One at a time is there at all: with a second one `tracing` asks both for each call site.
    let level = tracing_subscriber::filter::LevelFilter::INFO;
    let makers: [(&str, &dyn Fn() -> Dispatch); 4] = [
        ("subscriber", &|| Dispatch::new(framelake::tracing::subscriber())),
        ("layer", &|| Dispatch::new(tracing_subscriber::registry().with(framelake::tracing::layer()).with(level))),
        ("registry", &|| Dispatch::new(tracing_subscriber::registry().with(level))),
        ("fmt, null writer", &|| {
            let fmt = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
            Dispatch::new(tracing_subscriber::registry().with(fmt).with(level))
        }),
    ];
    let mut least = [[f64::INFINITY; OPERATIONS.len()]; 4];
    for round in 0..ROUNDS {
        for ((_, make), least) in makers.iter().zip(&mut least) {
            dispatcher::with_default(&make(), || {
                for ((_, operation), least) in OPERATIONS.iter().zip(least) {
                    operation(10);
                    let begin = Instant::now();
                    operation(black_box(RUN));
                    *least = least.min(begin.elapsed().as_secs_f64() * 1e9 / f64::from(RUN));
                }
            });
        }
        if round % 4 == 3 {
            // Nothing may be dropped: that would be faster than recording.
            framelake::flush(Duration::from_secs(1));
        }
    }
    print!("{:<18}", "ns per operation");
    makers.iter().for_each(|(name, _)| print!("{name:>18}"));
    println!("{:>24}{:>24}", "subscriber/registry", "subscriber/fmt");
    for (index, (name, _)) in OPERATIONS.iter().enumerate() {
        print!("{name:<18}");
        least.iter().for_each(|least| print!("{:>18.1}", least[index]));
        println!("{:>24.3}{:>24.3}", least[0][index] / least[2][index], least[0][index] / least[3][index]);
    }
    let stats = guard.shutdown().expect("a recording that runs").stats;
    println!(
        "{} lines, {} spans, dropped {}",
        stats.logs.emitted,
        stats.spans.emitted,
        stats.logs.dropped + stats.spans.dropped
    );
    Ok(())
}
