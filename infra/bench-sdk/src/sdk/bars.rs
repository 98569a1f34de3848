//! What the SDK has to reach, and whether it does.

use crate::bytes;
use crate::measure::{Variant, mean_but_longest, within};
use crate::report::Report;
use framelake_bench_sdk::Kind;

/// One requirement.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) what: String,
    pub(crate) required: String,
    /// `None` where it cannot be told.
    pub(crate) found: Option<Found>,
    /// What the floor has of it, where that says more than 1.
    pub(crate) floor: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) text: String,
    pub(crate) met: bool,
}

impl Bar {
    /// `value` must be `limit` at most.
    fn new(what: &str, limit: f64, of: &str, value: Option<f64>) -> Self {
        let found = value.map(|value| Found { text: short(value), met: value <= limit });
        Self {
            what: what.to_owned(),
            required: format!("≤ {} {of}", short(limit)).trim_end().to_owned(),
            found,
            floor: None,
        }
    }

    fn with_floor(self, value: Option<f64>) -> Self {
        Self { floor: value.map(short), ..self }
    }
}

/// As many digits as a bar has.
pub(crate) fn short(value: f64) -> String {
    let text = if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// An operation, the most it may take as a multiple of the floor and of Micromegas, and its name among the instruction counts with the most of them.
const RATIOS: [(Kind, f64, f64, &str, Option<f64>); 9] = [
    (Kind::Span, 1.2, 0.5, "span", Some(50.0)),
    (Kind::AsyncSpan, 1.25, 0.45, "async_span", None),
    (Kind::StaticLog, 1.4, 0.2, "static_log", Some(28.0)),
    (Kind::Log1, 1.5, 0.13, "log_1", None),
    (Kind::Log3, 1.5, 0.13, "log_3", Some(75.0)),
    (Kind::MetricInteger, 1.25, 0.35, "metric_integer", Some(28.0)),
    (Kind::MetricFloat, 1.25, 0.35, "metric_float", Some(28.0)),
    (Kind::LogDisplay, 1.3, 0.5, "log_display", None),
    (Kind::MetricTag, 1.5, 0.25, "metric_tag", Some(80.0)),
];

/// Nanoseconds at most.
const LIMITS: [(Kind, f64); 5] = [
    (Kind::DisabledLevel, 0.5),
    (Kind::DisabledLog, 0.5),
    (Kind::DisabledSpan, 0.5),
    (Kind::Counter, 4.0),
    (Kind::Histogram, 4.0),
];

/// Bytes per event at most.
const BYTES: [(&str, f64); 7] = [
    (bytes::SPANS, 2.7),
    (bytes::TIGHT_SPANS, 1.2),
    (bytes::ASYNC_SPANS, 3.2),
    (bytes::STATIC_LOGS, 3.4),
    (bytes::ARGUMENT_LOGS, 8.6),
    (bytes::WALK, 4.4),
    (bytes::NOISE, 10.5),
];

pub(crate) fn bars(report: &Report) -> Vec<Bar> {
    let mut bars = Vec::new();
    let least = |column: &str, kind| report.figures.least(column, Variant::Alone, kind);
    let ratio = |ours: Option<f64>, theirs: Option<f64>| Some(ours? / theirs?);
    for (kind, floor, micromegas, name, instructions) in RATIOS {
        let ours = least("framelake", kind);
        let title = kind.title();
        bars.push(Bar::new(title, floor, "× floor", ratio(ours, least("floor", kind))));
        let theirs = least("micromegas", kind);
        let bar = Bar::new(title, micromegas, "× Micromegas", ratio(ours, theirs));
        bars.push(bar.with_floor(ratio(least("floor", kind), theirs)));
        if let Some(most) = instructions {
            let bar = Bar::new(title, most, "instructions", report.instructions.of("framelake", name));
            bars.push(bar.with_floor(report.instructions.of("floor", name)));
        }
    }
    for (kind, most, of) in [(Kind::Span, 0.5, "× the Registry"), (Kind::LogFields, 0.2, "× fmt")] {
        let found = ratio(least("bridge", kind), least("tracing", kind));
        bars.push(Bar::new(&format!("tracing into Framelake: {}", kind.title()), most, of, found));
    }
    for (kind, most) in LIMITS {
        bars.push(Bar::new(kind.title(), most, "ns", least("framelake", kind)));
    }
    let added = |column: &str| Some(least(column, Kind::SpanWork)? - least("floor", Kind::Work)?);
    let bar = Bar::new("span around ~100 ns of work, added", 22.0, "ns", added("framelake"));
    bars.push(bar.with_floor(added("floor")));
    for kind in [Kind::Span, Kind::AsyncSpan, Kind::StaticLog, Kind::Log3, Kind::MetricInteger] {
        let pair = report.figures.least("framelake", Variant::Pair, kind);
        let what = format!("two threads at once: {}", kind.title());
        let bar = Bar::new(&what, 1.1, "× one thread", ratio(pair, least("framelake", kind)));
        bars.push(bar.with_floor(ratio(report.figures.least("floor", Variant::Pair, kind), least("floor", kind))));
    }
    let single = |column| {
        let readings = report.figures.get(column, Variant::Single, Kind::Span)?;
        Some(f64::from(within(&readings.ticks, 0.999)) * report.ns_per_tick)
    };
    let bar = Bar::new("a single span, 99.9 % within", 150.0, "ns", single("framelake"));
    bars.push(bar.with_floor(single("floor")));
    for (kind, floor, _, _, _) in RATIOS {
        if let (Some(ours), Some(theirs)) = (report.busy("framelake", kind), report.busy("floor", kind)) {
            let what = format!("in a program doing other work: {}", kind.title());
            bars.push(Bar::new(&what, floor, "× floor", Some(ours / theirs)));
        }
    }
    let of =
        |stream: &str, size: usize| report.bytes.iter().find(|figure| figure.stream == stream && figure.events == size);
    let [small, large] = bytes::SIZES;
    for (stream, most) in BYTES {
        bars.push(Bar::new(stream, most, "B/event", of(stream, large).map(|figure| figure.bytes_per_event)));
    }
    bars.push(Bar::new(bytes::SPANS, 40.0, "ns to encode", of(bytes::SPANS, large).map(|figure| figure.encode_ns)));
    for (stream, _) in BYTES {
        let more = ratio(
            of(stream, small).map(|figure| figure.bytes_per_event),
            of(stream, large).map(|figure| figure.bytes_per_event),
        );
        bars.push(Bar::new(&format!("{stream}: a block of 5,000"), 1.1, "× a large one", more));
    }
    // 50 million events and 10 million whole rows a second.
    for (stream, _) in BYTES {
        let ns = of(stream, large).and_then(|figure| Some(1e9 / figure.arrow_events_per_s?));
        bars.push(Bar::new(&format!("{stream}: to Arrow"), 20.0, "ns/event", ns));
    }
    let whole = of(bytes::SPANS, large).and_then(|figure| Some(1e9 / figure.arrow_rows_per_s?));
    bars.push(Bar::new(&format!("{}: whole rows", bytes::SPANS), 100.0, "ns/row", whole));
    bars
}

impl Report {
    /// What an operation adds in a program that does other work, in nanoseconds; what reading the clock twice takes there is taken off.
    pub(crate) fn busy(&self, column: &str, kind: Kind) -> Option<f64> {
        let mean = |column, kind| {
            self.figures.get(column, Variant::Busy, kind).map(|readings| mean_but_longest(&readings.ticks))
        };
        Some((mean(column, kind)? - mean("floor", Kind::Loop)?) * self.ns_per_tick)
    }
}
