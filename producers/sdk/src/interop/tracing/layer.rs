//! `tracing` into Framelake beside other layers.

use super::span::{self, Parent};
use super::subscriber;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Records the spans and events of `tracing`; see the [module](super).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Layer;

/// A layer that hands everything to Framelake. Other layers see what they saw before, whatever Framelake's filter says; a filter of its own
/// (`layer().with_filter(…)`) holds as well.
///
/// ```standalone_crate
/// use tracing_subscriber::prelude::*;
/// tracing_subscriber::registry().with(framelake::tracing::layer()).with(tracing_subscriber::fmt::layer()).init();
/// ```
#[must_use]
pub fn layer() -> Layer {
    Layer
}

/// The number of the span here, which is not the registry's.
struct Number(u64);

fn number<S: Subscriber + for<'a> LookupSpan<'a>>(id: &Id, context: &Context<'_, S>) -> Option<u64> {
    let span = context.span(id)?;
    let extensions = span.extensions();
    extensions.get::<Number>().map(|number| number.0)
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Layer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        // The innermost around it that this layer was told of.
        let parent = span.parent().and_then(|parent| parent.extensions().get::<Number>().map(|number| number.0));
        let number = subscriber::new_span(attributes, parent.map_or(Parent::None, Parent::Is));
        span.extensions_mut().insert(Number(number));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(number) = number(id, &context) {
            subscriber::record_fields(number, values);
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        subscriber::record_event(event);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(number) = number(id, &context) {
            span::enter(number);
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        if let Some(number) = number(id, &context) {
            span::exit(number);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(number) = number(&id, &context) {
            span::release(number);
        }
    }
}
