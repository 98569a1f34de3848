//! Emitted = visible + dropped, checked stream by stream and by ordinals, through SQL.

use crate::asking::Asking;
use anyhow::bail;
use framelake_demo::{Report, Stream};
use serde::Serialize;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// What the game says it emitted beside what SQL sees.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) process_id: String,
    /// Rows the game emitted: log lines, measurements, frames, spans.
    pub(crate) emitted: u64,
    /// Rows of it that SQL sees, each ordinal once.
    pub(crate) visible: u64,
    /// Rows the game says it dropped.
    pub(crate) dropped: u64,
    /// Rows of other ordinals, or an ordinal twice.
    pub(crate) foreign: u64,
    /// Streams in which the ordinals that SQL sees are not those emitted.
    pub(crate) streams_differing: u64,
    /// Streams compared.
    pub(crate) streams: u64,
    /// Frames of all runs in this data directory.
    pub(crate) frames: u64,
    /// The same, by kind: kind, emitted, visible, dropped.
    pub(crate) kinds: Vec<(String, u64, u64, u64)>,
}

impl Counts {
    /// An error unless all that was emitted is visible or counted as dropped, once each.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.emitted == 0 {
            bail!("the game emitted nothing");
        }
        if self.streams_differing > 0 || self.foreign > 0 || self.emitted != self.visible + self.dropped {
            bail!(
                "counts disagree: emitted {}, visible {}, dropped {}, foreign {}, in {} of {} streams",
                self.emitted,
                self.visible,
                self.dropped,
                self.foreign,
                self.streams_differing,
                self.streams
            );
        }
        Ok(())
    }
}

/// What SQL sees of one stream.
#[derive(Clone, Copy, Debug, Default)]
struct Visible {
    rows: u64,
    ordinals: u64,
    least: i64,
    greatest: i64,
}

/// Asks until everything emitted is visible, or patience ends; the last answer.
pub(crate) async fn settle(asking: &mut Asking, played: &Report, patience: Duration) -> anyhow::Result<Counts> {
    let deadline = Instant::now() + patience;
    loop {
        let counts = count(asking, played).await?;
        if counts.check().is_ok() || Instant::now() > deadline {
            return Ok(counts);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn count(asking: &mut Asking, played: &Report) -> anyhow::Result<Counts> {
    let mut visible = HashMap::new();
    for (table, condition) in [
        ("log_entries", ""),
        ("measures", ""),
        ("attachments", ""),
        ("frames", "AND \"end\" IS NOT NULL"),
        ("thread_spans", "AND \"end\" IS NOT NULL"),
        ("async_spans", "AND \"end\" IS NOT NULL"),
    ] {
        visible.extend(visible_streams(asking, table, condition, &played.process_id).await?);
    }
    let mut counts = compare(&played.streams, &visible);
    counts.process_id.clone_from(&played.process_id);
    counts.frames = asking.rows("SELECT count(*) FROM frames").await?.number(0)? as u64;
    Ok(counts)
}

async fn visible_streams(
    asking: &mut Asking,
    table: &str,
    condition: &str,
    process_id: &str,
) -> anyhow::Result<Vec<(String, Visible)>> {
    let rows = asking
        .rows(&format!(
            "SELECT stream_id, count(*), count(DISTINCT ordinal), min(ordinal), max(ordinal) FROM {table} \
             WHERE process_id = '{process_id}' {condition} GROUP BY stream_id"
        ))
        .await?;
    let streams = rows.texts(0)?;
    let (counts, ordinals, least, greatest) =
        (rows.integers(1)?, rows.integers(2)?, rows.integers(3)?, rows.integers(4)?);
    let number = |value: Option<i64>| value.unwrap_or(0);
    Ok((0..rows.count())
        .map(|at| {
            let seen = Visible {
                rows: number(counts[at]).unsigned_abs(),
                ordinals: number(ordinals[at]).unsigned_abs(),
                least: number(least[at]),
                greatest: number(greatest[at]),
            };
            (streams[at].clone(), seen)
        })
        .collect())
}

/// Compares stream by stream. A stream's rows are the ordinals 0 to `ordinals`, less those dropped and those never ended: as many distinct ordinals
/// within that range as there must be are the very ones.
fn compare(streams: &[Stream], visible: &HashMap<String, Visible>) -> Counts {
    let mut counts = Counts { streams: streams.len() as u64, ..Counts::default() };
    for stream in streams {
        let seen = visible.get(&stream.stream_id).copied().unwrap_or_default();
        let emitted = stream.ordinals - stream.open;
        let within = seen.rows == 0 || (seen.least >= 0 && seen.greatest.unsigned_abs() < stream.ordinals);
        counts.emitted += emitted;
        counts.visible += seen.ordinals;
        counts.dropped += stream.dropped;
        counts.foreign += seen.rows - seen.ordinals;
        if !within || seen.rows != seen.ordinals || seen.ordinals + stream.dropped != emitted {
            counts.streams_differing += 1;
        }
        let kind = match counts.kinds.iter_mut().find(|(kind, ..)| *kind == stream.kind) {
            Some(kind) => kind,
            None => {
                counts.kinds.push((stream.kind.clone(), 0, 0, 0));
                let last = counts.kinds.len() - 1;
                &mut counts.kinds[last]
            }
        };
        kind.1 += emitted;
        kind.2 += seen.ordinals;
        kind.3 += stream.dropped;
    }
    let known = |stream: &&String| streams.iter().any(|played| played.stream_id == **stream);
    counts.foreign += visible.keys().filter(|stream| !known(stream)).count() as u64;
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ordinals: u64, dropped: u64, seen: Visible) -> anyhow::Result<()> {
        let stream =
            Stream { stream_id: "s".into(), kind: "log".into(), thread: String::new(), ordinals, open: 0, dropped };
        compare(&[stream], &HashMap::from([("s".to_owned(), seen)])).check()
    }

    #[test]
    fn every_way_to_be_wrong_is_found() {
        let whole = Visible { rows: 10, ordinals: 10, least: 0, greatest: 9 };
        assert!(check(10, 0, whole).is_ok());
        assert!(check(12, 2, Visible { greatest: 11, ..whole }).is_ok());
        assert!(check(11, 0, whole).is_err(), "one lost");
        assert!(check(10, 0, Visible { rows: 11, ..whole }).is_err(), "one twice");
        assert!(check(10, 0, Visible { greatest: 10, ..whole }).is_err(), "one foreign");
        assert!(check(10, 1, whole).is_err(), "a drop counted that is visible");
        assert!(check(0, 0, Visible::default()).is_err(), "nothing at all");
    }
}
