//! More targets of the `log` crate than have a call site of their own: alone in its process, because they are never forgotten.

mod support;

use framelake_wire::{StreamKind, decode};
use std::collections::BTreeMap;
use support::{Collector, turn};

type Told = (String, u8, String, BTreeMap<String, String>);

/// Message, level, target and arguments of each line.
fn lines(collector: &Collector) -> Vec<Told> {
    let mut lines = Vec::new();
    for block in collector.streams(&StreamKind::LOG).into_values().flatten() {
        let logs = decode::logs(&block).unwrap();
        let messages = logs.messages();
        for row in 0..logs.ordinal.len() {
            let site = &logs.sites[logs.site[row] as usize];
            let value = |number| logs.args.get(logs.site[row], logs.event[row], number).to_string();
            let args = site.args.iter().enumerate().filter(|(_, name)| !name.is_empty());
            let args = args.map(|(number, name)| (name.clone(), value(number))).collect();
            let mut message = String::new();
            messages.render(row, &mut message);
            lines.push((message, site.level, site.target.clone(), args));
        }
    }
    lines
}

#[test]
fn targets_made_up_at_run_time_fill_no_memory_and_lose_nothing() {
    const LINES: usize = 10_000;
    let _turn = turn();
    assert!(framelake::log::init());
    let collector = Collector::default();
    let guard = collector.start_with(framelake::Builder::new().filter("off,made-up=info").unwrap());
    let work = || {
        for number in 0..LINES {
            let target = format!("made-up::{number}");
            log::info!(target: &target, number; "line {number}");
            log::info!(target: &format!("other-{number}"), number; "line {number}");
        }
        log::info!(
            target: "made-up::beyond", a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9, j = 10, k = 11,
            l = 12, m = 13, n = 14, o = 15, p = 16; "sixteen values"
        );
    };
    work();
    collector.check(&guard.shutdown().unwrap());
    let mut told = lines(&collector);
    let (_, _, target, beyond) = told.pop().unwrap();
    let values = "a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8 i=9 j=10 k=11 l=12 m=13 n=14 o=15 p=16 ";
    assert_eq!((target.as_str(), beyond["values"].as_str()), ("log", values));
    assert_eq!(told.len(), LINES);
    for (number, (message, _, target, args)) in told.iter().enumerate() {
        assert_eq!(*message, format!("line {number}"));
        let made_up = format!("made-up::{number}");
        let is_own = *target == made_up && args["number"] == number.to_string();
        let is_shared = target == "log"
            && args["target"] == made_up
            && args["values"] == format!("number={number} ")
            && args["file"].ends_with("tests/log_targets.rs");
        assert!(is_own || is_shared, "{target} {args:?}");
    }
    assert!(told.iter().any(|(_, _, target, _)| target == "log"));
}
