//! Futures within async spans.

use crate::AsyncSpan;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Puts futures into spans.
pub trait Instrument: Sized {
    /// The future within `span`: while it is polled, async spans that begin are the span's children, on whatever thread. The span ends when the future
    /// is dropped, or is done.
    ///
    /// ```
    /// # use framelake::Instrument;
    /// # async fn load(map: &str) {}
    /// # let map = "castle";
    /// let loaded = load(map).instrument(framelake::async_span!("load", map));
    /// ```
    fn instrument(self, span: AsyncSpan) -> Instrumented<Self> {
        Instrumented { future: self, span: Some(span) }
    }

    /// The future as a child of the async span that is current here, where it will be polled elsewhere: what one hands to `spawn`. No span of its own.
    fn in_current_span(self) -> InCurrentSpan<Self> {
        InCurrentSpan { future: self, around: crate::thread::current_async() }
    }
}

impl<F: Future> Instrument for F {}

/// A future within a span; see [`Instrument::instrument`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Instrumented<F> {
    future: F,
    /// Taken when the future is done.
    span: Option<AsyncSpan>,
}

impl<F> Instrumented<F> {
    /// The span; `None` once the future is done.
    pub fn span(&self) -> Option<&AsyncSpan> {
        self.span.as_ref()
    }
}

impl<F: Future> Future for Instrumented<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `future` is pinned as this is and never moved out of it; `span` is not pinned, and nothing here depends on where it is.
        let (future, span) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.future), &mut this.span)
        };
        let entered = span.as_ref().map(AsyncSpan::enter);
        let poll = future.poll(context);
        drop(entered);
        if poll.is_ready() {
            *span = None;
        }
        poll
    }
}

/// A future whose async spans are children of one that was current elsewhere; see [`Instrument::in_current_span`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct InCurrentSpan<F> {
    future: F,
    around: u64,
}

impl<F: Future> Future for InCurrentSpan<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let around = self.around;
        // SAFETY: `future` is pinned as this is and never moved out of it.
        let future = unsafe { self.map_unchecked_mut(|this| &mut this.future) };
        let _entered = crate::record::Entered::within(around);
        future.poll(context)
    }
}
