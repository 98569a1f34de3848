//! What the macros store: they are expanded here with a crate in place of `framelake` that keeps what it is called with.

#![allow(missing_docs, reason = "stands for a crate, and is none")]

extern crate framelake as real;
// `#[instrument]` names `::framelake`.
extern crate self as framelake;

use framelake_wire::Arg;
use framelake_wire::template::render;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

pub use real::{Level, instrument};

/// What a macro was called with.
#[derive(Clone, Debug, Default, PartialEq)]
struct Recorded {
    kind: &'static str,
    name: String,
    target: String,
    names: Vec<String>,
    template: String,
    named: bool,
    /// As `name = value`, text that was formatted at the call in angle brackets.
    args: Vec<String>,
    /// The message that a query shows.
    text: String,
}

thread_local! {
    static RECORDED: RefCell<Vec<Recorded>> = const { RefCell::new(Vec::new()) };
    static ENABLED: Cell<bool> = const { Cell::new(true) };
}

fn taken() -> Vec<Recorded> {
    RECORDED.take()
}

fn last() -> Recorded {
    let mut taken = taken();
    assert_eq!(taken.len(), 1, "{taken:?}");
    taken.remove(0)
}

/// The arguments of an event, and the text of each that must be formatted.
#[derive(Default)]
struct Values<'a>(Vec<(Arg<'a>, Option<String>)>);

impl<'a> real::__private::Visit<'a> for Values<'a> {
    fn arg<A: real::__private::ArgValue>(&mut self, arg: &'a A) {
        assert_eq!(u64::from(arg.as_arg().code()), A::CODE);
        self.0.push((arg.as_arg(), arg.as_formatted().map(|text| text.to_string())));
    }
}

fn record(kind: &'static str, site: &__private::CallSite, args: &impl real::__private::Args) {
    let mut values = Values::default();
    args.visit(&mut values);
    let values: Vec<_> = values.0.iter().map(|(arg, text)| text.as_deref().map_or(*arg, Arg::Text)).collect();
    let template = if site.template.is_empty() { site.name } else { site.template };
    let mut text = String::new();
    render(&mut text, template, site.names, &values);
    assert_eq!(site.names.len(), values.len());
    let args = site.names.iter().zip(&values).map(|(name, value)| match value {
        Arg::Text(text) => format!("{name}=<{text}>"),
        value => format!("{name}={value}"),
    });
    let recorded = Recorded {
        kind,
        name: site.name.to_owned(),
        target: site.target.to_owned(),
        names: site.names.iter().map(|name| (*name).to_owned()).collect(),
        template: site.template.to_owned(),
        named: site.named,
        args: args.collect(),
        text,
    };
    RECORDED.with_borrow_mut(|all| all.push(recorded));
}

/// Stands for the hidden module of `framelake`.
pub mod __private {
    use super::{ENABLED, RECORDED, record};
    pub use real::__private::{Args, Formatted, Probe, ProbeFormatted, ProbeRaw, ProbeShown, is_plain};
    use std::fmt;

    pub struct CallSite {
        pub name: &'static str,
        pub target: &'static str,
        pub names: &'static [&'static str],
        pub template: &'static str,
        pub named: bool,
    }

    impl CallSite {
        pub const fn span(name: &'static str, target: &'static str, _file: &'static str, _line: u32) -> Self {
            Self { name, target, names: &[], template: "", named: false }
        }

        pub const fn log(
            _level: crate::Level,
            name: &'static str,
            target: &'static str,
            file: &'static str,
            line: u32,
        ) -> Self {
            Self::span(name, target, file, line)
        }

        pub const fn metric(
            name: &'static str,
            _unit: &str,
            target: &'static str,
            file: &'static str,
            line: u32,
        ) -> Self {
            Self::span(name, target, file, line)
        }

        pub const fn with_args(self, names: &'static [&'static str], template: &'static str) -> Self {
            Self { names, template, ..self }
        }

        pub const fn named(self) -> Self {
            Self { named: true, ..self }
        }
    }

    #[derive(Clone, Copy)]
    pub struct On(pub &'static CallSite);

    pub fn on(site: &'static CallSite) -> Option<On> {
        ENABLED.get().then_some(On(site))
    }

    pub fn log_on(_: crate::Level, site: &'static CallSite) -> Option<On> {
        on(site)
    }

    pub fn log(on: On) {
        record("log", on.0, &());
    }

    pub fn log_args(on: On, args: impl Args) {
        record("log", on.0, &args);
    }

    pub fn log_formatted(on: On, text: fmt::Arguments<'_>) {
        record("formatted", on.0, &());
        RECORDED.with_borrow_mut(|all| all.last_mut().unwrap().text = text.to_string());
    }

    pub fn metric(site: &'static CallSite, _value: impl real::MetricValue, _set: real::PropertySet) {
        record("metric", site, &());
    }

    pub fn metric_args(on: On, value: impl real::MetricValue + fmt::Debug, args: impl Args) {
        record("metric", on.0, &args);
        RECORDED.with_borrow_mut(|all| all.last_mut().unwrap().text = format!("{value:?}"));
    }
}

macro_rules! span_kind {
    ($name:ident, $kind:literal) => {
        pub struct $name;

        impl $name {
            pub fn begin(site: &'static __private::CallSite) -> Self {
                if ENABLED.get() {
                    record($kind, site, &());
                }
                Self
            }

            pub fn begin_with(on: __private::On, args: impl __private::Args) -> Self {
                record($kind, on.0, &args);
                Self
            }

            pub fn none() -> Self {
                Self
            }
        }
    };
}

span_kind!(Span, "span");
span_kind!(AsyncSpan, "async");

pub trait Instrument: Future + Sized {
    fn instrument(self, span: AsyncSpan) -> impl Future<Output = Self::Output> {
        async move {
            let _span = span;
            self.await
        }
    }
}

impl<F: Future> Instrument for F {}

/// Expands `info!`, and returns what it recorded.
macro_rules! line {
    ($($arguments:tt)*) => {{
        real::__private::__log!([crate] [crate::Level::Info] $($arguments)*);
        last()
    }};
}

macro_rules! span {
    ($($arguments:tt)*) => {{
        let _: Span = real::__private::__span!([crate] [Span] $($arguments)*);
        last()
    }};
}

macro_rules! metric {
    ($($arguments:tt)*) => {{
        real::__private::__metric!([crate] $($arguments)*);
        last()
    }};
}

/// Only its `Display` and `Debug` are known; each can print a width.
#[derive(Debug)]
struct Peer(u8);

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("peer{}", self.0))
    }
}

/// The text is that of `format!`, the arguments are as given, and so is the template.
macro_rules! check {
    ([$($arguments:tt)*] $args:expr, $template:expr) => {
        let recorded = line!($($arguments)*);
        assert_eq!(recorded.text, format!($($arguments)*));
        assert_eq!((recorded.kind, recorded.args, recorded.template.as_str()), ("log", $args.map(str::to_owned).to_vec(), $template));
    };
}

#[test]
fn numbers_and_strings_are_stored_raw_and_the_rest_as_text() {
    let (map, n, peer) = (String::from("castle"), 3_u32, Peer(1));
    check!(["nothing"] [], "");
    check!(["{{braces}}"] [], "");
    check!(["moved {} bodies", n]["n=3"], "");
    check!(["{map} has {n:>4} {}", 2.5] ["map=castle", "n=3", "2=2.5"], "{0} has {1:>4} {2}");
    check!(["{} {map} {n:>4}", 2.5,] ["0=2.5", "map=castle", "n=3"], "");
    check!(["{} {} {} {}", -1_i8, 'c', true, 1.5_f32] ["0=-1", "1=c", "2=true", "3=1.5"], "");
    check!(["{peer} {peer:?} {peer:>8}|{peer}"] ["peer=<peer1>", "peer=<Peer(1)>", "peer=<   peer1>"], "{0} {1:?} {2:>8}|{0}");
    check!(["{:#?} {:?}", (1, "a"), Some("castle")] ["0=<(\n    1,\n    \"a\",\n)>", "1=<Some(\"castle\")>"], "");
}

#[test]
fn references_and_boxes_store_what_they_hold() {
    let (text, number) = (String::from("text"), 7_i16);
    let (twice, unsized_text): (&&i16, &str) = (&&number, &text);
    assert_eq!(line!("{}", *unsized_text).args, ["0=text"]);
    check!(["{twice} {} {:?}", unsized_text, &&&unsized_text] ["twice=7", "unsized_text=text", "unsized_text=text"], "{0} {1} {2:?}");
    check!(["{} {} {}", Box::new(1_u8), Rc::new('a'), Arc::<str>::from("b")] ["0=1", "1=a", "2=b"], "");
    check!(["{} {:?}", Cow::Borrowed("c"), Cow::<str>::Owned(String::from("d"))] ["0=c", "1=d"], "");
    check!(["{}", &mut 3_u64]["0=3"], "");
    check!(["{} {}", Box::<dyn fmt::Display>::from(Box::new(1)), format_args!("{}", 2)] ["0=<1>", "1=<2>"], "");
    assert_eq!((text, number), ("text".to_owned(), 7));
}

#[test]
fn each_way_of_printing_an_argument_is_stored_once() {
    let (x, y) = (5, Peer(2));
    check!(["{x} {x} {x:?} {0} {0:?} {y} {y}", x] ["x=5", "x=5", "x=5", "x=5", "y=<peer2>"], "{0} {0} {1:?} {2} {3:?} {4} {4}");
    check!(["{1} {0} {1}", x, "b"] ["0=b", "x=5"], "{0} {1} {0}");
    check!(["{b} {a}", a = 1, b = 2] ["b=2", "a=1"], "");
    check!(["{0} {b} {}", x, b = 2] ["x=5", "b=2"], "");
    check!(["{b} {0} {}", x, b = 2] ["b=2", "x=5"], "{0} {1} {1}");
    // An address is not the value.
    check!(["{0:p} {0}", &x] [format!("x=<{:p}>", &x).as_str(), "x=5"], "{0:p} {1}");
}

#[test]
fn widths_and_precisions_from_arguments_are_stored_behind_what_they_format() {
    let (width, digits, value, peer) = (9_usize, 2_usize, 1.2345, Peer(3));
    check!(["{:>1$}|", value, width] ["value=1.2345", "width=9"], "");
    check!(["{:>width$.digits$}|", value] ["value=1.2345", "width=9", "digits=2"], "");
    check!(["{value:.*}|", digits] ["value=1.2345", "digits=2"], "{0:.1$}|");
    check!(["{:.*} {width}", digits, value] ["value=1.2345", "width=9", "digits=2"], "{0:.2$} {1}");
    check!(["{:>1$} {0:>2$} {2} {0:>1$}", peer, width, digits] [
        "peer=<    peer3>", "peer=<peer3>", "digits=2", "width=9",
    ], "{0:>3$} {1:>2$} {2} {0:>3$}");
    check!(["{:é^+#01$.2$?}", value, width, digits] ["value=1.2345", "width=9", "digits=2"], "");
    check!(["{:1$p}", &value, width] [format!("value=<{:1$p}>", &value, width).as_str(), "width=9"], "");
}

#[test]
fn names_are_those_of_variables_and_fields() {
    struct At {
        x: f32,
        r#type: u8,
    }
    impl At {
        fn check(&self) {
            check!(["{} {} {}", self.x, &self.r#type, (self.x)] ["x=1.5", "type=2", "x=1.5"], "");
            check!(["{} {x}", 1, x = self.r#type] ["0=1", "x=2"], "");
        }
    }
    At { x: 1.5, r#type: 2 }.check();
    let r#type = 3;
    let größe = 4;
    check!(["{type} {größe}"] ["type=3", "größe=4"], "");
    check!(["{x} {}", r#type, x = größe] ["x=4", "type=3"], "{0} {1}");
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.text, self.template, self.args.join(" "))
    }
}

#[test]
fn fields_follow_the_arguments_of_the_message() {
    struct Id {
        b: u8,
    }
    let (id, user, peer, state, map, a) = (7, "ann", Peer(4), Some(1), "castle", Id { b: 5 });
    let cases = [
        (line!(user = id, "joined {map}"), "joined castle \"\" map=castle user=7"),
        (
            line!(user = %id, error = ?state, a.b = 1, user, %peer, ?state, "text {}", id),
            "text 7 \"\" id=7 user=7 error=<Some(1)> a.b=1 user=ann peer=<peer4> state=<Some(1)>",
        ),
        (line!(user, a.b, %a.b,), " \"\" user=ann a.b=5 a.b=5"),
        (line!(?peer), " \"\" peer=<Peer(4)>"),
        (line!(peer = peer, type = 1, "a name" = -1,), " \"\" peer=<peer4> type=1 a name=-1"),
        (line!(id = id + 1, "{} {id}", id), "7 7 \"{0} {1}\" id=7 id=7 id=8"),
        (line!(long = [1, 2].iter().map(|x| x + 1).max().unwrap(), "x",), "x \"\" long=3"),
        (line!(equal = id == 7, "{}", id == 8), "false \"\" 0=false equal=true"),
    ];
    for (recorded, expected) in cases {
        assert_eq!(recorded.to_string(), expected);
    }
    let targeted = line!(target: "net", user, "slow");
    assert_eq!((targeted.target.as_str(), targeted.text.as_str()), ("net", "slow"));
    assert_eq!(line!("x").target, module_path!());
    real::__private::__log!([crate] [] target: concat!("a", "b"), Level::Debug, n = 1, "{}", 2);
    assert_eq!((last().target.as_str(), Level::Debug as u8), ("ab", 5));
}

#[test]
fn a_format_string_that_is_no_literal_is_formatted_at_the_call() {
    macro_rules! text {
        () => {
            "{} {}"
        };
    }
    let formatted = line!(concat!("a {}", " b"), 1);
    assert_eq!((formatted.kind, formatted.text.as_str(), formatted.name.as_str()), ("formatted", "a 1 b", "a {} b"));
    assert_eq!(line!(text!(), 1, Peer(2)).text, "1 peer2");
    assert_eq!(line!(user = Peer(1), "state" = ?Peer(2), text!(), 1, 2).text, "1 2 user=peer1 state=Peer(2)");
    assert_eq!(line!(concat!("a", "b")).kind, "log");
    // Passed on by a macro of the user's own.
    macro_rules! own {
        ($format:literal, $value:expr) => {
            line!($format, $value)
        };
        ($format:expr) => {
            line!($format)
        };
    }
    assert_eq!(own!("{:>3}", 1 + 1).args, ["0=2"]);
    let x = 1;
    assert_eq!((own!("{x}").args, x), (vec!["x=1".to_owned()], 1));
}

#[test]
fn more_than_sixteen_arguments_are_formatted_as_a_whole() {
    let (a, w) = (Peer(1), 7_usize);
    let sixteen =
        line!(last = 16, "{}{}{}{}{}{}{}{} {}{}{}{}{}{}{}", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    assert_eq!((sixteen.kind, sixteen.args.len(), sixteen.text.as_str()), ("log", 16, "12345678 9101112131415"));
    let more = line!(
        k = a, "{}" = ?a, "{{{0:>w$}}}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{:.*}", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1, 0.123
    );
    assert_eq!((more.kind, more.names.len()), ("formatted", 0));
    assert_eq!(more.text, "{      1}123456789101112131415160.1 k=peer1 {}=Peer(1)");
}

#[test]
fn arguments_are_evaluated_once_in_order_and_only_when_recorded() {
    let order = RefCell::new(Vec::new());
    let note = |x: u32| {
        order.borrow_mut().push(x);
        x
    };
    let recorded = line!(a = note(1), "{1} {0} {0:?} {1}", note(2), note(3));
    assert_eq!((recorded.text.as_str(), order.take()), ("3 2 2 3", vec![1, 2, 3]));
    ENABLED.set(false);
    real::__private::__log!([crate] [crate::Level::Info] a = note(1), "{}", note(2));
    let _: Span = real::__private::__span!([crate] [Span] "off", a = note(1));
    let _: AsyncSpan = real::__private::__span!([crate] [AsyncSpan] name: note(1));
    real::__private::__metric!([crate] "off", "1", note(1), a = note(2));
    ENABLED.set(true);
    assert_eq!((taken(), order.take()), (vec![], vec![]));
}

#[test]
fn the_macros_work_wherever_format_does() {
    fn generic<T: fmt::Display, const N: usize>(value: T) -> String {
        line!("{value} {N} {}", N + 1).to_string()
    }
    assert_eq!(generic::<_, 3>(1), "1 3 4 \"{0} {1} {2}\" value=<1> N=3 2=4");
    fn early(text: &str) -> Option<String> {
        Some(line!("{}", text.chars().next()?).text)
    }
    assert_eq!((early("ab").as_deref(), early("")), (Some("a"), None));
    let closure = |x: &dyn fmt::Debug| line!("{x:?}").text;
    assert_eq!(closure(&1), "1");
    assert_eq!(line!("{}", String::from("temporary").as_str()).text, "temporary");
    let mut changed = vec![1];
    assert_eq!(
        line!("{}", {
            changed.push(2);
            changed.len()
        })
        .text,
        "2"
    );
    // Names that the expansion uses itself.
    let (on, argument_0, argument_1) = (1, 2, 3);
    assert_eq!(line!("{argument_1} {on} {argument_0}").text, "3 1 2");
    let unsend = Rc::new(Cell::new(1));
    assert_eq!(line!("{} {:?}", unsend.get(), unsend).text, "1 Cell { value: 1 }");
    let held = RefCell::new(Peer(1));
    assert_eq!(line!("{}", held.borrow()).text, "peer1");
    assert_eq!(held.into_inner().0, 1);
    // A type that is known only later.
    let mut later = Vec::new();
    assert_eq!(line!("{later:?}").text, "[]");
    later.push(1_u8);
    match later.len() {
        0 => unreachable!(),
        _ => real::__private::__log!([crate] [crate::Level::Info] "as an expression"),
    }
    assert_eq!(last().text, "as an expression");
}

#[test]
fn the_crate_may_be_renamed() {
    let map = "castle";
    real::info!(map, "{} {map}", 1);
    real::log!(Level::Warn, user = 1);
    real::span!("outer");
    real::span!("inner", map);
    real::span!(name: map);
    drop(real::span_guard!(name: map, map));
    let _: real::AsyncSpan = real::async_span!("async", map);
    real::metric!("plain", "1", 1);
    real::gauge!("tagged", "1", 1, map = map);
    real::counter!("counter", "1", 1_u64);
    real::histogram!("histogram", "ms", 1.5,);
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

/// Is pending once.
async fn pause() {
    let mut paused = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

#[test]
fn arguments_may_await() {
    async fn number(x: u8) -> u8 {
        pause().await;
        x
    }
    let future = async { line!(a = number(1).await, "{} {}", number(2).await, 3) };
    fn is_send<F: Future + Send>(future: F) -> F {
        future
    }
    assert_eq!(run(is_send(future)).to_string(), "2 3 \"\" 0=2 1=3 a=1");
}

#[test]
fn spans_have_names_and_fields() {
    let (id, state) = (7, Some(1));
    let plain = span!("load");
    assert_eq!((plain.kind, plain.name.as_str(), plain.names.len(), plain.named), ("span", "load", 0, false));
    let fields = span!("load", user = id, ?state, id,);
    assert_eq!(
        (fields.name.as_str(), fields.args),
        ("load", ["user=7", "state=<Some(1)>", "id=7"].map(str::to_owned).to_vec())
    );
    let player = Some(String::from("ann"));
    let dynamic = span!(target: "net", name: player.as_deref().unwrap(), id);
    assert_eq!((dynamic.target.as_str(), dynamic.named), ("net", true));
    assert_eq!(dynamic.args, ["name=ann", "id=7"]);
    assert_eq!(dynamic.name, "player.as_deref().unwrap()");
    let _: AsyncSpan = real::__private::__span!([crate] [AsyncSpan] concat!("a", "b"), id = 1);
    let recorded = last();
    assert_eq!((recorded.kind, recorded.name.as_str(), recorded.args), ("async", "ab", vec!["id=1".to_owned()]));
}

#[test]
fn metrics_have_tags_or_a_set() {
    let (peer, castle) = (Peer(1), real::PropertySet::EMPTY);
    let tagged = metric!("loaded", "By", 4_096, path = "a.png", cached = 1 == 2, %peer, "a name" = 1,);
    assert_eq!((tagged.name.as_str(), tagged.text.as_str()), ("loaded", "4096"));
    assert_eq!(tagged.args, ["path=a.png", "cached=false", "peer=<peer1>", "a name=1"]);
    assert_eq!(metric!("players", "1", 12_u64, castle).args.len(), 0);
    assert_eq!(metric!("players", "1", 1.5, real::PropertySet::new([("a", "b")]),).kind, "metric");
    fn generic(value: impl real::MetricValue + fmt::Debug) {
        metric!("moved", "1", value, a = 1);
    }
    generic(1_u8);
}

#[instrument]
fn sync(_x: u8) -> u8 {
    1
}

#[instrument("load", args, skip(hidden), fields(doubled = 2 * x, peer.0 = %Peer(x)))]
fn with_args(x: u8, (text, _): (&str, ()), hidden: Unprintable) -> u8 {
    let _ = hidden;
    return x + text.len() as u8;
}

struct Unprintable;

#[instrument(args, target = "net", name = concat!("a", "b"))]
async fn asynchronous<'a, T: fmt::Debug>(text: &'a str, value: T) -> Result<&'a str, Box<dyn std::error::Error>> {
    pause().await;
    let _: u8 = text.parse()?;
    drop(value);
    Ok(text)
}

#[instrument]
async fn opaque(x: u8) -> impl Iterator<Item = u8> {
    pause().await;
    0..x
}

/// The signature says what to make of the values.
#[instrument]
async fn coerced(x: u8) -> Option<Box<dyn fmt::Display>> {
    if x == 0 {
        return None;
    }
    Some(Box::new(x))
}

#[instrument]
async fn unit() {
    pause().await;
}

#[instrument(args, skip_all, fields(x))]
fn boxed<'a>(x: &'a u8) -> Pin<Box<dyn Future<Output = u8> + Send + 'a>> {
    let outside = 1;
    Box::pin(async move { *x + outside })
}

#[instrument]
#[allow(clippy::manual_async_fn, reason = "as macros write it")]
fn block(x: u8) -> impl Future<Output = u8> {
    async move { x }
}

#[async_trait::async_trait]
trait Store {
    #[instrument(args, skip(self))]
    async fn get(&self, key: &str) -> Option<u8> {
        pause().await;
        key.parse().ok()
    }

    async fn put(&mut self, key: String) -> u8;
}

#[derive(Debug)]
struct Memory(u8);

#[async_trait::async_trait]
impl Store for Memory {
    #[instrument(args)]
    async fn put(&mut self, key: String) -> u8 {
        pause().await;
        self.0 += key.len() as u8;
        self.0
    }
}

impl Memory {
    #[instrument(fields(self.0, ?self))]
    fn sum(&self, mut x: u8) -> impl fmt::Display + use<> {
        x += self.0;
        x
    }

    #[instrument]
    async fn change<'a>(&'a mut self, by: &u8) -> &'a u8 {
        self.0 += by;
        &self.0
    }
}

#[test]
fn instrumented_functions_do_what_they_did() {
    let expect = |kind: &str, name: &str, args: &[&str]| {
        let recorded = last();
        assert_eq!(
            (recorded.kind, recorded.name.as_str(), recorded.args.clone()),
            (kind, name, args.iter().map(|arg| (*arg).to_owned()).collect())
        );
        recorded
    };
    assert_eq!(sync(1), 1);
    expect("span", "sync", &[]);
    assert_eq!(with_args(3, ("abc", ()), Unprintable), 6);
    expect("span", "load", &["x=3", "text=abc", "doubled=6", "peer.0=<peer3>"]);
    let future = asynchronous("7", Peer(1));
    assert_eq!(taken(), []);
    assert_eq!(run(future).unwrap(), "7");
    assert_eq!(expect("async", "ab", &["text=7", "value=<Peer(1)>"]).target, "net");
    assert!(run(asynchronous("x", 1)).is_err());
    taken();
    assert_eq!(run(opaque(3)).count(), 3);
    expect("async", "opaque", &[]);
    run(unit());
    expect("async", "unit", &[]);
    assert_eq!(run(coerced(1)).unwrap().to_string(), "1");
    assert!(run(coerced(0)).is_none());
    taken();
    let future = boxed(&1);
    assert_eq!(taken(), []);
    assert_eq!(run(future), 2);
    expect("async", "boxed", &["x=1"]);
    assert_eq!(run(block(4)), 4);
    expect("async", "block", &[]);
    let mut memory = Memory(1);
    assert_eq!(run(memory.get("12")), Some(12));
    expect("async", "get", &["key=12"]);
    assert_eq!(run(memory.put("ab".into())), 3);
    expect("async", "put", &["self=<Memory(1)>", "key=ab"]);
    assert_eq!(memory.sum(1).to_string(), "4");
    expect("span", "sum", &["self.0=3", "self=<Memory(3)>"]);
    assert_eq!(*run(memory.change(&1)), 4);
    expect("async", "change", &[]);
}
