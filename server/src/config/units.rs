//! Sizes and durations as people write them.

use anyhow::{Context, bail};
use std::time::Duration;

/// `16MiB`, `1GiB`, `512KiB`, `100B`, `2GB`.
pub(crate) fn bytes(text: &str) -> anyhow::Result<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..split].parse().context("expected a size such as 16MiB")?;
    let unit: u64 = match text[split..].trim() {
        "B" | "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        unit => bail!("unknown unit {unit:?}; use B, KiB, MiB, GiB or TiB"),
    };
    number.checked_mul(unit).context("too large")
}

/// `250ms`, `2s`, `5m`, `1h`.
pub(crate) fn duration(text: &str) -> anyhow::Result<Duration> {
    humantime::parse_duration(text).context("expected a duration such as 250ms, 2s, 5m or 1h")
}
