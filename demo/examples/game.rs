//! The game by itself: `cargo run --example game -p framelake-demo -- [SECONDS [ENDPOINT [REPORT]]]`.
//!
//! Sends to `framelake run` on this machine unless an endpoint is given, and prints what it did.

use framelake_demo::Options;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let options = Options {
        seconds: arguments.next().map_or(Ok(15), |seconds| seconds.parse())?,
        endpoint: arguments.next().unwrap_or_default(),
        report: arguments.next().map(Into::into),
        stop_at_end_of_input: false,
        ..Options::default()
    };
    let report = framelake_demo::run(options)?;
    println!(
        "{} frames in {:.1} s ({} ticks skipped), {:.0} events/s, {:.2} cores",
        report.frames,
        report.elapsed_seconds,
        report.ticks_skipped,
        report.events_per_second,
        report.cpu_seconds / report.elapsed_seconds
    );
    let frame = report.frame_ms;
    println!(
        "work per frame: p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, max {:.1} ms, {} over budget",
        frame.p50, frame.p95, frame.p99, frame.max, report.frames_over_budget
    );
    if let Some(probe) = report.probe {
        println!(
            "recording: {:.1} ns per event, per frame p50 {:.1} µs, p99.9 {:.1} µs",
            probe.ns_per_event, probe.frame_us.p50, probe.frame_us.p999
        );
    }
    for (kind, total) in &report.totals {
        println!("  {kind}: {} events, {} rows, {} dropped", total.events, total.rows, total.dropped);
    }
    Ok(())
}
