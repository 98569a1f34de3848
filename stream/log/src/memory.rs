//! The log in memory, for tests and simulation.

/// A log that lives as long as the value (clones share it).
#[derive(Clone, Debug, Default)]
pub struct Memory {}
