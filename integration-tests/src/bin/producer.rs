//! An instrumented program for the tests: several threads with nested spans, frames, metrics and logs at 60 frames a second, and a report of what it emitted.

use anyhow::Context;
use clap::Parser;
use framelake::{Builder, async_span, counter, frame, histogram, info, metric, span};
use framelake_integration_tests::{Emitted, EmittedStream};
use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

#[derive(Parser)]
struct Options {
    #[arg(long)]
    endpoint: String,
    #[arg(long)]
    seconds: u64,
    #[arg(long)]
    threads: u64,
    #[arg(long)]
    spans_per_frame: u64,
    #[arg(long)]
    report: PathBuf,
}

const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 60);

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let framelake = Builder::new().app("test-producer").endpoint(&options.endpoint).no_spool().start()?;
    attach_noise()?;
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let threads: Vec<_> = (0..options.threads)
        .map(|number| {
            let spans = options.spans_per_frame;
            thread::Builder::new().name(format!("worker-{number}")).spawn(move || play(number, spans, end))
        })
        .collect::<Result<_, _>>()?;
    let mut inside = Vec::new();
    for thread in threads {
        inside.extend(thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?);
    }
    let memory_bytes_max = memory_peak()?;
    let report = framelake.shutdown().context("recording was off")?;
    inside.sort_unstable();
    let emitted = Emitted {
        process_id: report.process_id.to_string(),
        streams: report
            .streams
            .iter()
            .map(|stream| EmittedStream {
                stream_id: stream.stream_id.to_string(),
                kind: stream.kind.to_string(),
                ordinals: stream.ordinals,
                open: stream.open,
                dropped: stream.dropped,
            })
            .collect(),
        frame_us_p999: inside.get(inside.len() * 999 / 1000).copied().unwrap_or_default().as_secs_f64() * 1e6,
        memory_bytes_max,
        undelivered: report.undelivered_records,
    };
    std::fs::write(&options.report, serde_json::to_vec(&emitted)?)?;
    Ok(())
}

/// A file of three parts that does not compress; `check_attachments.py` knows its bytes.
fn attach_noise() -> anyhow::Result<()> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let bytes: Vec<u8> = (0..1_200_000).map(|_| next()).collect();
    framelake::attach("noise.bin", "application/octet-stream", bytes)?;
    Ok(())
}

/// Frames until `end`; the time that each spent inside SDK calls.
fn play(number: u64, spans: u64, end: Instant) -> Vec<Duration> {
    let mut inside = Vec::new();
    let mut next = Instant::now();
    let mut count = 0_u64;
    while Instant::now() < end {
        let start = Instant::now();
        record_frame(number, spans, count);
        inside.push(start.elapsed());
        count += 1;
        next += FRAME;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    inside
}

/// Nothing but recording, so that its time is the time inside SDK calls.
fn record_frame(number: u64, spans: u64, count: u64) {
    if number == 0 {
        frame!();
    }
    span!("frame", count);
    for agent in 0..spans / 2 {
        span!("agent");
        steer(agent);
    }
    metric!("agents", "1", spans / 2, team = "red");
    counter!("moved", "1", spans / 2);
    histogram!("distance", "m", number as f64 + 0.5);
    let path = async_span!("path", thread = number);
    path.in_scope(|| drop(async_span!("search")));
    if count.is_multiple_of(10) {
        info!("frame {count} of thread {number} moved {} agents", spans / 2);
        info!("a line without arguments");
    }
}

fn steer(agent: u64) {
    span!("steer");
    std::hint::black_box(agent);
}

fn memory_peak() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("no VmHWM in /proc/self/status")?;
    let kib: u64 = line.split_whitespace().nth(1).context("VmHWM has no value")?.parse()?;
    Ok(kib * 1024)
}
