//! The instrumented programs.

use clap::{Args, ValueEnum};
use framelake::{Builder, info, metric, span};
use framelake_bench::{memory_peak_of, own_cpu};
use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// What a program records, all of it on one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Load {
    /// Spans as fast as it can. Their leaves pause for 0 to some 100 ns: without, they would all last the same number of steps of the clock, and
    /// compress to next to nothing.
    Flood,
    /// Spans whose leaves work for 0 to some 4 µs, few of them long, so that they last as differently as real ones do.
    Spans,
    /// Log lines with three arguments.
    Logs,
    /// Measurements, integers and floats.
    Metrics,
    /// As a program does: mostly spans, some measurements, a few lines; every 50 ms a line by which it is seen how far SQL is.
    Mixed,
}

/// What a program is told.
#[derive(Args, Debug)]
pub(crate) struct Options {
    #[arg(long)]
    load: Load,
    #[arg(long)]
    endpoint: String,
    #[arg(long)]
    seconds: f64,
    /// Rows a second: spans, lines, measurements.
    #[arg(long)]
    rate: u64,
}

/// The target of the lines by which it is seen how far SQL is.
pub(crate) const PROBE: &str = "probe";
/// Events (a span's begin and end are two) a second that [`Load::Mixed`] records.
pub(crate) const MIXED_EVENTS_PER_SECOND: u64 = 100_000;

/// Programs wake up this often. Waking up costs some 20 µs of CPU time: a 500th.
const BURST: Duration = Duration::from_millis(10);
/// Spans of one [`tree`].
const TREE_SPANS: u64 = 19;

pub(crate) fn produce(options: &Options) -> anyhow::Result<()> {
    let cpu_before = own_cpu();
    let framelake = Builder::new()
        .app("bench")
        .endpoint(&options.endpoint)
        .no_spool()
        .shutdown_timeout(Duration::from_secs(120))
        .start()?;
    let started = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let start = Instant::now();
    record(options);
    let seconds = start.elapsed().as_secs_f64();
    let report = framelake.shutdown().map_or("null".to_owned(), |report| report.to_json());
    let cpu_seconds = own_cpu() - cpu_before;
    let memory_peak = memory_peak_of(std::process::id())?;
    println!(
        "{{\"started_unix_ns\":{started},\"seconds\":{seconds},\"cpu_seconds\":{cpu_seconds},\"memory_peak\":{memory_peak},\"report\":{report}}}"
    );
    Ok(())
}

fn record(options: &Options) {
    let length = Duration::from_secs_f64(options.seconds);
    let per_burst = options.rate * BURST.as_millis() as u64 / 1000;
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    match options.load {
        Load::Flood => {
            let start = Instant::now();
            while start.elapsed() < length {
                (0..1000).for_each(|_| tree(&mut |_| random.work(50)));
            }
        }
        Load::Spans => {
            bursts(length, |_| (0..per_burst / TREE_SPANS).for_each(|_| tree(&mut |most| random.work(most))));
        }
        Load::Logs => bursts(length, |burst| {
            for number in 0..per_burst {
                info!("agent {} moved to {:.2} in sector {}", number, random.unit(), burst % 16);
            }
        }),
        Load::Metrics => bursts(length, |_| {
            for number in 0..per_burst / 2 {
                metric!("bodies", "1", 2_000 + number % 16);
                metric!("step", "ms", random.unit());
            }
        }),
        Load::Mixed => bursts(length, |burst| mixed(burst, &mut random)),
    }
}

/// 23 × 19 spans are 874 events, 100 measurements and 26 lines: 1,000 events in 10 ms.
fn mixed(burst: u64, random: &mut Random) {
    for _ in 0..23 {
        tree(&mut |most| random.work(most));
    }
    for number in 0..100_u64 {
        metric!("bodies", "1", 2_000 + number % 16);
    }
    for number in 0..25 {
        info!("agent {} moved to {:.2} in sector {}", number, random.unit(), burst % 16);
    }
    if burst.is_multiple_of(5) {
        info!(target: PROBE, "burst {burst}");
    } else {
        info!("a line without arguments");
    }
}

/// Calls `act` every [`BURST`]; catches up where it is late.
fn bursts(length: Duration, mut act: impl FnMut(u64)) {
    let start = Instant::now();
    let count = (length.as_nanos() / BURST.as_nanos()) as u32;
    for burst in 0..count {
        thread::sleep((BURST * burst).saturating_sub(start.elapsed()));
        act(u64::from(burst));
    }
}

/// What a small game does in a step: nested, some leaves in loops. `work` is told how long to work at most.
fn tree(work: &mut impl FnMut(u64)) {
    span!("step");
    {
        span!("physics");
        for _ in 0..3 {
            span!("solve island");
            work(2000);
        }
    }
    {
        span!("agents");
        for _ in 0..4 {
            span!("agent");
            work(200);
            span!("steer");
            work(800);
        }
    }
    span!("render");
    for _ in 0..5 {
        span!("draw");
        work(400);
    }
}

/// Marsaglia's xorshift64 (doi.org/10.18637/jss.v008.i14).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// 0 to 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Up to `most` steps of some 2 ns; few are long.
    fn work(&mut self, most: u64) {
        let share = self.next() % 1024 * (self.next() % 1024);
        for _ in 0..(most * share) >> 20 {
            std::hint::black_box(self.next());
        }
    }
}
