//! Spans and events of `tracing`, by the subscriber and by the layer.

mod support;

use framelake_wire::{StreamKind, decode};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use support::{Collector, Line, turn};
use tracing::field::Empty;
use tracing::{Dispatch, Instrument, Level, Span, dispatcher, event, info, info_span, span, trace, warn};
use tracing_subscriber::prelude::*;

/// A row of `thread_spans` or `async_spans`.
#[derive(Clone, Debug)]
struct Row {
    name: String,
    target: String,
    ordinal: u64,
    parent: Option<u64>,
    duration: i64,
    fields: BTreeMap<String, String>,
}

impl Row {
    fn of(&self, name: &str) -> String {
        self.fields.get(name).cloned().unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
}

fn fields(site: &decode::CallSite, values: impl Fn(usize) -> String) -> BTreeMap<String, String> {
    let pairs = site.args.iter().enumerate().map(|(number, name)| (name.clone(), values(number)));
    pairs.filter(|(_, value)| !value.is_empty()).collect()
}

fn thread_rows(collector: &Collector) -> Vec<Row> {
    let mut rows = Vec::new();
    for block in collector.streams(&StreamKind::SPAN).into_values().flatten() {
        let spans = decode::spans(&block).unwrap();
        rows.extend((0..spans.ordinal.len()).map(|row| {
            let (index, site) = (spans.site[row], &spans.sites[spans.site[row] as usize]);
            Row {
                name: site.name.clone(),
                target: site.target.clone(),
                ordinal: spans.ordinal[row],
                parent: spans.parent[row],
                duration: spans.end[row] - spans.begin[row],
                fields: fields(site, |number| spans.args.get(index, spans.event[row], number).to_string()),
            }
        }));
    }
    rows.sort_by_key(|row| row.ordinal);
    rows
}

fn async_rows(collector: &Collector) -> Vec<Row> {
    let mut rows = Vec::new();
    for block in collector.streams(&StreamKind::ASYNC).into_values().flatten() {
        let spans = decode::async_spans(&block).unwrap();
        rows.extend((0..spans.ordinal.len()).map(|row| {
            let (index, site) = (spans.site[row], &spans.sites[spans.site[row] as usize]);
            Row {
                name: site.name.clone(),
                target: site.target.clone(),
                ordinal: spans.ordinal[row],
                parent: spans.parent[row],
                duration: spans.end[row] - spans.begin[row],
                fields: fields(site, |number| spans.args.get(index, spans.event[row], number).to_string()),
            }
        }));
    }
    rows.sort_by_key(|row| row.ordinal);
    rows
}

/// Each line with its arguments.
fn line_args(collector: &Collector) -> Vec<BTreeMap<String, String>> {
    let mut lines = Vec::new();
    for block in collector.streams(&StreamKind::LOG).into_values().flatten() {
        let logs = decode::logs(&block).unwrap();
        lines.extend((0..logs.ordinal.len()).map(|row| {
            let site = &logs.sites[logs.site[row] as usize];
            fields(site, |number| logs.args.get(logs.site[row], logs.event[row], number).to_string())
        }));
    }
    lines
}

/// What is recorded of `work` by the subscriber, and again by the layer.
fn by_both(work: impl Fn(), check: impl Fn(&Collector)) {
    let _turn = turn();
    let layered = tracing_subscriber::registry().with(framelake::tracing::layer());
    for dispatch in [Dispatch::new(framelake::tracing::subscriber()), Dispatch::new(layered)] {
        let collector = Collector::default();
        let guard = collector.start();
        dispatcher::with_default(&dispatch, &work);
        let report = guard.shutdown().unwrap();
        collector.check(&report);
        check(&collector);
    }
}

#[test]
fn an_event_is_a_line_with_its_fields_as_arguments() {
    let work = || {
        let error = std::io::Error::other("no such map");
        info!(user = 7, ratio = 0.5, ready = true, name = "ann", peer = ?("a", 1), "joined {}", "castle");
        warn!(target: "net::http", big = u128::MAX, error = &error as &(dyn std::error::Error + 'static), "refused");
        event!(Level::DEBUG, count = -3_i64, "level" = "x{y}");
        trace!("only a message {{}}");
        info!(absent = Empty, present = 1, "half");
        tracing::error!(target: "quiet", message = "as a field");
    };
    by_both(work, |collector| {
        let lines = collector.lines();
        let told: Vec<_> = lines.iter().map(|Line { message, site, .. }| (message.as_str(), site.level)).collect();
        let expected = [
            ("joined castle", 4),
            ("refused", 3),
            ("count=-3 level=x{y}", 5),
            ("only a message {}", 6),
            ("half", 4),
            ("as a field", 2),
        ];
        assert_eq!(told, expected);
        assert_eq!((lines[1].site.target.as_str(), lines[0].site.target.as_str()), ("net::http", "tracing"));
        assert!(lines[0].site.file.ends_with("tests/tracing.rs") && lines[0].site.line > 0);
        let args = line_args(collector);
        let arg = |line: usize, name: &str| args[line][name].clone();
        assert_eq!(
            ["user", "ratio", "ready", "name", "peer"].map(|name| arg(0, name)),
            ["7", "0.5", "true", "ann", "(\"a\", 1)"]
        );
        assert_eq!((arg(1, "big"), arg(1, "error")), (u128::MAX.to_string(), "no such map".into()));
        assert!(!args[4].contains_key("absent") && arg(4, "present") == "1");
    });
}

#[test]
fn beyond_sixteen_fields_the_last_argument_has_the_rest_under_a_name() {
    let work = || {
        info!(
            a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9, j = 10, k = 11, l = 12, m = 13, n = 14,
            o = 15, p = "sixteen", q = ?Some(17), "many"
        );
        let span = info_span!(
            "many", a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9, j = 10, k = 11, l = 12, m = 13,
            n = 14, o = 15, p = "sixteen", q = ?Some(17)
        );
        span.in_scope(|| {});
        info!(
            a = 1,
            b = 2,
            c = 3,
            d = 4,
            e = 5,
            f = 6,
            g = 7,
            h = 8,
            i = 9,
            j = 10,
            k = 11,
            l = 12,
            m = 13,
            n = 14,
            o = 15,
            p = 16,
            q = 17
        );
    };
    by_both(work, |collector| {
        let of_fields = "a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8 i=9 j=10 k=11 l=12 m=13 n=14 o=15 p=16 q=17";
        assert_eq!(collector.messages(), ["many", of_fields]);
        // The message is one of its sixteen.
        let args = &line_args(collector)[0];
        assert_eq!((args["n"].as_str(), args["..."].as_str()), ("14", "o=15 p=sixteen q=Some(17)"));
        let rows = thread_rows(collector);
        assert_eq!((rows[0].of("o"), rows[0].of("...")), ("15".into(), "p=sixteen q=Some(17)".into()));
    });
}

#[test]
fn spans_that_are_entered_once_are_rows_of_their_thread_alone() {
    let work = || {
        let outer = info_span!("outer", map = "castle", bodies = 3, text = %"a{b}");
        let entered = outer.entered();
        for number in 0..3 {
            let _inner = span!(target: "physics", Level::TRACE, "inner", number).entered();
        }
        drop(entered);
    };
    by_both(work, |collector| {
        let rows = thread_rows(collector);
        let told: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.parent)).collect();
        assert_eq!(told, [("outer", None), ("inner", Some(0)), ("inner", Some(0)), ("inner", Some(0))]);
        assert_eq!(
            (rows[0].of("map"), rows[0].of("bodies"), rows[0].of("text")),
            ("castle".into(), "3".into(), "a{b}".into())
        );
        assert_eq!((rows[2].of("number"), rows[2].target.as_str()), ("1".into(), "physics"));
        assert!(async_rows(collector).is_empty());
    });
}

#[test]
fn fields_recorded_later_are_carried_by_the_next_enter_and_never_lost() {
    let work = || {
        // Entered after it was recorded.
        let known = info_span!("known", status = Empty, other = 1);
        known.record("status", 200);
        known.in_scope(|| {});
        // Recorded while it is entered, for the only time.
        let late = info_span!("late", status = Empty, other = 2);
        late.in_scope(|| {
            Span::current().record("status", 404);
            Span::current().record("other", "two");
        });
    };
    by_both(work, |collector| {
        let rows = thread_rows(collector);
        assert_eq!((rows[0].of("status"), rows[0].of("other")), ("200".into(), "1".into()));
        assert!(!rows[1].fields.contains_key("status"));
        let asyncs = async_rows(collector);
        assert_eq!(asyncs.len(), 1);
        assert_eq!(
            (asyncs[0].name.as_str(), asyncs[0].of("status"), asyncs[0].of("other")),
            ("late", "404".into(), "two".into())
        );
    });
}

#[test]
fn long_fields_are_kept_and_cut_where_they_would_not_fit() {
    let work = || {
        let text = "x".repeat(1_000);
        let span = info_span!("long", text, huge = "y".repeat(100_000), after = 5);
        span.in_scope(|| {});
        span.in_scope(|| {});
    };
    by_both(work, |collector| {
        for row in thread_rows(collector).iter().chain(&async_rows(collector)) {
            assert_eq!((row.of("text").len(), row.of("huge").len(), row.of("after")), (1_000, 32_768, "5".into()));
        }
        assert_eq!((thread_rows(collector).len(), async_rows(collector).len()), (2, 1));
    });
}

/// Ready at its third poll.
async fn thrice() {
    let mut polls = 0;
    std::future::poll_fn(|_| {
        polls += 1;
        if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Polls in turns, each time on another thread.
fn run(future: impl Future<Output = ()> + Send) {
    let mut future = pin!(future);
    let dispatch = dispatcher::get_default(Dispatch::clone);
    loop {
        let poll = std::thread::scope(|scope| {
            let poll = || {
                dispatcher::with_default(&dispatch, || future.as_mut().poll(&mut Context::from_waker(Waker::noop())))
            };
            scope.spawn(poll).join().unwrap()
        });
        if poll.is_ready() {
            return;
        }
    }
}

#[test]
fn a_span_that_lives_across_awaits_has_a_row_of_its_own_with_its_parent() {
    let work = || {
        let request = info_span!("request", path = "/a", status = Empty);
        run(async {
            thrice().instrument(info_span!("query", sql = "SELECT 1")).await;
            info_span!("short").in_scope(|| {});
            Span::current().record("status", 200);
        }
        .instrument(request));
    };
    by_both(work, |collector| {
        let asyncs = async_rows(collector);
        let told: Vec<_> = asyncs.iter().map(|row| (row.name.as_str(), row.parent)).collect();
        assert_eq!(told, [("request", None), ("query", Some(0))]);
        assert_eq!((asyncs[0].of("path"), asyncs[0].of("status")), ("/a".into(), "200".into()));
        assert_eq!(asyncs[1].of("sql"), "SELECT 1");
        assert!(asyncs[0].duration >= asyncs[1].duration && asyncs[1].duration > 0);
        let rows = thread_rows(collector);
        let count = |name| rows.iter().filter(|row| row.name == name).count();
        // Three polls, and the drop of the future.
        assert_eq!((count("request"), count("query"), count("short")), (4, 4, 1));
    });
}

#[test]
fn a_span_that_is_never_entered_has_a_row_and_framelakes_own_are_within_those_of_tracing() {
    let work = || {
        drop(info_span!("never", reason = "unused"));
        let twice = info_span!("twice");
        twice.in_scope(|| {});
        twice.in_scope(|| drop(framelake::async_span!("own")));
    };
    by_both(work, |collector| {
        let asyncs = async_rows(collector);
        let told: Vec<_> = asyncs.iter().map(|row| (row.name.as_str(), row.parent)).collect();
        assert_eq!(told, [("never", None), ("twice", None), ("own", Some(1))]);
        assert_eq!(asyncs[0].of("reason"), "unused");
    });
}

#[test]
fn spans_exited_in_another_order_end_with_those_within_them() {
    let work = || {
        let (outer, inner) = (info_span!("outer"), info_span!("inner"));
        let entered = outer.enter();
        let within = inner.enter();
        drop(entered);
        info_span!("innermost").in_scope(|| {});
        drop(within);
        info_span!("after").in_scope(|| {});
    };
    by_both(work, |collector| {
        let rows = thread_rows(collector);
        let told: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.parent)).collect();
        assert_eq!(told, [("outer", None), ("inner", Some(0)), ("innermost", Some(1)), ("after", None)]);
    });
}

#[test]
fn spans_nest_as_deep_as_they_like() {
    fn nest(depth: usize) {
        if depth > 0 {
            let _entered = info_span!("deep", depth).entered();
            nest(depth - 1);
        }
    }
    by_both(
        || nest(100),
        |collector| {
            let rows = thread_rows(collector);
            assert_eq!(rows.len(), 100);
            for (index, row) in rows.iter().enumerate() {
                assert_eq!(row.of("depth"), (100 - index).to_string());
                assert_eq!(row.parent, index.checked_sub(1).map(|parent| parent as u64));
            }
        },
    );
}

#[test]
fn the_filter_holds_and_changes_while_the_program_runs() {
    let work = || {
        let all = || {
            tracing::debug!(target: "net", "debug");
            info!(target: "net", "info");
            span!(target: "net", Level::INFO, "span").in_scope(|| {});
        };
        framelake::set_filter("info,spans:net=off").unwrap();
        all();
        framelake::set_filter("off,net=debug").unwrap();
        all();
        framelake::set_filter("").unwrap();
    };
    by_both(work, |collector| {
        assert_eq!(collector.messages(), ["info", "debug", "info"]);
        assert_eq!(thread_rows(collector).len(), 1);
    });
}

#[test]
fn disabled_call_sites_do_not_reach_the_subscriber() {
    let _turn = turn();
    let collector = Collector::default();
    let guard = collector.start();
    dispatcher::with_default(&Dispatch::new(framelake::tracing::subscriber()), || {
        let is_on = || tracing::enabled!(target: "quiet", Level::DEBUG);
        framelake::set_filter("info").unwrap();
        assert!(!is_on());
        framelake::set_filter("info,quiet=debug").unwrap();
        assert!(is_on());
        framelake::set_filter("").unwrap();
    });
    drop(guard);
}

#[test]
fn a_layers_own_filter_and_other_layers_are_left_alone() {
    use tracing_subscriber::filter::LevelFilter;
    let _turn = turn();
    let collector = Collector::default();
    let guard = collector.start_with(framelake::Builder::new().filter("error").unwrap());
    let out = std::sync::Arc::<std::sync::Mutex<Vec<u8>>>::default();
    let writer = out.clone();
    let fmt = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || Shared(writer.clone()));
    let layered =
        tracing_subscriber::registry().with(fmt).with(framelake::tracing::layer().with_filter(LevelFilter::WARN));
    dispatcher::with_default(&Dispatch::new(layered), || {
        info!("to the other alone");
        framelake::set_filter("info").unwrap();
        info!("still");
        warn!("to both");
        info_span!("unseen").in_scope(|| {});
        tracing::warn_span!("seen").in_scope(|| {});
        framelake::set_filter("").unwrap();
    });
    drop(guard);
    assert_eq!(collector.messages(), ["to both"]);
    assert_eq!(thread_rows(&collector).iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["seen"]);
    let text = String::from_utf8(out.lock().unwrap().clone()).unwrap();
    assert!(["to the other alone", "still", "to both"].iter().all(|line| text.contains(line)), "{text}");
}

struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn numbers_of_closed_spans_and_made_up_ones_do_no_harm() {
    let _turn = turn();
    let collector = Collector::default();
    let guard = collector.start();
    let dispatch = Dispatch::new(framelake::tracing::subscriber());
    dispatcher::with_default(&dispatch, || {
        let span = info_span!("one");
        let id = span.id().unwrap();
        span.in_scope(|| {});
        drop(span);
        let other = info_span!("other");
        for id in [id, tracing::Id::from_u64(u64::MAX), tracing::Id::from_u64(1 << 40), tracing::Id::from_u64(7)] {
            dispatch.enter(&id);
            dispatch.exit(&id);
            let _ = dispatch.clone_span(&id);
            assert!(!dispatch.try_close(id));
        }
        other.in_scope(|| {});
    });
    let report = guard.shutdown().unwrap();
    collector.check(&report);
    let rows = thread_rows(&collector);
    assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["one", "other"]);
}

#[test]
fn many_threads_hand_spans_to_each_other_and_all_are_there() {
    const THREADS: usize = 4;
    const SPANS: usize = 500;
    let _turn = turn();
    let collector = Collector::default();
    let guard = collector.start();
    let dispatch = Dispatch::new(framelake::tracing::subscriber());
    dispatcher::with_default(&dispatch, || {
        let (sender, receiver) = std::sync::mpsc::channel::<Span>();
        let receiver = std::sync::Mutex::new(receiver);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                let (sender, dispatch) = (sender.clone(), &dispatch);
                scope.spawn(move || {
                    dispatcher::with_default(dispatch, || {
                        for number in 0..SPANS {
                            let span = info_span!("handed", number);
                            span.in_scope(|| {});
                            sender.send(span).unwrap();
                        }
                    });
                });
                scope.spawn(|| {
                    for _ in 0..SPANS {
                        let span = receiver.lock().unwrap().recv().unwrap();
                        span.in_scope(|| info!("handled"));
                    }
                });
            }
        });
    });
    let report = guard.shutdown().unwrap();
    collector.check(&report);
    let emitted = [report.stats.spans.emitted, report.stats.async_spans.emitted];
    assert_eq!(emitted, [2 * THREADS as u64 * SPANS as u64, (THREADS * SPANS) as u64]);
    assert_eq!(report.stats.spans.dropped + report.stats.async_spans.dropped, 0);
    assert!(async_rows(&collector).iter().all(|row| !row.of("number").is_empty()));
}
