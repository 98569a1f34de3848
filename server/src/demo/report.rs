//! What a person wants to know at the end, and what to try next.

use super::{
    chart,
    counts::Counts,
    progress::grouped,
    queries::{self, Frame},
    tree,
};
use crate::{asking::Asking, config::Config, status::size};
use framelake_demo::Report;

/// 60 frames a second.
const BUDGET_NS: i64 = 1_000_000_000 / 60;
/// Lines of the tree shown for the slowest frame.
const TREE_LINES: usize = 30;
const LOG_LINES: usize = 12;
const LOG_AROUND_MS: i64 = 100;

pub(crate) async fn print(asking: &mut Asking, played: &Report, counts: &Counts) -> anyhow::Result<()> {
    let process_id = played.process_id.as_str();
    print_kinds(asking, played).await?;
    print_frames(asking, process_id).await?;
    let slowest = queries::slowest_frame(asking, process_id).await?;
    print_tree(asking, process_id, &slowest).await?;
    print_logs(asking, process_id, &slowest).await?;
    println!("\nChecked: every event emitted is visible once, or counted as dropped");
    println!("  {:<8}{:>14}{:>14}{:>10}", "rows", "emitted", "visible", "dropped");
    for (kind, emitted, visible, dropped) in &counts.kinds {
        println!("  {kind:<8}{:>14}{:>14}{:>10}", grouped(*emitted), grouped(*visible), grouped(*dropped));
    }
    let verdict = if counts.check().is_ok() { "all ordinals there" } else { "COUNTS DISAGREE" };
    println!("  {} streams compared by ordinal, {} differ: {verdict}", counts.streams, counts.streams_differing);
    Ok(())
}

async fn print_kinds(asking: &mut Asking, played: &Report) -> anyhow::Result<()> {
    let kinds = queries::by_kind(asking, &played.process_id).await?;
    let seconds = played.elapsed_seconds.max(0.001);
    println!("\nWhat the game recorded in {seconds:.1} s");
    println!("  {:<8}{:>14}{:>14}{:>12}{:>12}{:>14}", "kind", "events", "events/s", "rows", "stored", "bytes/event");
    let line = |name: &str, events: i64, rows: i64, bytes: i64| {
        println!(
            "  {name:<8}{:>14}{:>14}{:>12}{:>12}{:>14.2}",
            grouped(events.unsigned_abs()),
            grouped((events as f64 / seconds) as u64),
            grouped(rows.unsigned_abs()),
            size(bytes.unsigned_abs()),
            bytes as f64 / events.max(1) as f64
        );
    };
    for kind in &kinds {
        line(&kind.kind, kind.events, kind.rows, kind.bytes);
    }
    let sum = |value: fn(&queries::KindSums) -> i64| kinds.iter().map(value).sum();
    line("all", sum(|kind| kind.events), sum(|kind| kind.rows), sum(|kind| kind.bytes));
    println!("  a span is two events (its begin and its end) and one row");
    if let Some(probe) = &played.probe {
        println!(
            "  in the game: {:.1} ns per event (median of {} probes); recording took {:.0} µs of a frame at p99.9",
            probe.ns_per_event, probe.samples, probe.frame_us_p999
        );
    }
    Ok(())
}

async fn print_frames(asking: &mut Asking, process_id: &str) -> anyhow::Result<()> {
    let times = queries::frame_times(asking, process_id).await?;
    let ms = |ns: f64| ns / 1e6;
    println!(
        "\nFrame times: {} frames, p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        grouped(times.count as u64),
        ms(times.p50),
        ms(times.p95),
        ms(times.p99),
        ms(times.max)
    );
    let durations = queries::frame_durations(asking, process_id).await?;
    let top = (times.max as i64).max(BUDGET_NS * 2);
    for line in chart::chart(&durations, 100, 8, BUDGET_NS, top) {
        println!("  {line}");
    }
    Ok(())
}

async fn print_tree(asking: &mut Asking, process_id: &str, frame: &Frame) -> anyhow::Result<()> {
    println!(
        "\nThe slowest frame: number {}, {:.2} ms, at {}",
        frame.ordinal,
        frame.duration_ns as f64 / 1e6,
        frame.begin
    );
    println!("  {:<58}{:>8}{:>12}{:>12}", "span", "calls", "total ms", "self ms");
    // What took less than half a percent of the frame explains nothing.
    let least = frame.duration_ns / 200;
    let mut left = TREE_LINES;
    for (thread, spans) in queries::spans_of(asking, process_id, frame).await? {
        let lines = tree::lines(&spans, least);
        if lines.is_empty() || left == 0 {
            continue;
        }
        println!("  [{thread}]");
        for line in lines.iter().take(left) {
            let name = format!("{}{}", "  ".repeat(line.depth + 1), line.name);
            println!(
                "  {name:<58}{:>8}{:>12.3}{:>12.3}",
                line.count,
                line.duration_ns as f64 / 1e6,
                line.self_ns as f64 / 1e6
            );
        }
        left = left.saturating_sub(lines.len());
    }
    Ok(())
}

async fn print_logs(asking: &mut Asking, process_id: &str, frame: &Frame) -> anyhow::Result<()> {
    let lines = queries::logs_around(asking, process_id, frame, LOG_AROUND_MS, LOG_LINES).await?;
    println!("\nThe log around it (milliseconds from the frame's begin)");
    if lines.is_empty() {
        println!("  nothing was logged within {LOG_AROUND_MS} ms");
    }
    for (offset_ns, level, thread, message) in lines {
        println!("  {:>9.2}  {level:<6}{thread:<12}  {message}", offset_ns as f64 / 1e6);
    }
    Ok(())
}

/// The commands to try next, which work as printed.
pub(crate) fn print_next(config: &Config) {
    let data_dir = config.data_dir.display().to_string();
    let directory = if data_dir == "./framelake-data" { String::new() } else { format!(" --data-dir '{data_dir}'") };
    println!("\nTry next");
    println!("  where all the time went, by span:");
    println!(
        "    cargo framelake sql{directory} \"SELECT name, count(*) AS calls, sum(self_ns) / 1e6 AS self_ms FROM thread_spans GROUP BY name ORDER BY self_ms DESC LIMIT 10\""
    );
    println!("  what was logged while frames were slow:");
    println!(
        "    cargo framelake sql{directory} \"SELECT f.ordinal, f.duration_ns / 1e6 AS ms, l.level, l.message FROM frames f JOIN log_entries l ON l.process_id = f.process_id AND l.time BETWEEN f.begin AND f.\\\"end\\\" WHERE f.duration_ns > 16700000 ORDER BY f.duration_ns DESC LIMIT 10\""
    );
    println!("  what is stored, and whether anything is missing:");
    println!("    cargo framelake status{directory}");
}
