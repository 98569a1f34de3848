//! How a match is played.

use std::path::PathBuf;

/// How a match is played and where its record goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long to play, in seconds of the clock; a signal or the end of input stops it earlier.
    pub seconds: u64,
    /// The gateway's address, such as `http://127.0.0.1:8650`; empty leaves it to the recorder's own configuration.
    pub endpoint: String,
    /// Where to write the [`crate::Report`] as JSON.
    pub report: Option<PathBuf>,
    /// What happens in the match, up to timing.
    pub seed: u64,
    /// Walkers; each is about nine spans a frame.
    pub agents: usize,
    /// Threads that think for the walkers, at least 1.
    pub minds: usize,
    /// Stop when standard input ends: a parent that closes it, or dies, ends its game. Not for programs started without an input.
    pub stop_at_end_of_input: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seconds: 15,
            endpoint: String::new(),
            report: None,
            seed: 7,
            // 112 × 9 spans and some 100 others a frame, two events each: about 130,000 events/s at 60 frames/s.
            agents: 112,
            minds: 2,
            stop_at_end_of_input: true,
        }
    }
}
