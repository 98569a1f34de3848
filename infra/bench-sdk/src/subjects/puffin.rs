//! `puffin`: scopes below one that each run begins, as a frame would; a sink that takes every frame and drops it.

use crate::operation::operation;
use crate::{Kind, Nothing, Recorded, Running, Subject, compute};
use anyhow::bail;
use puffin::{GlobalProfiler, profile_scope};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub(super) const PUFFIN: Subject = Subject {
    name: "puffin",
    start: || {
        puffin::set_scopes_on(true);
        GlobalProfiler::lock().add_sink(Box::new(|frame| {
            SCOPES.fetch_add(frame.meta().num_scopes as u64, Relaxed);
        }));
        Ok(Box::new(Recording))
    },
    operations: &[(Kind::Span, span::OPERATION), (Kind::SpanWork, span_work::OPERATION)],
};

/// With its scopes off.
pub(super) const PUFFIN_OFF: Subject = Subject {
    name: "puffin-off",
    start: || Ok(Box::new(Nothing)),
    operations: &[(Kind::DisabledSpan, disabled_span::OPERATION)],
};

static SCOPES: AtomicU64 = AtomicU64::new(0);

struct Recording;

impl Running for Recording {
    fn flush(&self) {
        GlobalProfiler::lock().new_frame();
    }

    fn finish(self: Box<Self>, recorded: &Recorded) -> anyhow::Result<()> {
        GlobalProfiler::lock().new_frame();
        let (came, expected) = (SCOPES.load(Relaxed), recorded.spans + recorded.span_runs);
        if came != expected {
            bail!("{expected} scopes were recorded, {came} came");
        }
        Ok(())
    }
}

operation!(span, [profile_scope!("run");] index, text => {
    profile_scope!("span");
});
operation!(disabled_span, [] index, text => {
    profile_scope!("span");
});
operation!(span_work, [profile_scope!("run"); let mut value = 1;] index, text => {
    profile_scope!("work");
    value = black_box(compute(value));
});
