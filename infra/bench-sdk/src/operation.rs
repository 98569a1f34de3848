//! What is measured: kinds of operation, and a subject's way to do one.

use crate::Work;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A turn of the loop that all others are in.
    Loop,
    /// The clock, read.
    Clock,
    /// Begin and end.
    Span,
    /// Begin and end.
    AsyncSpan,
    StaticLog,
    /// A line with a u64.
    Log1,
    /// A line with a u64, a string of 13 bytes and a u64.
    Log3,
    /// A line with the same three as fields.
    LogFields,
    /// The same three by their `Display`.
    LogDisplay,
    MetricInteger,
    MetricFloat,
    /// An integer with one tag whose value is a string known when it runs.
    MetricTag,
    Counter,
    Histogram,
    /// A line below the level that is recorded.
    DisabledLevel,
    /// A line while nothing is recorded.
    DisabledLog,
    /// A span while nothing is recorded.
    DisabledSpan,
    /// [`crate::compute`] alone.
    Work,
    /// The same in a span.
    SpanWork,
}

impl Kind {
    pub const ALL: [Kind; 19] = [
        Kind::Loop,
        Kind::Clock,
        Kind::Span,
        Kind::AsyncSpan,
        Kind::StaticLog,
        Kind::Log1,
        Kind::Log3,
        Kind::LogFields,
        Kind::LogDisplay,
        Kind::MetricInteger,
        Kind::MetricFloat,
        Kind::MetricTag,
        Kind::Counter,
        Kind::Histogram,
        Kind::DisabledLevel,
        Kind::DisabledLog,
        Kind::DisabledSpan,
        Kind::Work,
        Kind::SpanWork,
    ];

    /// For people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Kind::Loop => "nothing (the loop itself)",
            Kind::Clock => "the clock, read",
            Kind::Span => "span, begin + end",
            Kind::AsyncSpan => "async span, begin + end",
            Kind::StaticLog => "static log line",
            Kind::Log1 => "log, 1 argument",
            Kind::Log3 => "log, 3 arguments",
            Kind::LogFields => "log, 3 fields",
            Kind::LogDisplay => "log, 3 arguments by Display",
            Kind::MetricInteger => "metric, i64",
            Kind::MetricFloat => "metric, f64",
            Kind::MetricTag => "metric, one dynamic string tag",
            Kind::Counter => "counter, in the thread",
            Kind::Histogram => "histogram, in the thread",
            Kind::DisabledLevel => "disabled by level, log",
            Kind::DisabledLog => "disabled at run time, log",
            Kind::DisabledSpan => "disabled at run time, span",
            Kind::Work => "~100 ns of work alone",
            Kind::SpanWork => "~100 ns of work in a span",
        }
    }

    /// Spans recorded by one operation, and other events.
    #[must_use]
    pub fn events(self) -> (u64, u64) {
        match self {
            Kind::Span | Kind::AsyncSpan | Kind::SpanWork => (1, 0),
            Kind::StaticLog | Kind::Log1 | Kind::Log3 | Kind::LogFields | Kind::LogDisplay => (0, 1),
            Kind::MetricInteger | Kind::MetricFloat | Kind::MetricTag => (0, 1),
            // Aggregated: how many events come of them is the subject's affair.
            Kind::Counter | Kind::Histogram => (0, 0),
            Kind::Loop | Kind::Clock | Kind::Work => (0, 0),
            Kind::DisabledLevel | Kind::DisabledLog | Kind::DisabledSpan => (0, 0),
        }
    }
}

/// One way to do it, compiled into a loop of its own.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Does it `count` times, and nothing else.
    pub measured: fn(u32),
    /// Does it once for each slot and stores the ticks that it took; before each does some [`Work`], where there is any.
    pub timed: fn(&mut [u32], Option<&mut Work>),
}

/// The 13 bytes that lines and tags carry.
pub(crate) const TEXT: &str = "castle-arena1";

/// Defines a module with an [`Operation`]: what comes before the loop, then the body with the turn's number and a text as variables.
macro_rules! operation {
    ($name:ident, [$($setup:tt)*] $index:ident, $text:ident => $body:block) => {
        mod $name {
            #[allow(unused_imports, reason = "not every operation uses what its file does")]
            use super::*;

            #[inline(never)]
            fn measured(count: u32) {
                // The compiler must not know the text's length.
                let $text: &str = std::hint::black_box($crate::operation::TEXT);
                let _ = $text;
                $($setup)*
                for $index in 0..u64::from(count) {
                    let _ = $index;
                    $body
                }
            }

            #[inline(never)]
            fn timed(ticks: &mut [u32], mut work: Option<&mut $crate::Work>) {
                let $text: &str = std::hint::black_box($crate::operation::TEXT);
                let _ = $text;
                $($setup)*
                for ($index, slot) in (0_u64..).zip(ticks) {
                    let _ = $index;
                    if let Some(work) = work.as_deref_mut() {
                        work.step();
                    }
                    let begin = $crate::counter();
                    $body
                    *slot = u32::try_from($crate::counter().wrapping_sub(begin)).unwrap_or(u32::MAX);
                }
            }

            pub(super) const OPERATION: $crate::Operation = $crate::Operation { measured, timed };
        }
    };
}
pub(crate) use operation;
