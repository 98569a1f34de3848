//! A program at 100,000 events a second: what it costs, and how long an event takes until SQL sees it.

use crate::{
    load::{Load, MIXED_EVENTS_PER_SECOND, PROBE},
    produced::{Producing, cpu_without_recording},
    report::{Section, count, mib},
    sizes::Sizes,
};
use anyhow::ensure;
use framelake_bench::{Asking, Sample, Server};
use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Between two questions.
const ASK_EVERY: Duration = Duration::from_millis(10);

pub(crate) fn run(sizes: &Sizes) -> anyhow::Result<Section> {
    let server = Server::start()?;
    let mut asking = Asking::connect(&server.flight_url())?;

    // First nobody asks, so that the server's CPU time is that of taking in.
    let before = server.cpu()?;
    let produced = Producing::start(&server, Load::Mixed, sizes.paced, 0)?.finish()?;
    produced.await_visible(&mut asking)?;
    let server_cpu = server.cpu()? - before;
    produced.check_nothing_lost()?;
    let bytes = produced.bytes_stored(&mut asking)?;
    let without = cpu_without_recording(Load::Mixed, sizes.paced, 0)?;
    let millions = produced.visible_events() as f64 / 1e6;
    let memory = server.memory_peak()?;

    let latencies = latencies(&server, &mut asking, sizes)?;
    produced.check_rows(&mut asking)?;

    let mut section = Section::new(
        "A paced producer",
        format!(
            "{} events a second for {:.0} s: 87 % spans' begins and ends, 10 % metrics, 3 % log lines; drained every second, the default. Then the same \
             again while SQL is asked every {} ms for new lines: a line is recorded every 50 ms, and its latency is the wall time at which an answer \
             first held it less the line's own time. A line waits half a second on average for the drain.",
            count(MIXED_EVENTS_PER_SECOND),
            sizes.paced.as_secs_f64(),
            ASK_EVERY.as_millis()
        ),
    );
    section.count("events in", produced.emitted_events());
    section.count("events visible", produced.visible_events());
    section.count("lost", produced.dropped());
    let recording = (produced.cpu_seconds - without).max(0.0) / millions;
    section.figure("producer, CPU s per million events (less the same with recording off)", "s", recording);
    section.figure("server, CPU s per million events", "s", server_cpu / millions);
    section.figure("bytes per event on disk", "B", bytes as f64 / produced.visible_events() as f64);
    section.less("seconds from emit to SQL, median", "s", latencies.median(), 2.65);
    section.figure("the same, 95 % of lines within", "s", latencies.quantile(0.95));
    section.figure("the same, longest", "s", latencies.max());
    section.figure("the same, shortest", "s", latencies.min());
    section.figure("producer, peak memory", "MiB", mib(produced.memory_peak));
    section.figure("server, peak memory, nobody asking", "MiB", mib(memory));
    section.note(format!("Latencies are of {} lines.", latencies.count()));
    Ok(section)
}

/// Of every line, in seconds.
fn latencies(server: &Server, asking: &mut Asking, sizes: &Sizes) -> anyhow::Result<Sample> {
    let mut producing = Producing::start(server, Load::Mixed, sizes.paced, 0)?;
    let mut newest = now()?;
    let mut latencies = Vec::new();
    // The last drain, of a program that ends, comes early: its lines are checked, their latency is not taken.
    while !producing.ended()? {
        let sql = format!(
            "SELECT \"time\" FROM log_entries WHERE target = '{PROBE}' AND \"time\" > to_timestamp_nanos({newest})"
        );
        let times = asking.column(&sql)?;
        let seen = now()?;
        latencies.extend(times.iter().map(|time| (seen - time) as f64 / 1e9));
        newest = times.into_iter().max().unwrap_or(newest);
        thread::sleep(ASK_EVERY);
    }
    let produced = producing.finish()?;
    produced.check_nothing_lost()?;
    produced.await_visible(asking)?;
    produced.check_rows(asking)?;
    ensure!(!latencies.is_empty(), "no line was seen while the program ran");
    Ok(Sample::new(latencies))
}

fn now() -> anyhow::Result<i64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as i64)
}
