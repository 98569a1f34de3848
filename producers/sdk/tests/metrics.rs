//! Counters, gauges and histograms of the `metrics` crate.

mod support;

use framelake_wire::{StreamKind, decode};
use metrics::{Recorder, Unit, counter, describe_counter, describe_histogram, gauge, histogram, with_local_recorder};
use std::collections::BTreeMap;
use support::{Collector, turn};

#[derive(Debug)]
struct Row {
    name: String,
    unit: String,
    value: f64,
    count: u64,
    labels: BTreeMap<String, String>,
}

fn rows(collector: &Collector) -> Vec<Row> {
    let mut rows = Vec::new();
    for block in collector.streams(&StreamKind::METRIC).into_values().flatten() {
        let metrics = decode::metrics(&block).unwrap();
        for row in 0..metrics.ordinal.len() {
            let (index, site) = (metrics.site[row], &metrics.sites[metrics.site[row] as usize]);
            let arg = |number| metrics.args.get(index, metrics.event[row], number).to_string();
            let set = metrics.properties[row].map(|set| metrics.property_sets[set as usize].iter().cloned().collect());
            rows.push(Row {
                name: site.name.clone(),
                unit: site.unit.clone(),
                value: arg(0).parse().unwrap(),
                count: if site.aggregated { arg(1).parse().unwrap() } else { 1 },
                labels: set.unwrap_or_default(),
            });
        }
    }
    rows
}

fn recorded(work: impl FnOnce()) -> Collector {
    let _turn = turn();
    let collector = Collector::default();
    let guard = collector.start();
    with_local_recorder(&framelake::metrics::recorder(), work);
    let report = guard.shutdown().unwrap();
    collector.check(&report);
    collector
}

#[test]
fn counters_are_added_up_by_their_labels() {
    let collector = recorded(|| {
        describe_counter!("requests", Unit::Count, "requests taken in");
        let kept = counter!("requests", "path" => "/a");
        for _ in 0..1_000 {
            kept.increment(2);
            counter!("requests", "path" => "/b", "method" => "GET").increment(1);
        }
        let absolute = counter!("bytes");
        [10, 7, 30].into_iter().for_each(|value| absolute.absolute(value));
    });
    let rows = rows(&collector);
    let sum = |name: &str, path: Option<&str>| {
        let of = |row: &&Row| row.name == name && row.labels.get("path").map(String::as_str) == path;
        rows.iter().filter(of).fold((0.0, 0), |(value, count), row| (value + row.value, count + row.count))
    };
    assert_eq!(sum("requests", Some("/a")), (2_000.0, 1_000));
    assert_eq!((sum("requests", Some("/b")), sum("bytes", None)), ((1_000.0, 1_000), (30.0, 2)));
    assert!(rows.len() < 100, "{} rows", rows.len());
    assert!(rows.iter().any(|row| row.labels.get("method").is_some_and(|method| method == "GET")));
    assert_eq!(collector.messages(), ["counter requests: requests taken in"]);
}

#[test]
fn gauges_are_measured_at_each_change_and_histograms_distributed() {
    let collector = recorded(|| {
        let gauge = gauge!("players", "map" => "castle");
        gauge.set(3.0);
        gauge.increment(2.0);
        gauge.decrement(0.5);
        describe_histogram!("ping", Unit::Milliseconds, "");
        let histogram = histogram!("ping");
        (0..100).for_each(|_| histogram.record(8.0));
        histogram.record_many(100.0, 5);
    });
    let rows = rows(&collector);
    let gauges: Vec<_> = rows.iter().filter(|row| row.name == "players").map(|row| row.value).collect();
    assert_eq!(gauges, [3.0, 5.0, 4.5]);
    let pings: Vec<_> = rows.iter().filter(|row| row.name == "ping").collect();
    assert!(pings.iter().all(|row| row.unit == "ms"));
    let count = |value: f64| pings.iter().filter(|row| row.value == value).map(|row| row.count).sum::<u64>();
    assert_eq!((count(8.0), count(100.0)), (100, 5));
}

#[test]
fn handles_of_one_name_and_labels_are_one() {
    let recorder = framelake::metrics::recorder();
    let key = metrics::Key::from_name("one");
    let metadata = metrics::Metadata::new("here", metrics::Level::INFO, None);
    let collector = recorded(|| {
        recorder.register_gauge(&key, &metadata).set(1.0);
        recorder.register_gauge(&key, &metadata).increment(1.0);
    });
    assert_eq!(rows(&collector).iter().map(|row| row.value).collect::<Vec<_>>(), [1.0, 2.0]);
}
