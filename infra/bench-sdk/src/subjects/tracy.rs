//! `tracy-client`, with no profiler connected: what is recorded waits in memory, so nothing can be lost and everything adds up.

use super::Shown;
use crate::operation::operation;
use crate::{Kind, Recorded, Running, Subject, compute};
use std::hint::black_box;
use tracy_client::{Client, plot, span};

pub(super) const TRACY: Subject = Subject {
    name: "tracy",
    start: || Ok(Box::new(Recording { _client: Client::start() })),
    operations: &[
        (Kind::Span, span::OPERATION),
        (Kind::StaticLog, static_log::OPERATION),
        (Kind::Log3, log_3::OPERATION),
        (Kind::LogDisplay, log_display::OPERATION),
        (Kind::MetricFloat, metric_float::OPERATION),
        (Kind::SpanWork, span_work::OPERATION),
    ],
};

struct Recording {
    /// Keeps it running.
    _client: Client,
}

impl Running for Recording {
    fn finish(self: Box<Self>, _: &Recorded) -> anyhow::Result<()> {
        Ok(())
    }
}

operation!(span, [] index, text => {
    let _span = span!("span");
});
operation!(static_log, [let client = Client::running().expect("started");] index, text => {
    client.message("a line without arguments", 0);
});
operation!(log_3, [let client = Client::running().expect("started");] index, text => {
    client.message(&format!("player {} joined {} after {} ms", index, text, index), 0);
});
operation!(log_display, [let client = Client::running().expect("started");] index, text => {
    client.message(&format!("player {} joined {} after {} ms", Shown(index), Shown(text), Shown(index)), 0);
});
operation!(metric_float, [] index, text => {
    plot!("float", index as f64);
});
operation!(span_work, [let mut value = 1;] index, text => {
    let _span = span!("work");
    value = black_box(compute(value));
});
