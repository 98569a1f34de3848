//! `tracing` straight into Framelake, without its registry.

use super::fields::{Direct, Fields, Visitor};
use super::site::{self, Site};
use super::span::{self, Parent};
use crate::event::{LOG_ARGS, Lost};
use crate::filter;
use crate::interop::lines;
use crate::record;
use crate::site::Kind;
use std::sync::atomic::Ordering::Relaxed;
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Current, Id, Record};
use tracing_core::{Event, Interest, Metadata};

/// Records the spans and events of `tracing`; see the [module](super).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Subscriber;

/// A subscriber that hands everything to Framelake, to be the only one. Beside others use [`layer`](super::layer).
#[must_use]
pub fn subscriber() -> Subscriber {
    Subscriber
}

impl tracing_core::Subscriber for Subscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Made now, so that the first event finds it.
        let site = site::of(metadata);
        if is_wanted(site) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        match site::known(metadata) {
            Some(site) => is_wanted(site),
            // What is made up at run time, such as for a line of the `log` crate.
            None => filter::allows(kind(metadata), site::level(metadata.level()) as u8, metadata.target()),
        }
    }

    #[inline]
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let parent = match attributes.parent() {
            Some(parent) => Parent::Is(parent.into_u64()),
            None if attributes.is_root() => Parent::None,
            None => Parent::Entered,
        };
        span::id(new_span(attributes, parent))
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        record_fields(id.into_u64(), values);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    #[inline]
    fn event(&self, event: &Event<'_>) {
        record_event(event);
    }

    #[inline]
    fn enter(&self, id: &Id) {
        span::enter(id.into_u64());
    }

    #[inline]
    fn exit(&self, id: &Id) {
        span::exit(id.into_u64());
    }

    #[inline]
    fn clone_span(&self, id: &Id) -> Id {
        span::hold(id.into_u64());
        id.clone()
    }

    #[inline]
    fn try_close(&self, id: Id) -> bool {
        span::release(id.into_u64())
    }

    fn current_span(&self) -> Current {
        match span::current() {
            Some((id, site)) => Current::new(span::id(id), site.metadata),
            None => Current::none(),
        }
    }
}

fn kind(metadata: &Metadata<'_>) -> Kind {
    if metadata.is_span() { Kind::Span } else { Kind::Log }
}

/// Whether Framelake's filter lets it pass. Lines of the `log` crate have targets of their own and are asked for one by one.
fn is_wanted(site: &Site) -> bool {
    site.is_bridge || filter::allows(kind(site.metadata), site.level as u8, site.metadata.target())
}

/// The number of a new span.
#[inline]
pub(super) fn new_span(attributes: &Attributes<'_>, parent: Parent) -> u64 {
    let site = site::of(attributes.metadata());
    span::new(site, parent, |fields| attributes.record(&mut Visitor { site, sink: fields }))
}

pub(super) fn record_fields(id: u64, values: &Record<'_>) {
    span::record(id, |site, fields| values.record(&mut Visitor { site, sink: fields }));
}

/// An event becomes a log line.
#[inline]
pub(super) fn record_event(event: &Event<'_>) {
    let site = site::of(event.metadata());
    if site.is_bridge {
        return record_bridged(event, site);
    }
    let Some(on) = record::log_on(site.level, &site.call) else { return };
    if site.count == 0 {
        return record::log(on);
    }
    if site.is_disordered.load(Relaxed) {
        let mut fields = Fields::default();
        event.record(&mut Visitor { site, sink: &mut fields });
        fields.fill(site.count);
        let head = [(fields.count as u64) << 32 | u64::from(on.id()), fields.codes];
        record::write_words(on.state(), LOG_ARGS, None, &head, fields.words(), Lost::Logs);
        return;
    }
    record::log_found(on, &|found| {
        let mut direct = Direct { found, is_disordered: false };
        event.record(&mut Visitor { site, sink: &mut direct });
        if direct.is_disordered {
            // Values were left out here; from the next event on they are put in order first.
            site.is_disordered.store(true, Relaxed);
        }
        direct.fill(site.count);
    });
}

/// A line of the `log` crate that `tracing-log` made an event of: as if it had come by the logger.
#[cold]
fn record_bridged(event: &Event<'_>, site: &'static Site) {
    #[cfg(feature = "log")]
    if crate::log::is_in_use() {
        // It comes by the logger, too.
        return;
    }
    let mut line = Bridged::default();
    event.record(&mut line);
    let key = lines::Key {
        level: site.level,
        target: &line.target,
        file: &line.file,
        line: u32::try_from(line.line).unwrap_or(0),
        message: None,
        keys: &[],
    };
    let found = lines::of(&key);
    if let Some(on) = lines::on(found, &key) {
        lines::record(on, found, &key, format_args!("{}", line.message), &[]);
    }
}

#[derive(Default)]
struct Bridged {
    message: String,
    target: String,
    file: String,
    line: u64,
}

impl Visit for Bridged {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "log.line" {
            self.line = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "log.target" => value.clone_into(&mut self.target),
            "log.file" => value.clone_into(&mut self.file),
            "message" => value.clone_into(&mut self.message),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}
