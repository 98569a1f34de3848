//! What the macros call for events with arguments.

use crate::arg::Args;
use crate::clock::{self, OFF};
use crate::record::{self, MetricValue, Span, log_enabled};
use crate::site::CallSite;
use crate::{Level, PropertySet};
use framelake_wire::Arg;
use framelake_wire::template::Template;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::sync::atomic::Ordering::{Acquire, Release};

thread_local! {
    static TEXT: Cell<String> = const { Cell::new(String::new()) };
}

/// Says that an event of this call site is recorded.
#[derive(Clone, Copy, Debug)]
pub struct On {
    site: &'static CallSite,
}

/// Whether lines of `level` are recorded now.
#[inline(always)]
#[must_use]
pub fn log_on(level: Level, site: &'static CallSite) -> Option<On> {
    log_enabled(level).then_some(On { site })
}

/// Whether events are recorded now.
#[inline(always)]
#[must_use]
pub fn on(site: &'static CallSite) -> Option<On> {
    (clock::recording() != OFF).then_some(On { site })
}

/// Records a line without arguments.
#[inline(always)]
pub fn log(on: On) {
    if crate::__private::is_plain(on.site.name) {
        record::log(on.site);
    } else {
        log_args(on, ());
    }
}

/// Records a line with arguments.
pub fn log_args(on: On, args: impl Args) {
    record::log_formatted(on.site, format_args!("{}", Rendered { site: on.site, args }));
}

/// Records a line as text.
pub fn log_formatted(on: On, text: fmt::Arguments<'_>) {
    record::log_formatted(on.site, text);
}

struct Rendered<A> {
    site: &'static CallSite,
    args: A,
}

impl<A: Args> fmt::Display for Rendered<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parsed = self.site.parsed.load(Acquire);
        if parsed.is_null() {
            let source = if self.site.template.is_empty() { self.site.name } else { self.site.template };
            parsed = Box::leak(Box::new(Template::parse(source, self.site.args)));
            self.site.parsed.store(parsed, Release);
        }
        // SAFETY: leaked, and stored with Release.
        let template = unsafe { &*parsed };
        // Texts first, because formatting them may come here again.
        let mut texts = Vec::new();
        self.args.for_each(|arg| texts.extend(arg.as_formatted().map(|text| text.to_string())));
        let mut texts = texts.iter();
        let (mut all, mut count) = ([Arg::None; 16], 0);
        self.args.for_each(|arg| {
            all[count] = match arg.as_arg() {
                Arg::Text(_) => texts.next().map_or(Arg::None, |text| Arg::Text(text)),
                raw => raw,
            };
            count += 1;
        });
        let mut out = TEXT.take();
        out.clear();
        template.render(&mut out, &all[..count]);
        let written = f.write_str(&out);
        TEXT.set(out);
        written
    }
}

/// Records a measurement with tags.
pub fn metric_args(on: On, value: impl MetricValue, _tags: impl Args) {
    record::metric(on.site, value, PropertySet::EMPTY);
}

/// Adds to a counter.
pub fn counter(site: &'static CallSite, count: impl MetricValue) {
    record::metric(site, count, PropertySet::EMPTY);
}

/// Adds a value to a histogram.
pub fn histogram(site: &'static CallSite, value: impl MetricValue) {
    record::metric(site, value, PropertySet::EMPTY);
}

impl Span {
    /// Begins a span with arguments.
    pub fn begin_with(on: On, _args: impl Args) -> Self {
        Span::begin(on.site)
    }
}

/// A span that may move between threads.
#[derive(Debug)]
pub struct AsyncSpan {
    _private: (),
}

impl AsyncSpan {
    /// Begins a span.
    pub fn begin(_site: &'static CallSite) -> Self {
        Self { _private: () }
    }

    /// Begins a span with arguments.
    pub fn begin_with(_on: On, _args: impl Args) -> Self {
        Self { _private: () }
    }

    /// A span that is not recorded.
    pub fn none() -> Self {
        Self { _private: () }
    }
}

/// Puts a future into a span.
pub trait Instrument: Future + Sized {
    /// The future within the span.
    fn instrument(self, span: AsyncSpan) -> impl Future<Output = Self::Output> {
        async move {
            let _span = span;
            self.await
        }
    }
}

impl<F: Future> Instrument for F {}
