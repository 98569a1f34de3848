//! Ours.

use super::Shown;
use crate::operation::operation;
use crate::{Kind, Nothing, Recorded, Running, Subject, compute};
use anyhow::{Context, bail};
use framelake::transport::{Deliver, Outcome, Outgoing};
use framelake::{Builder, Guard, Level, async_span, counter, debug, histogram, info, metric, span};
use framelake_wire::Block;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Recording, lines up to Info.
pub const FRAMELAKE: Subject = Subject {
    name: "framelake",
    start: || start().map(|running| Box::new(running) as _),
    operations: &[
        (Kind::Span, span::OPERATION),
        (Kind::AsyncSpan, async_span::OPERATION),
        (Kind::StaticLog, static_log::OPERATION),
        (Kind::Log1, log_1::OPERATION),
        (Kind::Log3, log_3::OPERATION),
        (Kind::LogFields, log_fields::OPERATION),
        (Kind::LogDisplay, log_display::OPERATION),
        (Kind::MetricInteger, metric_integer::OPERATION),
        (Kind::MetricFloat, metric_float::OPERATION),
        (Kind::MetricTag, metric_tag::OPERATION),
        (Kind::Counter, counter::OPERATION),
        (Kind::Histogram, histogram::OPERATION),
        (Kind::DisabledLevel, disabled_level::OPERATION),
        (Kind::SpanWork, span_work::OPERATION),
    ],
};

/// Not recording.
pub const FRAMELAKE_OFF: Subject = Subject {
    name: "framelake-off",
    start: || Ok(Box::new(Nothing)),
    operations: &[(Kind::DisabledLog, disabled_log::OPERATION), (Kind::DisabledSpan, disabled_span::OPERATION)],
};

struct Recording(Guard);

/// Starts it.
pub(super) fn start() -> anyhow::Result<impl Running> {
    let guard = Builder::new()
        .level(Level::Info)
        // Far off: between runs it is drained by `flush`.
        .drain_period(Duration::from_secs(60))
        .deliver_by(Box::new(Nowhere))
        .start()?;
    Ok(Recording(guard))
}

impl Running for Recording {
    fn flush(&self) {
        assert!(framelake::flush(Duration::from_secs(60)), "nothing can keep a flush to nowhere from being done");
    }

    fn finish(self: Box<Self>, recorded: &Recorded) -> anyhow::Result<()> {
        let stats = self.0.shutdown().context("the background thread is gone")?.stats;
        let kinds = [stats.logs, stats.metrics, stats.spans, stats.async_spans, stats.frames];
        let dropped: u64 = kinds.iter().map(|kind| kind.dropped).sum();
        // What is added up in the thread is a few rows at each flush, beyond those that were recorded one by one.
        let others = stats.logs.emitted + stats.metrics.emitted;
        let spans = stats.spans.emitted + stats.async_spans.emitted;
        if dropped != 0 || spans != recorded.spans || others < recorded.others {
            bail!("{recorded:?} were recorded, {dropped} of them dropped: {stats:?}");
        }
        Ok(())
    }
}

/// Keeps nothing but the names of the clocks that events were stamped with.
struct Nowhere;

static CLOCK_DOMAINS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The clocks that events were stamped with so far.
#[must_use]
pub fn clock_domains() -> BTreeSet<String> {
    CLOCK_DOMAINS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Deliver for Nowhere {
    fn deliver(&mut self, batch: &[Outgoing], _: Instant) -> Outcome {
        for record in batch.iter().filter(|record| record.rows.is_some()) {
            let block = Block::decode(&record.bytes).expect("a block that was just sealed");
            CLOCK_DOMAINS.lock().unwrap_or_else(PoisonError::into_inner).insert(block.header.clock_domain);
        }
        Outcome::Kept { refused: vec![], control: None }
    }

    fn destination(&self) -> String {
        "nowhere".into()
    }
}

operation!(span, [] index, text => {
    span!("span");
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
operation!(metric_integer, [] index, text => {
    metric!("integer", "1", index.cast_signed());
});
operation!(metric_float, [] index, text => {
    metric!("float", "1", index as f64);
});
operation!(metric_tag, [] index, text => {
    metric!("tagged", "1", index.cast_signed(), map = text);
});
operation!(async_span, [] index, text => {
    drop(async_span!("async span"));
});
operation!(counter, [] index, text => {
    counter!("counter", "1", index.cast_signed());
});
operation!(histogram, [] index, text => {
    histogram!("histogram", "1", index as f64);
});
operation!(disabled_level, [] index, text => {
    debug!("player {} joined {} after {} ms", index, text, index);
});
operation!(disabled_log, [] index, text => {
    info!("player {} joined {} after {} ms", index, text, index);
});
operation!(disabled_span, [] index, text => {
    span!("span");
});
operation!(span_work, [let mut value = 1;] index, text => {
    span!("work");
    value = black_box(compute(value));
});
