//! What a person wants to know of a run, each by SQL over FlightSQL from the running server.

use super::tree::Span;
use crate::asking::Asking;
use anyhow::Context;

/// Sums of one kind of stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KindSums {
    pub(crate) kind: String,
    pub(crate) events: i64,
    pub(crate) rows: i64,
    pub(crate) bytes: i64,
}

/// Events, rows and stored bytes of a run, by kind.
pub(crate) async fn by_kind(asking: &mut Asking, process_id: &str) -> anyhow::Result<Vec<KindSums>> {
    let rows = asking
        .rows(&format!(
            "SELECT kind, sum(event_count), sum(row_count), sum(byte_length) FROM blocks \
             WHERE process_id = '{process_id}' GROUP BY kind ORDER BY 2 DESC"
        ))
        .await?;
    let (kinds, events, counts, bytes) = (rows.texts(0)?, rows.integers(1)?, rows.integers(2)?, rows.integers(3)?);
    Ok((0..rows.count())
        .map(|at| KindSums {
            kind: kinds[at].clone(),
            events: events[at].unwrap_or(0),
            rows: counts[at].unwrap_or(0),
            bytes: bytes[at].unwrap_or(0),
        })
        .collect())
}

/// Frame times in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameTimes {
    pub(crate) count: f64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

pub(crate) async fn frame_times(asking: &mut Asking, process_id: &str) -> anyhow::Result<FrameTimes> {
    let rows = asking
        .rows(&format!(
            "SELECT count(*), approx_percentile_cont(duration_ns, 0.5), approx_percentile_cont(duration_ns, 0.95), \
             approx_percentile_cont(duration_ns, 0.99), max(duration_ns) FROM frames WHERE process_id = '{process_id}'"
        ))
        .await?;
    Ok(FrameTimes {
        count: rows.number(0)?,
        p50: rows.number(1)?,
        p95: rows.number(2)?,
        p99: rows.number(3)?,
        max: rows.number(4)?,
    })
}

/// Every frame's duration in nanoseconds, in order.
pub(crate) async fn frame_durations(asking: &mut Asking, process_id: &str) -> anyhow::Result<Vec<i64>> {
    let rows = asking
        .rows(&format!("SELECT duration_ns FROM frames WHERE process_id = '{process_id}' ORDER BY ordinal"))
        .await?;
    Ok(rows.integers(0)?.into_iter().flatten().collect())
}

/// A frame and when it was, as SQL text and in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) ordinal: i64,
    pub(crate) begin_ns: i64,
    pub(crate) duration_ns: i64,
    pub(crate) begin: String,
    pub(crate) end: String,
}

pub(crate) async fn slowest_frame(asking: &mut Asking, process_id: &str) -> anyhow::Result<Frame> {
    let rows = asking
        .rows(&format!(
            "SELECT ordinal, \"begin\", duration_ns, cast(\"begin\" AS VARCHAR) AS begin_text, cast(\"end\" AS VARCHAR) AS end_text FROM frames \
             WHERE process_id = '{process_id}' ORDER BY duration_ns DESC, ordinal LIMIT 1"
        ))
        .await?;
    let first = |values: Vec<Option<i64>>| values.first().copied().flatten();
    let frame = || -> anyhow::Result<Option<Frame>> {
        let Some(ordinal) = first(rows.integers(0)?) else { return Ok(None) };
        Ok(Some(Frame {
            ordinal,
            begin_ns: first(rows.integers(1)?).unwrap_or(0),
            duration_ns: first(rows.integers(2)?).unwrap_or(0),
            begin: rows.texts(3)?.remove(0),
            end: rows.texts(4)?.remove(0),
        }))
    };
    frame()?.context("the game recorded no frame")
}

/// The spans that ran during a frame, by thread, the threads with the most time first.
pub(crate) async fn spans_of(
    asking: &mut Asking,
    process_id: &str,
    frame: &Frame,
) -> anyhow::Result<Vec<(String, Vec<Span>)>> {
    let rows = asking
        .rows(&format!(
            "SELECT thread, ordinal, parent, name, duration_ns, self_ns FROM thread_spans \
             WHERE process_id = '{process_id}' AND \"begin\" >= '{}' AND \"begin\" < '{}' AND \"end\" <= '{}' \
             ORDER BY thread, ordinal",
            frame.begin, frame.end, frame.end
        ))
        .await?;
    let (threads, ordinals, parents) = (rows.texts(0)?, rows.integers(1)?, rows.integers(2)?);
    let (names, durations, selves) = (rows.texts(3)?, rows.integers(4)?, rows.integers(5)?);
    let mut found: Vec<(String, Vec<Span>)> = Vec::new();
    for at in 0..rows.count() {
        let span = Span {
            ordinal: ordinals[at].unwrap_or(0),
            parent: parents[at],
            name: names[at].clone(),
            duration_ns: durations[at].unwrap_or(0),
            self_ns: selves[at].unwrap_or(0),
        };
        match found.last_mut().filter(|(thread, _)| *thread == threads[at]) {
            Some((_, spans)) => spans.push(span),
            None => found.push((threads[at].clone(), vec![span])),
        }
    }
    let busy = |spans: &[Span]| spans.iter().map(|span| span.self_ns).sum::<i64>();
    found.sort_by_key(|(_, spans)| -busy(spans));
    Ok(found)
}

/// A log line: nanoseconds from the frame's begin, level, thread, message.
pub(crate) type LogLine = (i64, String, String, String);

/// The log lines from `before_ms` before the frame to its end and as long after it, at most `limit`.
pub(crate) async fn logs_around(
    asking: &mut Asking,
    process_id: &str,
    frame: &Frame,
    around_ms: i64,
    limit: usize,
) -> anyhow::Result<Vec<LogLine>> {
    let rows = asking
        .rows(&format!(
            "SELECT time, level, thread, message FROM log_entries WHERE process_id = '{process_id}' \
             AND time >= TIMESTAMP '{}' - INTERVAL '{around_ms} milliseconds' AND time <= TIMESTAMP '{}' + INTERVAL '{around_ms} milliseconds' \
             ORDER BY time LIMIT {limit}",
            frame.begin, frame.end
        ))
        .await?;
    let (times, levels, threads, messages) = (rows.integers(0)?, rows.texts(1)?, rows.texts(2)?, rows.texts(3)?);
    Ok((0..rows.count())
        .map(|at| {
            (times[at].unwrap_or(0) - frame.begin_ns, levels[at].clone(), threads[at].clone(), messages[at].clone())
        })
        .collect())
}
