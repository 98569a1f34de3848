//! How much of everything.

use std::time::Duration;

/// How much of everything is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) flood: Duration,
    /// Of one run of one kind of event.
    pub(crate) cost: Duration,
    pub(crate) cost_runs: usize,
    pub(crate) paced: Duration,
    /// Programs whose spans are read, each for a fresh start: half of them by an aggregate, half whole.
    pub(crate) read_programs: usize,
    /// How long each of them recorded.
    pub(crate) read: Duration,
    /// Small blocks per run.
    pub(crate) blocks: u64,
    pub(crate) blocks_runs: usize,
}

impl Sizes {
    /// Some five minutes.
    pub(crate) const FULL: Self = Self {
        flood: Duration::from_secs(10),
        cost: Duration::from_secs(5),
        cost_runs: 3,
        paced: Duration::from_secs(20),
        read_programs: 6,
        read: Duration::from_secs(5),
        blocks: 40_000,
        blocks_runs: 3,
    };

    pub(crate) const SMOKE: Self = Self {
        flood: Duration::from_secs(1),
        cost: Duration::from_secs(1),
        cost_runs: 1,
        paced: Duration::from_secs(2),
        read_programs: 2,
        read: Duration::from_secs(3),
        blocks: 2_000,
        blocks_runs: 1,
    };
}
