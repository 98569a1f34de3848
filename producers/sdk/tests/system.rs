//! The system monitor.
#![cfg(unix)]

mod support;

use framelake::Builder;
use framelake_wire::{StreamKind, decode};
use std::collections::BTreeMap;
use std::time::Duration;
use support::{Collector, eventually, turn};

/// Values by name and tag, of the monitor's.
fn measured(collector: &Collector) -> BTreeMap<(String, String), Vec<(f64, String)>> {
    let mut measured: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for block in collector.streams(&StreamKind::METRIC).into_values().flatten() {
        let metrics = decode::metrics(&block).unwrap();
        for row in 0..metrics.ordinal.len() {
            let (index, site) = (metrics.site[row], &metrics.sites[metrics.site[row] as usize]);
            if site.target != "framelake.system" {
                continue;
            }
            let arg = |number| metrics.args.get(index, metrics.event[row], number).to_string();
            let tag = if site.args.len() > 1 { arg(1) } else { String::new() };
            let value = (arg(0).parse().unwrap(), site.unit.clone());
            measured.entry((site.name.clone(), tag)).or_default().push(value);
        }
    }
    measured
}

#[cfg(target_os = "linux")]
#[test]
fn process_and_machine_are_measured_each_period() {
    let _turn = turn();
    let collector = Collector::default();
    let period = Duration::from_millis(20);
    let guard = collector.start_with(Builder::new().drain_period(period).system_metrics(period));
    let threads = std::fs::read_dir("/proc/self/task").unwrap().count() as f64;
    let memory = ("process.memory.usage".to_owned(), String::new());
    eventually("three measurements", || measured(&collector).get(&memory).is_some_and(|values| values.len() >= 3));
    let report = guard.shutdown().unwrap();
    collector.check(&report);

    let measured = measured(&collector);
    let values = |name: &str, tag: &str| {
        let values = measured.get(&(name.to_owned(), tag.to_owned()));
        values.unwrap_or_else(|| panic!("no {name} {tag} in {measured:?}")).clone()
    };
    let within = |name: &str, tag: &str, unit: &str, least: f64, most: f64| {
        for (value, its) in values(name, tag) {
            assert!(its == unit && (least..=most).contains(&value), "{name} {tag}: {value} {its}");
        }
    };
    // CPU time advances in steps of the kernel's clock, so that a short period may see a little more than there was.
    within("process.cpu.utilization", "user", "1", 0.0, 2.0);
    within("process.cpu.utilization", "system", "1", 0.0, 2.0);
    within("process.memory.usage", "", "By", 1e5, 1e12);
    within("system.memory.available", "", "By", 1e5, 1e15);
    within("process.thread.count", "", "{thread}", 2.0, threads + 100.0);
    within("process.file_descriptor.count", "", "{file}", 3.0, 1e6);
    for (name, unit, tags) in [
        ("process.paging.faults", "{fault}", ["minor", "major"]),
        ("process.context_switches", "{switch}", ["voluntary", "involuntary"]),
    ] {
        tags.iter().for_each(|tag| within(name, tag, unit, 0.0, 1e9));
    }
}

#[test]
fn nothing_is_measured_unless_asked_for() {
    let _turn = turn();
    let collector = Collector::default();
    let guard = collector.start();
    framelake::metric!("own", "1", 1);
    assert!(framelake::flush(Duration::from_secs(5)));
    drop(guard);
    assert!(measured(&collector).is_empty());
}
