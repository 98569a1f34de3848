//! What events carry beside their names: arguments, fields, tags; spans across threads; what is added up in the thread; what the filter leaves out.

mod support;

use framelake::{Builder, Instrument, async_span, counter, histogram, metric, span};
use framelake_wire::{Arg, StreamKind, decode};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;
use support::{Collector, turn};

/// Name and value of each argument of an event, as text.
fn pairs(site: &decode::CallSite, index: u32, event: u32, args: &decode::Args) -> BTreeMap<String, String> {
    let value = |number: usize| args.get(index, event, number);
    let named = site.args.iter().enumerate().filter(|(number, _)| value(*number) != Arg::None);
    named.map(|(number, name)| (name.clone(), value(number).to_string())).collect()
}

fn map<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Name, parent's name and fields of each async span that ended, by ordinal.
fn async_spans(lake: &Collector) -> Vec<(String, Option<String>, BTreeMap<String, String>)> {
    let mut spans = BTreeMap::new();
    for block in lake.streams(&StreamKind::ASYNC).into_values().flatten() {
        let decoded = decode::async_spans(&block).unwrap();
        for row in 0..decoded.ordinal.len() {
            let (site, event) = (decoded.site[row], decoded.event[row]);
            let fields = pairs(&decoded.sites[site as usize], site, event, &decoded.args);
            let name = decoded.sites[site as usize].name.clone();
            assert!(decoded.begin[row] <= decoded.end[row]);
            spans.insert(decoded.ordinal[row], (name, decoded.parent[row], fields));
        }
    }
    let named = |parent: u64| spans[&parent].0.clone();
    spans.values().map(|(name, parent, fields)| (name.clone(), parent.map(named), fields.clone())).collect()
}

struct Unparks(thread::Thread);

impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unparks(thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// Pending once.
async fn yields() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[framelake::instrument(fields(size = path.len()))]
async fn fetch(path: &str) -> usize {
    yields().await;
    let inner = async_span!("decode", path);
    inner.in_scope(|| drop(async_span!("huffman")));
    path.len()
}

#[test]
fn async_spans_follow_their_future_across_threads_and_know_their_parents() {
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start();
    let request = async_span!("request", user = "ada", bytes = 12_u64);
    let future = async { fetch("/a.png").await }.instrument(request);
    // Polled once here, and to its end elsewhere.
    let mut future = Box::pin(future);
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(async_span!("apart"));
    thread::spawn(|| assert_eq!(block_on(future), 6)).join().unwrap();
    let left_open = async_span!("left open");
    let report = guard.shutdown().unwrap();
    drop(left_open);
    lake.check(&report);

    let size = map([("size", "6")]);
    let expected = [
        ("request", None, map([("user", "ada"), ("bytes", "12")])),
        ("fetch", Some("request"), size),
        ("apart", None, map([])),
        ("decode", Some("fetch"), map([("path", "/a.png")])),
        ("huffman", Some("decode"), map([])),
    ];
    let expected = expected.map(|(name, parent, fields)| (name.to_owned(), parent.map(str::to_owned), fields));
    assert_eq!(async_spans(&lake), expected);
    let stream = report.streams.iter().find(|stream| stream.kind == StreamKind::ASYNC).unwrap();
    assert_eq!((stream.ordinals, stream.dropped, stream.open), (6, 0, 1));
    assert_eq!(report.stats.async_spans.events, 6 + 5);
}

#[test]
fn spans_carry_fields_over_drains_and_names_of_run_time() {
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start();
    let name = String::from("load castle");
    {
        span!("outer", map = "castle", seed = 7, ratio = 0.25_f32);
        span!(name: name, quick = true);
        // Both are open while blocks are sealed, which decode alone.
        for _ in 0..3 {
            span!("inner");
            framelake::flush(std::time::Duration::from_secs(10));
        }
    }
    lake.check(&guard.shutdown().unwrap());
    let mut found = Vec::new();
    for block in lake.streams(&StreamKind::SPAN).into_values().flatten() {
        let spans = decode::spans(&block).unwrap();
        for row in 0..spans.ordinal.len() {
            let (site, event) = (spans.site[row], spans.event[row]);
            let known = &spans.sites[site as usize];
            let fields = pairs(known, site, event, &spans.args);
            if !fields.is_empty() {
                found.push((known.name.clone(), known.named, fields));
            }
        }
    }
    assert_eq!(
        found,
        [
            ("name".to_owned(), true, map([("name", "load castle"), ("quick", "true")])),
            ("outer".to_owned(), false, map([("map", "castle"), ("seed", "7"), ("ratio", "0.25")])),
        ]
    );
}

#[test]
fn lines_keep_their_arguments_and_read_as_format_would_have_them() {
    #[derive(Debug)]
    struct Point(#[allow(dead_code, reason = "for its Debug")] i32);
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start();
    let (player, ping) = ("ada", 23.456_f64);
    framelake::info!(team = 2, "{player:>5} joins after {:.1} ms at {:?}, {:#x}", ping, Point(-3), -1_i8);
    let long = "ü".repeat(20_000);
    framelake::info!("{long}");
    lake.check(&guard.shutdown().unwrap());
    let messages = lake.messages();
    assert_eq!(messages[0], format!("{player:>5} joins after {ping:.1} ms at {:?}, {:#x}", Point(-3), -1_i8));
    assert!(messages[1].ends_with("ü…") && messages[1].len() <= 32 * 1024, "{}", messages[1].len());
    let block = &lake.streams(&StreamKind::LOG).into_values().flatten().next().unwrap();
    let logs = decode::logs(block).unwrap();
    let args = pairs(&logs.sites[logs.site[0] as usize], logs.site[0], logs.event[0], &logs.args);
    assert_eq!(args, map([("player", "ada"), ("ping", "23.456"), ("2", "Point(-3)"), ("3", "-1"), ("team", "2")]));
}

#[test]
fn an_async_span_is_of_the_thread_where_it_began_however_many_begin_and_end_meanwhile() {
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start();
    let on_thread = |name: &str, work: fn() -> framelake::AsyncSpan| {
        let thread = thread::Builder::new().name(name.to_owned());
        let span = thread.spawn(work).unwrap().join().unwrap();
        // By then nothing of the thread waits to be sealed.
        assert!(framelake::flush(Duration::from_secs(30)));
        span
    };
    let long = on_thread("first", || async_span!("long"));
    for number in 0..3 {
        drop(on_thread(&format!("later {number}"), || async_span!("short")));
    }
    drop(long);
    lake.check(&guard.shutdown().unwrap());
    let mut threads = Vec::new();
    for block in lake.streams(&StreamKind::ASYNC).into_values().flatten() {
        let spans = decode::async_spans(&block).unwrap();
        let name = |row: usize| spans.sites[spans.site[row] as usize].name.clone();
        let thread = |row: usize| spans.threads[spans.thread[row] as usize].name.clone();
        threads.extend((0..spans.ordinal.len()).map(|row| (spans.ordinal[row], name(row), thread(row))));
    }
    threads.sort();
    let threads: Vec<_> = threads.iter().map(|(_, name, thread)| (name.as_str(), thread.as_str())).collect();
    assert_eq!(threads, [("long", "first"), ("short", "later 0"), ("short", "later 1"), ("short", "later 2")]);
}

/// Name, value, count and tags of each measurement.
fn measures(lake: &Collector) -> Vec<(String, f64, u64, BTreeMap<String, String>)> {
    let mut found = Vec::new();
    for block in lake.streams(&StreamKind::METRIC).into_values().flatten() {
        let metrics = decode::metrics(&block).unwrap();
        for row in 0..metrics.ordinal.len() {
            let (index, event) = (metrics.site[row], metrics.event[row]);
            let site = &metrics.sites[index as usize];
            let mut tags = pairs(site, index, event, &metrics.args);
            tags.remove("");
            let count = site.aggregated.then(|| metrics.args.get(index, event, 1));
            let count = if let Some(Arg::U64(count)) = count { count } else { 1 };
            found.push((site.name.clone(), metrics.value[row], count, tags));
        }
    }
    found
}

#[test]
fn what_is_added_up_in_threads_loses_nothing_and_tags_are_kept() {
    const THREADS: u64 = 4;
    const TURNS: u64 = 10_000;
    let _turn = turn();
    let lake = Collector::default();
    // What was counted before is not of this recording.
    counter!("shots", "1", 1_000_000);
    let guard = lake.start();
    let add = || {
        for turn in 0..TURNS {
            counter!("shots", "1", 2);
            histogram!("ping", "ms", (turn % 100) as f64 + 1.0);
        }
    };
    thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(add))));
    metric!("loaded", "By", 4_096, path = "/a.png", cached = false);
    lake.check(&guard.shutdown().unwrap());

    let found = measures(&lake);
    let of = |name: &str| found.iter().filter(|row| row.0 == name).cloned().collect::<Vec<_>>();
    let shots = of("shots");
    assert_eq!(shots.iter().map(|row| row.1).sum::<f64>(), (2 * THREADS * TURNS) as f64);
    assert_eq!(shots.iter().map(|row| row.2).sum::<u64>(), THREADS * TURNS);
    let pings = of("ping");
    assert_eq!(pings.iter().map(|row| row.2).sum::<u64>(), THREADS * TURNS);
    let sum: f64 = pings.iter().map(|row| row.1 * row.2 as f64).sum();
    let exact = (THREADS * TURNS / 100 * 5_050) as f64;
    assert!((sum / exact - 1.0).abs() < 1e-9, "{sum} of {exact}");
    // A quantile of the buckets' means is within an eighth.
    let mut sorted: Vec<_> = pings.iter().map(|row| (row.1, row.2)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut below = 0;
    let median = sorted.iter().find(|(_, count)| {
        below += count;
        below >= THREADS * TURNS / 2
    });
    assert!((median.unwrap().0 / 50.0 - 1.0).abs() < 0.125, "{median:?}");
    assert_eq!(of("loaded"), [("loaded".to_owned(), 4_096.0, 1, map([("path", "/a.png"), ("cached", "false")]))]);
}

#[test]
fn a_function_for_all_numbers_adds_up_each_as_what_it_is() {
    fn measure<V: framelake::MetricValue + Copy>(value: V) {
        // Statics in it are the same whatever the type.
        counter!("sum", "1", value);
        histogram!("sizes", "1", value);
        metric!("now", "1", value);
    }
    let integers = || (0..3).for_each(|_| measure(2_i64));
    let floats = || (0..4).for_each(|_| measure(0.25));
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start();
    // Whichever is first in a thread.
    thread::scope(|scope| {
        scope.spawn(|| [integers(), floats(), measure(3_u8)]);
        scope.spawn(|| [floats(), integers(), measure(0.5_f32)]);
    });
    lake.check(&guard.shutdown().unwrap());
    let found = measures(&lake);
    let sum = |name: &str| {
        let rows = found.iter().filter(|row| row.0 == name);
        rows.fold((0.0, 0), |(sum, count), row| {
            (sum + row.1 * if name == "sum" { 1.0 } else { row.2 as f64 }, count + row.2)
        })
    };
    let expected = (6.0 + 1.0 + 3.0 + 1.0 + 6.0 + 0.5, 16);
    assert_eq!(["sum", "sizes", "now"].map(sum), [expected; 3]);
}

#[test]
fn a_filter_set_while_the_program_runs_holds_from_the_next_event() {
    fn record() {
        framelake::info!(target: "net::http", "line");
        framelake::debug!(target: "net::http", "detail");
        framelake::info!(target: "game", "line");
        span!("span");
        metric!("metric", "1", 1);
    }
    let _turn = turn();
    let lake = Collector::default();
    let guard = lake.start_with(Builder::new().filter("warn,net=info").unwrap());
    record();
    framelake::set_filter("debug,spans:off,metrics:structured=off").unwrap();
    record();
    assert!(framelake::set_filter("loud").is_err());
    framelake::set_filter("").unwrap();
    record();
    let report = guard.shutdown().unwrap();
    lake.check(&report);
    assert_eq!(lake.messages(), ["line", "line", "detail", "line", "line", "detail", "line"]);
    assert_eq!((report.stats.spans.emitted, report.stats.metrics.emitted), (2, 2));
    assert!(framelake::set_filter("off").is_ok());
    framelake::set_filter("").unwrap();
}
