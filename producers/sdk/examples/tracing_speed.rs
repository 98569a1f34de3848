//! What spans and events of `tracing` cost their thread: by Framelake's subscriber and by its layer, beside `tracing-subscriber`'s registry and its formatter with
//! a writer that keeps nothing. Nanoseconds per operation, the least of many runs in turns.
//!
//! `cargo run --release --example tracing_speed -p framelake --features tracing`. With the name of a taker and of an operation it measures just that, for profilers:
//! `tracing_speed subscriber span`.

use framelake::Builder;
use framelake::transport::{Deliver, Outcome, Outgoing};
use std::hint::black_box;
use std::time::{Duration, Instant};
use tracing::{Dispatch, dispatcher, info, info_span};
use tracing_subscriber::prelude::*;

/// Operations in a run: few enough that a run fits into the chunks made ready.
const RUN: u32 = 1_000;
const RUNS: usize = 400;
/// Processes for each.
const PROCESSES: usize = 8;

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

/// Who takes in what is recorded, as this program's only one. Each in a process of its own: what `tracing` does for one subscriber is less than for several.
const TAKERS: [&str; 5] = ["subscriber", "layer", "registry", "fmt, null writer", "nobody"];

/// Takes everything in and does nothing: what `tracing` itself costs.
struct Nobody;

impl tracing::Subscriber for Nobody {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
        tracing::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &tracing::Id) {}
    fn exit(&self, _: &tracing::Id) {}
}

fn dispatch(taker: &str) -> Dispatch {
    let level = tracing_subscriber::filter::LevelFilter::INFO;
    let registry = tracing_subscriber::registry().with(level);
    match taker {
        "subscriber" => Dispatch::new(framelake::tracing::subscriber()),
        "layer" => Dispatch::new(registry.with(framelake::tracing::layer())),
        "registry" => Dispatch::new(registry),
        "nobody" => Dispatch::new(Nobody),
        _ => Dispatch::new(registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::sink))),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(taker) = std::env::args().nth(1) {
        return measure(&taker);
    }
    let mut least = [[f64::INFINITY; OPERATIONS.len()]; TAKERS.len()];
    for _ in 0..PROCESSES {
        for (taker, least) in TAKERS.iter().zip(&mut least) {
            let output = std::process::Command::new(std::env::current_exe()?).arg(taker).output()?;
            let text = String::from_utf8(output.stdout)?;
            for (least, number) in least.iter_mut().zip(text.split_whitespace()) {
                *least = least.min(number.parse()?);
            }
        }
    }
    print!("{:<18}", "ns per operation");
    TAKERS.iter().for_each(|taker| print!("{taker:>18}"));
    println!("{:>22}{:>18}", "subscriber/registry", "subscriber/fmt");
    for (index, (name, _)) in OPERATIONS.iter().enumerate() {
        print!("{name:<18}");
        least.iter().for_each(|least| print!("{:>18.1}", least[index]));
        println!("{:>22.3}{:>18.3}", least[0][index] / least[2][index], least[0][index] / least[3][index]);
    }
    Ok(())
}

/// Prints the least of this process for each operation.
fn measure(taker: &str) -> Result<(), Box<dyn std::error::Error>> {
    let guard = Builder::new()
        .filter("info")?
        .drain_period(Duration::from_millis(100))
        .memory_budget(256 << 20)
        .deliver_by(Box::new(Nowhere))
        .start()?;
    dispatcher::set_global_default(dispatch(taker))?;
    let only = std::env::args().nth(2);
    for (name, operation) in OPERATIONS {
        if only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let mut least = f64::INFINITY;
        for run in 0..RUNS {
            let begin = Instant::now();
            operation(black_box(RUN));
            least = least.min(begin.elapsed().as_secs_f64() * 1e9 / f64::from(RUN));
            if run % 8 == 7 {
                // Nothing may be dropped: that would be faster than recording.
                framelake::flush(Duration::from_secs(1));
            }
        }
        println!("{least}");
    }
    let stats = guard.shutdown().expect("a recording that runs").stats;
    assert_eq!(stats.logs.dropped + stats.spans.dropped + stats.async_spans.dropped, 0);
    Ok(())
}
