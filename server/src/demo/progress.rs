//! What is shown while the game runs: one line a second, from SQL.

use super::game::Game;
use crate::asking::Asking;
use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

/// Shows a line a second until the game ends.
pub(crate) async fn watch(asking: &mut Asking, game: &mut Game) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.tick().await;
    loop {
        tokio::select! {
            ended = game.wait() => {
                finish_line();
                return ended;
            }
            _ = ticks.tick() => show(asking, start.elapsed()).await?,
        }
    }
}

async fn show(asking: &mut Asking, elapsed: Duration) -> anyhow::Result<()> {
    // The newest process is the game: ids sort by the time they were made.
    let sums = asking
        .rows(
            "SELECT sum(event_count), sum(byte_length), max(\"end\") FROM blocks \
             WHERE process_id = (SELECT max(process_id) FROM blocks)",
        )
        .await?;
    let frames = asking
        .rows("SELECT count(*), max(duration_ns) FROM frames WHERE process_id = (SELECT max(process_id) FROM blocks)")
        .await?;
    let line = format!(
        "{:>4} s   {:>10} events visible   {:>8} stored   {:>6} frames   slowest {:>6.1} ms",
        elapsed.as_secs(),
        grouped(sums.number(0)? as u64),
        crate::status::size(sums.number(1)? as u64),
        frames.number(0)? as u64,
        frames.number(1)? / 1e6
    );
    if std::io::stdout().is_terminal() {
        print!("\r{line}");
    } else {
        println!("{line}");
    }
    std::io::stdout().flush()?;
    Ok(())
}

fn finish_line() {
    if std::io::stdout().is_terminal() {
        println!();
    }
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_stand_apart() {
        assert_eq!(super::grouped(0), "0");
        assert_eq!(super::grouped(999), "999");
        assert_eq!(super::grouped(1_234_567), "1,234,567");
    }
}
