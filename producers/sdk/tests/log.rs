//! Lines of the `log` crate.

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

fn recorded(filter: &str, work: impl FnOnce()) -> Collector {
    let _turn = turn();
    // Once for all tests of this process; then it is ours.
    framelake::log::init();
    let collector = Collector::default();
    let guard = collector.start_with(framelake::Builder::new().filter(filter).unwrap());
    work();
    let report = guard.shutdown().unwrap();
    collector.check(&report);
    collector
}

#[test]
fn a_line_keeps_its_level_target_place_and_message() {
    let collector = recorded("", || {
        log::error!("a {{literal}}");
        log::warn!(target: "net::http", "{} refused", std::hint::black_box(7));
        log::trace!("{0:?} and {0}", std::hint::black_box("text"));
    });
    let told = lines(&collector);
    let told: Vec<_> = told.iter().map(|(message, level, target, _)| (&message[..], *level, &target[..])).collect();
    assert_eq!(told, [("a {literal}", 2, "log"), ("7 refused", 3, "net::http"), ("\"text\" and text", 6, "log")]);
    let sites: Vec<_> = collector.lines().into_iter().map(|line| line.site).collect();
    assert!(sites.iter().all(|site| site.file.ends_with("tests/log.rs") && site.line > 0));
    // A message without arguments is its call site's; only the others carry one.
    assert_eq!(sites.iter().map(|site| site.args.len()).collect::<Vec<_>>(), [0, 1, 1]);
}

#[test]
fn key_values_are_arguments() {
    let collector = recorded("", || {
        for number in 0..3_u8 {
            log::info!(number, ratio = 0.5, name = "ann", ready = true, peer:? = ("a", 1), below = -3; "joined");
        }
        log::info!(map = "castle"; "left {}", 1);
    });
    let told = lines(&collector);
    assert_eq!(told.len(), 4);
    let args = |line: usize| told[line].3.iter().map(|(key, value)| (&key[..], &value[..])).collect::<Vec<_>>();
    let expected = [
        ("below", "-3"),
        ("name", "ann"),
        ("number", "2"),
        ("peer", "(\"a\", 1)"),
        ("ratio", "0.5"),
        ("ready", "true"),
    ];
    assert_eq!((told[2].0.as_str(), args(2)), ("joined", expected.to_vec()));
    assert_eq!((told[3].0.as_str(), args(3)), ("left 1", vec![("map", "castle")]));
}

#[test]
fn key_values_beyond_fifteen_are_kept_as_one_text() {
    let collector = recorded("", || {
        log::info!(
            a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9, j = 10, k = 11, l = 12, m = 13, n = 14,
            o = 15; "fifteen"
        );
        log::info!(
            a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9, j = 10, k = 11, l = 12, m = 13, n = 14,
            o = "fifteen", p = 16, q:? = Some(17); "{} of them", 17
        );
    });
    let told = lines(&collector);
    let of = |line: usize, name: &str| told[line].3.get(name).map(String::as_str);
    assert_eq!((told[0].3.len(), of(0, "o"), of(0, "...")), (15, Some("15"), None));
    assert_eq!((told[1].0.as_str(), told[1].3.len(), of(1, "n"), of(1, "o")), ("17 of them", 15, Some("14"), None));
    assert_eq!(of(1, "..."), Some("o=fifteen p=16 q=Some(17)"));
}

#[test]
fn the_filter_says_what_is_recorded_and_log_knows_the_greatest_level() {
    let collector = recorded("info,net=debug", || {
        assert_eq!(log::max_level(), log::LevelFilter::Debug);
        log::debug!("not this");
        log::debug!(target: "net", "this");
        framelake::set_filter("off").unwrap();
        assert_eq!(log::max_level(), log::LevelFilter::Off);
        log::error!("nor this");
        framelake::set_filter("").unwrap();
        log::trace!("and this");
    });
    assert_eq!(collector.messages(), ["this", "and this"]);
}

#[cfg(feature = "tracing")]
#[test]
fn a_line_that_tracing_makes_an_event_of_is_recorded_once() {
    let subscriber = tracing::Dispatch::new(framelake::tracing::subscriber());
    let collector = recorded("", || {
        tracing::dispatcher::with_default(&subscriber, || {
            let record = |args: std::fmt::Arguments<'_>| {
                let record = log::Record::builder()
                    .args(args)
                    .level(log::Level::Info)
                    .target("fan")
                    .file(Some("a.rs"))
                    .line(Some(3))
                    .build();
                // A logger that hands each line to both.
                log::Log::log(framelake::log::logger(), &record);
                tracing_log::format_trace(&record).unwrap();
            };
            record(format_args!("once {}", 1));
        });
    });
    assert_eq!(collector.messages(), ["once 1"]);
}
