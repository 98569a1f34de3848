//! `fastrace`: spans below a root that each run begins, as a request would; a reporter that counts them and drops them.

use crate::operation::operation;
use crate::{Kind, Nothing, Recorded, Running, Subject, compute};
use anyhow::bail;
use fastrace::Span;
use fastrace::collector::{Config, Reporter, SpanRecord};
use fastrace::local::LocalSpan;
use fastrace::prelude::SpanContext;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub(super) const FASTRACE: Subject = Subject {
    name: "fastrace",
    start: || {
        fastrace::set_reporter(Drops, Config::default());
        Ok(Box::new(Recording))
    },
    operations: &[
        (Kind::Span, span::OPERATION),
        (Kind::AsyncSpan, async_span::OPERATION),
        (Kind::SpanWork, span_work::OPERATION),
    ],
};

/// Without a reporter and without a root.
pub(super) const FASTRACE_OFF: Subject = Subject {
    name: "fastrace-off",
    start: || Ok(Box::new(Nothing)),
    operations: &[(Kind::DisabledSpan, disabled_span::OPERATION)],
};

static RECORDS: AtomicU64 = AtomicU64::new(0);

struct Drops;

impl Reporter for Drops {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        RECORDS.fetch_add(spans.len() as u64, Relaxed);
    }
}

struct Recording;

impl Running for Recording {
    fn flush(&self) {
        fastrace::flush();
    }

    fn finish(self: Box<Self>, recorded: &Recorded) -> anyhow::Result<()> {
        fastrace::flush();
        let (came, expected) = (RECORDS.load(Relaxed), recorded.spans + recorded.span_runs);
        if came != expected {
            bail!("{expected} spans were recorded, {came} came");
        }
        Ok(())
    }
}

operation!(span, [let root = Span::root("root", SpanContext::random()); let _parent = root.set_local_parent();] index, text => {
    let _span = LocalSpan::enter_with_local_parent("span");
});
operation!(async_span, [let root = Span::root("root", SpanContext::random());] index, text => {
    let _span = Span::enter_with_parent("async span", &root);
});
operation!(disabled_span, [] index, text => {
    let _span = LocalSpan::enter_with_local_parent("span");
});
operation!(span_work, [let root = Span::root("root", SpanContext::random()); let _parent = root.set_local_parent(); let mut value = 1;] index, text => {
    let _span = LocalSpan::enter_with_local_parent("work");
    value = black_box(compute(value));
});
