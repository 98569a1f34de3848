//! The macros. Each makes a static call site and calls a function of `record.rs`.

/// Records a log line at a [`Level`](crate::Level), with the arguments of [`format!`]: the level's own macros ([`info!`](crate::info) and
/// so on) are the same with one word less.
///
/// ```
/// use framelake::{Level, log};
/// let map = "castle";
/// log!(Level::Info, "loaded {map} in {} ms", 12);
/// log!(target: "net", Level::Warn, "slow peer");
/// ```
#[macro_export]
macro_rules! log {
    (target: $target:expr, $level:expr, $format:expr $(, $($argument:tt)*)?) => {{
        const LEVEL: $crate::Level = $level;
        static SITE: $crate::__private::CallSite =
            $crate::__private::CallSite::log(LEVEL, $format, $target, ::core::file!(), ::core::line!());
        if $crate::__private::log_enabled(LEVEL) {
            // A line without arguments stores no text: its call site has it.
            const PLAIN: bool = $crate::__private::is_plain($format);
            if PLAIN {
                $crate::__private::log(&SITE);
            } else {
                $crate::__private::log_formatted(&SITE, ::core::format_args!($format $(, $($argument)*)?));
            }
        }
    }};
    ($level:expr, $format:expr $(, $($argument:tt)*)?) => {
        $crate::log!(target: ::core::module_path!(), $level, $format $(, $($argument)*)?)
    };
}

macro_rules! level_macro {
    ($dollar:tt $name:ident, $level:ident, $what:literal) => {
        #[doc = $what]
        ///
        /// Takes the arguments of [`format!`], and before them `target: "…"` where the module's path does not fit.
        #[macro_export]
        macro_rules! $name {
                                            (target: $target:expr, $dollar($rest:tt)+) => {
                                                $crate::log!(target: $target, $crate::Level::$level, $dollar($rest)+)
                                            };
                                            ($dollar($rest:tt)+) => {
                                                $crate::log!($crate::Level::$level, $dollar($rest)+)
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

/// Records a measurement: its name, its unit (UCUM or a plain word), an integer or a float, and perhaps a [`PropertySet`](crate::PropertySet).
///
/// ```
/// framelake::metric!("frame_time", "ms", 16.6);
/// framelake::metric!("bodies", "1", 2_000_u32);
/// # let castle = framelake::PropertySet::EMPTY;
/// framelake::metric!("players", "1", 12, castle);
/// ```
#[macro_export]
macro_rules! metric {
    ($name:expr, $unit:expr, $value:expr $(,)?) => {
        $crate::metric!($name, $unit, $value, $crate::PropertySet::EMPTY)
    };
    ($name:expr, $unit:expr, $value:expr, $properties:expr $(,)?) => {{
        static SITE: $crate::__private::CallSite =
            $crate::__private::CallSite::metric($name, $unit, ::core::module_path!(), ::core::file!(), ::core::line!());
        $crate::__private::metric(&SITE, $value, $properties);
    }};
}

/// Records a span from here to the end of the enclosing scope. Write it as a statement; several in one scope end in reverse order.
/// [`span_guard!`](crate::span_guard) is for a span that ends earlier.
///
/// ```
/// fn update() {
///     framelake::span!("update");
///     for _ in 0..3 {
///         framelake::span!("agent");
///     }
/// }
/// ```
#[macro_export]
macro_rules! span {
    ($name:expr $(,)?) => {
        let _framelake_span = $crate::span_guard!($name);
    };
}

/// Begins a span and returns it; the span ends when the value is dropped.
///
/// ```
/// let load = framelake::span_guard!("load");
/// drop(load);
/// ```
#[macro_export]
macro_rules! span_guard {
    ($name:expr $(,)?) => {{
        static SITE: $crate::__private::CallSite =
            $crate::__private::CallSite::span($name, ::core::module_path!(), ::core::file!(), ::core::line!());
        $crate::Span::begin(&SITE)
    }};
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
