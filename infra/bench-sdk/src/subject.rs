//! Who is measured.

use crate::{Kind, Operation};

/// A recorder, in one of its states. Each has a process of its own: most have globals, and none shall share caches, threads or an allocator with another.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// Unique; what stands before the `-` is the column in which its figures are shown.
    pub name: &'static str,
    pub start: fn() -> anyhow::Result<Box<dyn Running>>,
    pub operations: &'static [(Kind, Operation)],
}

impl Subject {
    #[must_use]
    pub fn operation(&self, kind: Kind) -> Option<Operation> {
        self.operations.iter().find(|(candidate, _)| *candidate == kind).map(|(_, operation)| *operation)
    }

    #[must_use]
    pub fn column(&self) -> &'static str {
        self.name.split('-').next().unwrap_or(self.name)
    }
}

/// A recorder that runs.
pub trait Running: Sync {
    /// Called by each thread before it records.
    fn enter(&self) {}

    /// Called by each thread but the first when it has recorded all.
    fn leave(&self) {}

    /// Takes away what was recorded so far. Called between runs, unmeasured: dropping would be faster than recording.
    fn flush(&self) {}

    /// Everything is recorded and flushed. Fails unless all of it arrived, where that can be told.
    fn finish(self: Box<Self>, recorded: &Recorded) -> anyhow::Result<()>;
}

/// What was done with a recorder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    pub spans: u64,
    /// Log lines and measurements.
    pub others: u64,
    /// Runs with spans: some recorders need a span around them.
    pub span_runs: u64,
}

impl Recorded {
    /// A run of `count` operations.
    pub fn add(&mut self, kind: Kind, count: u64) {
        let (spans, others) = kind.events();
        self.spans += spans * count;
        self.others += others * count;
        self.span_runs += u64::from(spans > 0);
    }
}

/// Records nothing that could be missed.
#[derive(Debug)]
pub struct Nothing;

impl Running for Nothing {
    fn finish(self: Box<Self>, _: &Recorded) -> anyhow::Result<()> {
        Ok(())
    }
}
