//! What the game says of its run: the counts by which what arrived can be checked, and what recording cost.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::frame_loop::{FRAME, Played};
use crate::probe::{Sample, Timed};
use crate::{Error, Options};

/// What the game says of its run, written as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The process's id in every table; empty, and nothing counted, where recording was off.
    pub process_id: String,
    /// The match's seed.
    pub seed: u64,
    /// From the first frame's begin to the last one's end.
    pub elapsed_seconds: f64,
    /// CPU time of the process, recording included; 0 where the system does not tell.
    pub cpu_seconds: f64,
    /// Frames played.
    pub frames: u64,
    /// Ticks given up because a frame was still at work.
    pub ticks_skipped: u64,
    /// Frames whose work took longer than 1/60 s.
    pub frames_over_budget: u64,
    /// Work time of the frames, without the wait for the next tick.
    pub frame_ms: Spread,
    /// Events and rows by kind: `span`, `log`, `metric`, `frame`.
    pub totals: BTreeMap<String, Total>,
    /// Events of all kinds per second.
    pub events_per_second: f64,
    /// Every stream, by its ordinals.
    pub streams: Vec<Stream>,
    /// What recording cost the game's threads; `None` where no frame was played.
    pub probe: Option<Probe>,
    /// CPU time of the recorder's background thread.
    pub background_cpu_seconds: f64,
    /// Most bytes waiting to be sent at any time.
    pub queue_bytes_peak: u64,
    /// Attempts to send that failed and were made again.
    pub send_errors: u64,
    /// Rows not known to have reached the server when the game ended; they are not counted as dropped.
    pub undelivered_rows: u64,
    /// Digest of the world at the end: equal for equal seeds and numbers of frames.
    pub world_digest: String,
}

/// One stream: `ordinals = rows visible + open + dropped`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// The stream's id in every table.
    pub stream_id: String,
    /// `span`, `log`, `metric` or `frame`.
    pub kind: String,
    /// The thread whose spans these are; empty for streams of the whole process.
    pub thread: String,
    /// Ordinals given out: 0 to this, exclusive.
    pub ordinals: u64,
    /// Rows that had not ended.
    pub open: u64,
    /// Rows lost, and those left out where only slow frames keep their spans: what is not there, as in `streams.dropped_events`.
    pub dropped: u64,
}

/// Counts of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// Events recorded; a span's begin and end are two.
    pub events: u64,
    /// Rows emitted, those dropped included.
    pub rows: u64,
    /// Rows lost or left out.
    pub dropped: u64,
}

/// A distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 95 of 100 are at most this.
    pub p95: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// 999 of 1,000 are at most this.
    pub p999: f64,
    /// The greatest.
    pub max: f64,
}

/// What recording cost. In each frame some calls are timed: the main thread's metrics, and four spans on the main thread and beside every job of
/// the walkers' threads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Frames with timed calls.
    pub samples: u64,
    /// Calls timed, as events.
    pub events: u64,
    /// Those of them in the middle of which the scheduler gave the processor to another thread.
    pub events_preempted: u64,
    /// Median over the frames of (time in undisturbed timed calls / their events).
    pub ns_per_event: f64,
    /// Time inside recording calls of a whole frame over all threads, in microseconds: the mean number of events of a frame at `ns_per_event`,
    /// and whatever this frame's undisturbed timed calls took beyond that rate. Waiting for a lock or a system call would show here.
    pub frame_us: Spread,
    /// `frame_us.p999`.
    pub frame_us_p999: f64,
    /// As `frame_us`, with the time that the scheduler gave to others in the middle of a timed call.
    pub frame_us_with_preemption: Spread,
}

impl Report {
    pub(crate) fn new(options: &Options, played: &Played, recorded: Option<&framelake::Report>) -> Self {
        let elapsed_seconds = played.elapsed.as_secs_f64();
        let stats = recorded.map(|recorded| recorded.stats).unwrap_or_default();
        let kinds = [("span", stats.spans), ("log", stats.logs), ("metric", stats.metrics), ("frame", stats.frames)];
        let total = |kind: framelake::KindStats| Total {
            events: kind.events,
            rows: kind.emitted,
            dropped: kind.dropped + kind.sampled,
        };
        let totals: BTreeMap<String, Total> = kinds.map(|(name, kind)| (name.to_owned(), total(kind))).into();
        let events: u64 = totals.values().map(|total| total.events).sum();
        let milliseconds = |work: &Duration| work.as_secs_f64() * 1e3;
        Self {
            process_id: recorded.map(|recorded| recorded.process_id.to_string()).unwrap_or_default(),
            seed: options.seed,
            elapsed_seconds,
            cpu_seconds: crate::system::cpu_seconds(),
            frames: played.work.len() as u64,
            ticks_skipped: played.skipped,
            frames_over_budget: played.work.iter().filter(|work| **work > FRAME).count() as u64,
            frame_ms: Spread::of(played.work.iter().map(milliseconds)),
            totals,
            events_per_second: events as f64 / elapsed_seconds.max(f64::MIN_POSITIVE),
            streams: recorded.iter().flat_map(|recorded| &recorded.streams).map(Stream::new).collect(),
            probe: Probe::new(&played.probes, events),
            background_cpu_seconds: stats.background_cpu_ns as f64 / 1e9,
            queue_bytes_peak: stats.queue_bytes_peak,
            send_errors: stats.send_errors,
            undelivered_rows: recorded.map_or(0, |recorded| recorded.undelivered_rows),
            world_digest: format!("{:016x}", played.digest),
        }
    }

    /// Writes the report so that a reader sees all of it or nothing.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let failed = |source| Error::Report { path: path.to_owned(), source };
        let json = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        let unfinished = path.with_extension("unfinished");
        std::fs::write(&unfinished, json).map_err(failed)?;
        std::fs::rename(&unfinished, path).map_err(failed)
    }
}

impl Stream {
    fn new(stream: &framelake::StreamReport) -> Self {
        Self {
            stream_id: stream.stream_id.to_string(),
            kind: stream.kind.to_string(),
            thread: stream.thread_name.clone(),
            ordinals: stream.ordinals,
            open: stream.open,
            dropped: stream.dropped + stream.sampled,
        }
    }
}

impl Spread {
    /// Nearest-rank quantiles; all 0 where there is nothing.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let Some(max) = sorted.last().copied() else { return Self::default() };
        let count = sorted.len() as f64;
        let at = |share: f64| sorted[((count * share).ceil() as usize).clamp(1, sorted.len()) - 1];
        let mean = sorted.iter().sum::<f64>() / count;
        Self { mean, p50: at(0.5), p95: at(0.95), p99: at(0.99), p999: at(0.999), max }
    }
}

impl Probe {
    fn new(samples: &[Sample], events_recorded: u64) -> Option<Self> {
        let timed: Vec<&Sample> = samples.iter().filter(|sample| sample.all().events > 0).collect();
        if timed.is_empty() {
            return None;
        }
        let undisturbed = timed.iter().map(|sample| sample.undisturbed).filter(|timed| timed.events > 0);
        let ns_per_event = Spread::of(undisturbed.map(|timed| timed.nanoseconds as f64 / timed.events as f64)).p50;
        let usual_ns = events_recorded as f64 / timed.len() as f64 * ns_per_event;
        let frame_us = |timed: Timed| {
            let excess_ns = timed.nanoseconds as f64 - timed.events as f64 * ns_per_event;
            (usual_ns + excess_ns.max(0.0)) / 1e3
        };
        let undisturbed_us = Spread::of(timed.iter().map(|sample| frame_us(sample.undisturbed)));
        Some(Self {
            samples: timed.len() as u64,
            events: timed.iter().map(|sample| sample.all().events).sum(),
            events_preempted: timed.iter().map(|sample| sample.preempted.events).sum(),
            ns_per_event,
            frame_us: undisturbed_us,
            frame_us_p999: undisturbed_us.p999,
            frame_us_with_preemption: Spread::of(timed.iter().map(|sample| frame_us(sample.all()))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let spread = Spread::of((1..=1000).rev().map(f64::from));
        assert_eq!((spread.p50, spread.p95, spread.p99, spread.p999, spread.max), (500.0, 950.0, 990.0, 999.0, 1000.0));
        assert_eq!(spread.mean, 500.5);
        assert_eq!(Spread::of([3.0]), Spread { mean: 3.0, p50: 3.0, p95: 3.0, p99: 3.0, p999: 3.0, max: 3.0 });
        assert_eq!(Spread::of([]), Spread::default());
    }

    #[test]
    fn a_stall_in_a_timed_call_counts_in_full_and_once() {
        let timed = |nanoseconds| Timed { nanoseconds, events: 100 };
        let mut samples = vec![Sample { undisturbed: timed(1_000), ..Sample::default() }; 998];
        samples.push(Sample { undisturbed: timed(501_000), ..Sample::default() });
        samples.push(Sample { undisturbed: timed(1_000), preempted: timed(4_001_000) });
        // 2,000 events a frame at 10 ns are 20 µs; the stall adds its 500 µs, and what the scheduler took is kept apart.
        let probe = Probe::new(&samples, 2_000 * 1_000).unwrap();
        assert_eq!(probe.ns_per_event, 10.0);
        assert_eq!((probe.frame_us.p50, probe.frame_us.p999, probe.frame_us.max), (20.0, 20.0, 520.0));
        assert_eq!(probe.frame_us_with_preemption.max, 4_020.0);
        assert_eq!((probe.samples, probe.events, probe.events_preempted), (1_000, 100_100, 100));
        assert_eq!(Probe::new(&[], 0), None);
    }
}
