//! Micromegas: its real dispatch, and a sink that takes every block and drops it.

use super::Shown;
use crate::operation::operation;
use crate::{Kind, Nothing, Recorded, Running, Subject, compute};
use anyhow::bail;
use micromegas_tracing::dispatch::{
    flush_log_buffer, flush_metrics_buffer, flush_thread_buffer, init_event_dispatch, init_thread_stream,
    on_begin_async_scope, on_end_async_scope, unregister_thread_stream,
};
use micromegas_tracing::event::{EventSink, TracingBlock};
use micromegas_tracing::levels::{LevelFilter, set_max_level};
use micromegas_tracing::logs::{LogBlock, LogMetadata, LogStream};
use micromegas_tracing::metrics::{MetricsBlock, MetricsStream};
use micromegas_tracing::prelude::*;
use micromegas_tracing::property_set::DynProperty;
use micromegas_tracing::spans::{ThreadBlock, ThreadStream};
use micromegas_tracing::static_span_desc;
use std::collections::HashMap;
use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub(super) const MICROMEGAS: Subject = Subject {
    name: "micromegas",
    start: || start(true).map(|()| Box::new(Recording) as _),
    operations: &[
        (Kind::Span, span::OPERATION),
        (Kind::AsyncSpan, async_span::OPERATION),
        (Kind::StaticLog, static_log::OPERATION),
        (Kind::Log1, log_1::OPERATION),
        (Kind::Log3, log_3::OPERATION),
        (Kind::LogDisplay, log_display::OPERATION),
        (Kind::MetricInteger, metric_integer::OPERATION),
        (Kind::MetricFloat, metric_float::OPERATION),
        (Kind::MetricTag, metric_tag::OPERATION),
        (Kind::DisabledLevel, disabled_level::OPERATION),
        (Kind::SpanWork, span_work::OPERATION),
    ],
};

/// Started with spans off, and all levels off.
pub(super) const MICROMEGAS_OFF: Subject = Subject {
    name: "micromegas-off",
    start: || {
        start(false)?;
        set_max_level(LevelFilter::Off);
        Ok(Box::new(Nothing))
    },
    operations: &[(Kind::DisabledLog, log_3::OPERATION), (Kind::DisabledSpan, span::OPERATION)],
};

/// Large enough for several runs, and small enough that the allocator gives the same memory again: faulted in once, not for every buffer.
const BUFFER_BYTES: usize = 1024 * 1024;

fn start(spans: bool) -> anyhow::Result<()> {
    init_event_dispatch(BUFFER_BYTES, BUFFER_BYTES, BUFFER_BYTES, Arc::new(Sink), HashMap::new(), spans)?;
    set_max_level(LevelFilter::Info);
    Ok(())
}

/// Objects in the blocks that came: a span is two.
static SPAN_OBJECTS: AtomicU64 = AtomicU64::new(0);
static OTHER_OBJECTS: AtomicU64 = AtomicU64::new(0);

struct Recording;

impl Running for Recording {
    fn enter(&self) {
        init_thread_stream();
    }

    fn leave(&self) {
        unregister_thread_stream();
    }

    /// Nothing between runs: a buffer that is full goes to the sink by itself, at the expense of who filled it.
    fn flush(&self) {}

    fn finish(self: Box<Self>, recorded: &Recorded) -> anyhow::Result<()> {
        flush_log_buffer();
        flush_metrics_buffer();
        flush_thread_buffer();
        let (spans, others) = (SPAN_OBJECTS.load(Relaxed), OTHER_OBJECTS.load(Relaxed));
        if spans != 2 * recorded.spans || others != recorded.others {
            bail!("{recorded:?} were recorded, but {spans} begins and ends and {others} others came");
        }
        Ok(())
    }
}

struct Sink;

impl EventSink for Sink {
    fn on_startup(&self, _: Arc<ProcessInfo>) {}
    fn on_shutdown(&self) {}
    fn on_log_enabled(&self, _: &LogMetadata) -> bool {
        true
    }
    fn on_log(&self, _: &LogMetadata, _: &[DynProperty<'_>], _: i64, _: fmt::Arguments<'_>) {}
    fn on_init_log_stream(&self, _: &LogStream) {}
    fn on_process_log_block(&self, block: Arc<LogBlock>) {
        OTHER_OBJECTS.fetch_add(block.nb_objects() as u64, Relaxed);
    }
    fn on_init_metrics_stream(&self, _: &MetricsStream) {}
    fn on_process_metrics_block(&self, block: Arc<MetricsBlock>) {
        OTHER_OBJECTS.fetch_add(block.nb_objects() as u64, Relaxed);
    }
    fn on_init_thread_stream(&self, _: &ThreadStream) {}
    fn on_process_thread_block(&self, block: Arc<ThreadBlock>) {
        SPAN_OBJECTS.fetch_add(block.nb_objects() as u64, Relaxed);
    }
    fn is_busy(&self) -> bool {
        false
    }
}

operation!(span, [] index, text => {
    span_scope!("span");
});
operation!(async_span, [static_span_desc!(SPAN, "async span");] index, text => {
    let id = on_begin_async_scope(&SPAN, 0, 0);
    on_end_async_scope(id, 0, &SPAN, 0);
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
operation!(log_display, [] index, text => {
    info!("player {} joined {} after {} ms", Shown(index), Shown(text), Shown(index));
});
operation!(metric_integer, [] index, text => {
    imetric!("integer", "1", index);
});
operation!(metric_float, [] index, text => {
    fmetric!("float", "1", index as f64);
});
operation!(metric_tag, [] index, text => {
    imetric!("tagged", "1", map = text, index);
});
operation!(disabled_level, [] index, text => {
    debug!("player {} joined {} after {} ms", index, text, index);
});
operation!(span_work, [let mut value = 1;] index, text => {
    span_scope!("work");
    value = black_box(compute(value));
});
