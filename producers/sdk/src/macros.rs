//! The macros. Each makes a static call site and calls a function of `record.rs`.

/// Records a log line at a [`Level`](crate::Level): the level's own macros ([`info!`](crate::info) and so on) are the same with one word less.
///
/// Fields come first, then the format string and its arguments as those of [`format!`]; either may be left out.
///
/// ```
/// use framelake::{Level, log};
/// # #[derive(Debug)] struct Refused;
/// # let (map, user, peer, error) = ("castle", 7, std::net::Ipv4Addr::LOCALHOST, Refused);
/// log!(Level::Info, "loaded {map} in {} ms", 12);
/// log!(Level::Info, user, retries = 3, "joined {map}");
/// // `%` records what `Display` prints, `?` what `Debug` prints.
/// log!(target: "net", Level::Warn, %peer, error = ?error, "refused");
/// log!(Level::Debug, user.id = user, "a name" = true);
/// ```
///
/// Numbers, `bool`, `char` and strings are stored as they are, under their names, and put into the format string when somebody asks; what other
/// types print is formatted now. A line holds 16 arguments: one with more is formatted as a whole. Arguments are evaluated once, in order, and only
/// when the level is recorded; they are borrowed, not moved.
///
/// ```compile_fail,E0277
/// struct NoDisplay;
/// framelake::info!("{}", NoDisplay);
/// ```
/// ```compile_fail
/// framelake::info!("{} {}", 1);
/// ```
/// ```compile_fail
/// framelake::info!("{}", 1, 2);
/// ```
#[macro_export]
macro_rules! log {
    ($($arguments:tt)*) => {
        $crate::__private::__log!([$crate] [] $($arguments)*)
    };
}

macro_rules! level_macro {
    ($dollar:tt $name:ident, $level:ident, $what:literal) => {
        #[doc = $what]
        ///
        /// Takes fields and a format string with its arguments, as [`log!`](macro@crate::log) does, and before them `target: "…"` where the module's path
        /// does not fit.
        #[macro_export]
        macro_rules! $name {
                                    ($dollar($arguments:tt)*) => {
                                        $crate::__private::__log!([$crate] [$crate::Level::$level] $dollar($arguments)*)
                                    };
                                }
    };
}

level_macro!($ fatal, Fatal, "Records that the program cannot go on.");
level_macro!($ error, Error, "Records that something failed.");
level_macro!($ warn, Warn, "Records that something is not as it should be.");
level_macro!($ info, Info, "Records something that people want to know.");
level_macro!($ debug, Debug, "Records something for those who look into this part of the program.");
level_macro!($ trace, Trace, "Records every step.");

/// Records a measurement: its name, its unit (UCUM or a plain word), an integer or a float, and perhaps tags or a
/// [`PropertySet`](crate::PropertySet).
///
/// ```
/// framelake::metric!("frame_time", "ms", 16.6);
/// framelake::metric!("bodies", "1", 2_000_u32);
/// # let castle = framelake::PropertySet::EMPTY;
/// framelake::metric!("players", "1", 12, castle);
/// # let (path, peer) = ("a.png", std::net::Ipv4Addr::LOCALHOST);
/// framelake::metric!("loaded", "By", 4_096, path = path, cached = false, %peer);
/// ```
///
/// Tags are as the fields of [`info!`](crate::info), but that a name alone is taken for a property set. With tags the value is evaluated only while
/// something is recorded.
#[macro_export]
macro_rules! metric {
    ($name:expr, $unit:expr, $value:expr $(,)?) => {
        $crate::__metric_plain!([metric] [] $name, $unit, $value, $crate::PropertySet::EMPTY)
    };
    ($name:expr, $unit:expr, $value:expr, $($rest:tt)+) => {
        $crate::__private::__metric!([$crate] $name, $unit, $value, $($rest)+)
    };
}

/// Records the present value of something that goes up and down: [`metric!`](crate::metric) by another name.
///
/// ```
/// framelake::gauge!("players", "1", 12);
/// framelake::gauge!("memory", "By", 65_536, heap = "render");
/// ```
#[macro_export]
macro_rules! gauge {
    ($($arguments:tt)*) => {
        $crate::metric!($($arguments)*)
    };
}

/// Adds to a counter. The sum since the last drain is recorded, not each addition: this costs less than a [`metric!`](crate::metric).
///
/// ```
/// framelake::counter!("shots", "1", 1);
/// ```
#[macro_export]
macro_rules! counter {
    ($name:expr, $unit:expr, $count:expr $(,)?) => {
        $crate::__metric_plain!([counter] [.aggregated()] $name, $unit, $count)
    };
}

/// Adds a value to a histogram. How the values since the last drain are distributed is recorded, not each value.
///
/// ```
/// framelake::histogram!("ping", "ms", 23.5);
/// ```
#[macro_export]
macro_rules! histogram {
    ($name:expr, $unit:expr, $value:expr $(,)?) => {
        $crate::__metric_plain!([histogram] [.aggregated()] $name, $unit, $value)
    };
}

/// A metric's call site, and the function that is called with it.
#[doc(hidden)]
#[macro_export]
macro_rules! __metric_plain {
    ([$function:ident] [$($more:tt)*] $name:expr, $unit:expr, $($arguments:expr),+) => {{
        static __FRAMELAKE_SITE: $crate::__private::CallSite =
            $crate::__private::CallSite::metric($name, $unit, ::core::module_path!(), ::core::file!(), ::core::line!())
                $($more)*;
        $crate::__private::$function(&__FRAMELAKE_SITE, $($arguments),+);
    }};
}

/// Records a span from here to the end of the enclosing scope. Write it as a statement; several in one scope end in reverse order.
/// [`span_guard!`](crate::span_guard) is for a span that ends earlier, [`async_span!`](crate::async_span) for one that is held across an await.
///
/// ```
/// fn update(agents: &[&str]) {
///     framelake::span!("update", agents = agents.len());
///     for agent in agents {
///         framelake::span!("agent", name = agent);
///         // A name that is known only now.
///         framelake::span!(name: agent.to_uppercase(), length = agent.len());
///     }
/// }
/// # update(&["a"]);
/// ```
///
/// The name is a constant, or any value with `Display` after `name:`. Fields are those of [`info!`](crate::info).
#[macro_export]
macro_rules! span {
    ($($arguments:tt)*) => {
        let _framelake_span = $crate::span_guard!($($arguments)*);
    };
}

/// Begins a span and returns it; the span ends when the value is dropped.
///
/// ```
/// let load = framelake::span_guard!("load", path = "a.png");
/// drop(load);
/// ```
#[macro_export]
macro_rules! span_guard {
    ($name:literal $(,)?) => {{
        static __FRAMELAKE_SITE: $crate::__private::CallSite =
            $crate::__private::CallSite::span($name, ::core::module_path!(), ::core::file!(), ::core::line!());
        $crate::Span::begin(&__FRAMELAKE_SITE)
    }};
    ($($arguments:tt)*) => {
        $crate::__private::__span!([$crate] [Span] $($arguments)*)
    };
}

/// Begins a span that may end on another thread and overlap with others, and returns it: an [`AsyncSpan`](crate::AsyncSpan).
/// [`Instrument::instrument`](crate::Instrument::instrument) puts a future into it.
///
/// ```
/// use framelake::Instrument as _;
/// # async fn fetch(_path: &str) {}
/// async fn load(path: &str) {
///     fetch(path).instrument(framelake::async_span!("fetch", path = path)).await;
/// }
/// ```
#[macro_export]
macro_rules! async_span {
    ($($arguments:tt)*) => {
        $crate::__private::__span!([$crate] [AsyncSpan] $($arguments)*)
    };
}

/// Marks the end of a frame and the begin of the next. Call it once per frame, from one thread.
///
/// ```
/// for _ in 0..3 {
///     framelake::frame!();
///     // simulate, render
/// }
/// ```
#[macro_export]
macro_rules! frame {
    () => {
        $crate::__private::frame()
    };
}
