//! The set check: what was emitted against what SQL sees, by (stream, ordinal).

use crate::{Emitted, Server};
use anyhow::Context;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Rows that are not as they should be. All zero is right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    pub lost: u64,
    pub doubled: u64,
    pub foreign: u64,
    /// Rows compared, of each kind.
    pub rows: HashMap<String, u64>,
}

impl Differences {
    /// Whether every emitted row is visible exactly once.
    #[must_use]
    pub fn none(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.foreign == 0
    }
}

/// Compares until nothing differs or patience ends.
pub fn settle(server: &Server, emitted: &Emitted, patience: Duration) -> anyhow::Result<Differences> {
    let deadline = Instant::now() + patience;
    loop {
        let differences = compare(server, emitted)?;
        if differences.none() || Instant::now() > deadline {
            return Ok(differences);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn compare(server: &Server, emitted: &Emitted) -> anyhow::Result<Differences> {
    let mut visible: HashMap<String, [u64; 3]> = HashMap::new();
    for (table, ended) in [
        ("log_entries", "true"),
        ("attachments", "true"),
        ("measures", "true"),
        ("frames", "\"end\" IS NOT NULL"),
        ("thread_spans", "\"end\" IS NOT NULL"),
        ("async_spans", "\"end\" IS NOT NULL"),
    ] {
        let rows = server.sql(&format!(
            "SELECT cast(stream_id AS VARCHAR) AS stream_id, count(*) AS n, count(DISTINCT ordinal) AS d, max(ordinal) AS greatest \
             FROM {table} WHERE process_id = '{}' AND {ended} GROUP BY stream_id",
            emitted.process_id
        ))?;
        for row in rows {
            let number = |name: &str| row[name].as_u64().with_context(|| format!("no {name} in {row}"));
            let stream = row["stream_id"].as_str().context("no stream_id")?.to_owned();
            visible.insert(stream, [number("n")?, number("d")?, number("greatest")?]);
        }
    }
    let mut differences = Differences::default();
    for stream in &emitted.streams {
        let [rows, distinct, greatest] = visible.remove(&stream.stream_id).unwrap_or_default();
        let expected = stream.ordinals - stream.open - stream.dropped;
        differences.lost += expected.saturating_sub(distinct);
        differences.doubled += rows - distinct;
        differences.foreign += distinct.saturating_sub(expected);
        if rows > 0 && greatest >= stream.ordinals {
            differences.foreign += 1;
        }
        *differences.rows.entry(stream.kind.clone()).or_default() += distinct;
    }
    differences.foreign += visible.values().map(|[rows, ..]| rows).sum::<u64>();
    Ok(differences)
}
