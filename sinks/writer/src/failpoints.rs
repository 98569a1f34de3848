//! Where a worker may die: a hook at each step, for tests that kill it there.

use std::{fmt, sync::Arc};

/// A step of the writer or of the relay, named after what has just happened or is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Records came from the log.
    AfterPoll,
    /// They were opened and checked.
    AfterDecode,
    /// They joined the batch.
    AfterGroup,
    /// A batch was cut and made into a segment; the object is about to be put.
    BeforePut,
    /// The object is there.
    AfterPut,
    /// The segment is about to be committed.
    BeforeCommit,
    /// The catalog answered.
    AfterCommit,
    /// The log was told, for tools that show lag.
    AfterHint,
    /// Dead letters are about to be appended to their topic.
    BeforeRelay,
    /// They are there; the outbox does not know yet.
    AfterRelay,
}

impl Step {
    /// Every step, in the order in which a record passes them.
    pub const ALL: [Step; 10] = [
        Step::AfterPoll,
        Step::AfterDecode,
        Step::AfterGroup,
        Step::BeforePut,
        Step::AfterPut,
        Step::BeforeCommit,
        Step::AfterCommit,
        Step::AfterHint,
        Step::BeforeRelay,
        Step::AfterRelay,
    ];
}

type Hook = dyn Fn(Step) -> bool + Send + Sync;

/// Asks a hook at each step whether to go no further; the default never asks.
#[derive(Clone, Default)]
pub struct Failpoints(Option<Arc<Hook>>);

impl Failpoints {
    /// `stop_at` is called at each step; where it returns true the task stays there for good, as if the machine had stopped, until it is dropped.
    pub fn new(stop_at: impl Fn(Step) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(stop_at)))
    }

    pub(crate) async fn reach(&self, step: Step) {
        if self.0.as_ref().is_some_and(|stop_at| stop_at(step)) {
            std::future::pending().await
        }
    }
}

impl fmt::Debug for Failpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Failpoints(set)" } else { "Failpoints(none)" })
    }
}
