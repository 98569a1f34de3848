//! What can be set.

use crate::{Control, Stats};
use framelake_wire::limits::BATCH_BYTES_MAX;
use std::time::Duration;

/// What can be set.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most bytes of batches being read and appended at once; beyond it requests are answered 429. At least one full batch.
    /// Default 64 MiB: eight full batches, a second of the fastest disk's appends.
    pub in_flight_bytes_max: usize,
    /// Longest that a batch may take to arrive. Default 30 s: 8 MiB at 2.2 Mbit/s.
    pub receive_max: Duration,
    /// Longest that the log may take to append a batch before the client is told to send it again. Default 10 s.
    pub append_max: Duration,
    /// What programs are told to record; keep a clone to change it. Default: nothing is said.
    pub control: Control,
    /// Where it is counted; keep a clone to read it.
    pub stats: Stats,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            in_flight_bytes_max: 8 * BATCH_BYTES_MAX,
            receive_max: Duration::from_secs(30),
            append_max: Duration::from_secs(10),
            control: Control::default(),
            stats: Stats::default(),
        }
    }
}
