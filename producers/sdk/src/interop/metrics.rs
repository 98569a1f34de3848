//! Counters, gauges and histograms of the [`metrics`](https://docs.rs/metrics) crate (feature `metrics`).
//!
//! ```standalone_crate
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # framelake::__private::example();
//! let _framelake = framelake::start("my-service")?;
//! metrics::set_global_recorder(framelake::metrics::recorder())?;
//! metrics::describe_counter!("requests", metrics::Unit::Count, "requests taken in");
//! metrics::counter!("requests", "path" => "/a").increment(1);
//! # Ok(())
//! # }
//! ```
//!
//! - A **counter** is added up in the thread, as [`counter!`](crate::counter) does: what is recorded is the sum since the last drain.
//! - A **histogram** is distributed in the thread, as [`histogram!`](crate::histogram) does.
//! - A **gauge** is a measurement each time it changes.
//!
//! Labels are the properties, units are UCUM, the target is that of the metric's metadata. A description is a debug line of the target
//! `framelake.metrics`; where it comes before [`start`](crate::start) it is not recorded. A unit must be described before the metric is first used.
//!
//! `metrics` looks a handle up at each use of its macros; kept in a variable, a counter's increment costs a few nanoseconds. A process has at most 65,536
//! combinations of metric and labels: further ones have no labels. Of those, 256 counters and histograms are added up, the others recorded one by one.

use crate::arg::Str;
use crate::site::CallSite;
use crate::{Level, PropertySet, aggregate, record};
use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// A recorder that hands everything to Framelake; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Recorder;

/// The recorder. All of a process are one: they know the same handles.
#[must_use]
pub fn recorder() -> Recorder {
    Recorder
}

/// As many as there are property sets.
const SERIES_MAX: usize = 65_536;

/// A metric with its labels.
struct Series {
    name: String,
    target: String,
    kind: Kind,
    properties: PropertySet,
    /// Made at the first use, when the unit is known.
    site: OnceLock<&'static CallSite>,
    /// What a counter was set to, or a gauge's value as bits.
    value: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Default)]
struct Known {
    series: HashMap<(Kind, Key), Arc<Series>>,
    units: HashMap<String, &'static str>,
}

static KNOWN: RwLock<Option<Known>> = RwLock::new(None);

fn series(kind: Kind, key: &Key, metadata: &Metadata<'_>) -> Arc<Series> {
    let wanted = (kind, key.clone());
    {
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.as_ref().and_then(|known| known.series.get(&wanted)) {
            return series.clone();
        }
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let known = &mut known.get_or_insert_default().series;
    let is_beyond = known.len() >= SERIES_MAX && !known.contains_key(&wanted);
    let wanted = if is_beyond { (kind, Key::from_name(key.name().to_owned())) } else { wanted };
    let make = || {
        let labels = wanted.1.labels().map(|label| (label.key(), label.value()));
        Arc::new(Series {
            name: key.name().to_owned(),
            target: metadata.target().to_owned(),
            kind,
            properties: PropertySet::new(labels),
            site: OnceLock::new(),
            value: AtomicU64::new(0),
        })
    };
    if let Some(series) = known.get(&wanted) {
        return series.clone();
    }
    let series = make();
    known.insert(wanted, series.clone());
    series
}

impl Series {
    #[inline]
    fn site(&self) -> &'static CallSite {
        self.site.get_or_init(|| self.make_site())
    }

    #[cold]
    fn make_site(&self) -> &'static CallSite {
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        let unit = known.as_ref().and_then(|known| known.units.get(&self.name)).copied();
        let leak = |text: &str| -> &'static str { Box::leak(Box::from(text)) };
        let site = CallSite::metric(leak(&self.name), unit.unwrap_or("1"), leak(&self.target), "", 0);
        Box::leak(Box::new(if self.kind == Kind::Gauge { site } else { site.aggregated() }))
    }

    /// A gauge's value changes.
    fn change(&self, to: impl Fn(f64) -> f64) {
        let change = |bits| Some(to(f64::from_bits(bits)).to_bits());
        let before = self.value.fetch_update(Relaxed, Relaxed, change).expect("there is always a next value");
        record::metric(self.site(), to(f64::from_bits(before)), self.properties);
    }
}

impl CounterFn for Series {
    #[inline]
    fn increment(&self, value: u64) {
        aggregate::counter_with(self.site(), self.properties, value);
    }

    fn absolute(&self, value: u64) {
        let before = self.value.fetch_max(value, Relaxed);
        if value > before {
            aggregate::counter_with(self.site(), self.properties, value - before);
        }
    }
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        self.change(|before| before + value);
    }

    fn decrement(&self, value: f64) {
        self.change(|before| before - value);
    }

    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

impl HistogramFn for Series {
    #[inline]
    fn record(&self, value: f64) {
        aggregate::histogram_with(self.site(), self.properties, value);
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        describe("counter", &key, unit, &description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        describe("gauge", &key, unit, &description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        describe("histogram", &key, unit, &description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(series(Kind::Counter, key, metadata))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(series(Kind::Gauge, key, metadata))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(series(Kind::Histogram, key, metadata))
    }
}

static DESCRIBED: CallSite =
    CallSite::log(Level::Debug, "{kind} {name}: {description}", "framelake.metrics", file!(), line!())
        .with_args(&["kind", "name", "unit", "description"], "");

fn describe(kind: &str, key: &KeyName, unit: Option<Unit>, description: &str) {
    let name = key.as_str();
    if let Some(unit) = unit {
        let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert_default().units.insert(name.to_owned(), ucum(unit));
    }
    if let Some(on) = record::log_on(Level::Debug, &DESCRIBED) {
        let unit = unit.map_or("", ucum);
        record::log_args(on, (Str::new(kind), Str::new(name), Str::new(unit), Str::new(description)));
    }
}

/// A unit as UCUM has it.
fn ucum(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "1",
        Unit::Percent => "%",
        Unit::Seconds => "s",
        Unit::Milliseconds => "ms",
        Unit::Microseconds => "us",
        Unit::Nanoseconds => "ns",
        Unit::Tebibytes => "TiBy",
        Unit::Gibibytes => "GiBy",
        Unit::Mebibytes => "MiBy",
        Unit::Kibibytes => "KiBy",
        Unit::Bytes => "By",
        Unit::TerabitsPerSecond => "Tbit/s",
        Unit::GigabitsPerSecond => "Gbit/s",
        Unit::MegabitsPerSecond => "Mbit/s",
        Unit::KilobitsPerSecond => "kbit/s",
        Unit::BitsPerSecond => "bit/s",
        Unit::CountPerSecond => "1/s",
    }
}
