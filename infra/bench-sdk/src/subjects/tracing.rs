//! `tracing`: spans with the Registry alone, events with the fmt subscriber and a writer that drops them.

use super::{Shown, framelake};
use crate::operation::operation;
use crate::{Kind, Nothing, Subject, compute};
use std::hint::black_box;
use tracing::{Dispatch, debug, dispatcher, info, info_span};
use tracing_subscriber::util::SubscriberInitExt;

pub(super) const REGISTRY: Subject = Subject {
    name: "tracing-registry",
    start: || {
        tracing_subscriber::registry().try_init()?;
        Ok(Box::new(Nothing))
    },
    operations: &[
        (Kind::Span, span::OPERATION),
        (Kind::AsyncSpan, async_span::OPERATION),
        (Kind::SpanWork, span_work::OPERATION),
    ],
};

pub(super) const FMT: Subject = Subject {
    name: "tracing-fmt",
    start: || {
        // Lines up to Info, which is the default.
        tracing_subscriber::fmt().with_writer(std::io::sink).finish().try_init()?;
        Ok(Box::new(Nothing))
    },
    operations: &[
        (Kind::StaticLog, static_log::OPERATION),
        (Kind::Log1, log_1::OPERATION),
        (Kind::Log3, log_3::OPERATION),
        (Kind::LogFields, log_fields::OPERATION),
        (Kind::LogDisplay, log_display::OPERATION),
        (Kind::DisabledLevel, disabled_level::OPERATION),
    ],
};

/// The same into Framelake: its subscriber in place of the Registry and of fmt.
pub(super) const BRIDGE: Subject = Subject {
    name: "bridge",
    start: || {
        let running = framelake::start()?;
        dispatcher::set_global_default(Dispatch::new(::framelake::tracing::subscriber()))?;
        Ok(Box::new(running))
    },
    operations: &[
        (Kind::Span, span::OPERATION),
        (Kind::StaticLog, static_log::OPERATION),
        (Kind::Log1, log_1::OPERATION),
        (Kind::Log3, log_3::OPERATION),
        (Kind::LogFields, log_fields::OPERATION),
        (Kind::LogDisplay, log_display::OPERATION),
        (Kind::DisabledLevel, disabled_level::OPERATION),
        (Kind::SpanWork, span_work::OPERATION),
    ],
};

/// Without a subscriber.
pub(super) const OFF: Subject = Subject {
    name: "tracing-off",
    start: || Ok(Box::new(Nothing)),
    operations: &[(Kind::DisabledLog, log_3::OPERATION), (Kind::DisabledSpan, span::OPERATION)],
};

operation!(span, [] index, text => {
    let _span = info_span!("span").entered();
});
// As `Instrument` does where the future is ready at once.
operation!(async_span, [] index, text => {
    let span = info_span!("async span");
    let _entered = span.enter();
});
operation!(static_log, [] index, text => {
    info!("a line without arguments");
});
operation!(log_1, [] index, text => {
    info!("player {} joined", index);
});
operation!(log_3, [] index, text => {
    info!("player {} joined {} after {} ms", index, text, index);
});
operation!(log_fields, [] index, text => {
    info!(player = index, map = text, ms = index, "a player joined");
});
operation!(log_display, [] index, text => {
    info!("player {} joined {} after {} ms", Shown(index), Shown(text), Shown(index));
});
operation!(disabled_level, [] index, text => {
    debug!("player {} joined {} after {} ms", index, text, index);
});
operation!(span_work, [let mut value = 1;] index, text => {
    let _span = info_span!("work").entered();
    value = black_box(compute(value));
});
