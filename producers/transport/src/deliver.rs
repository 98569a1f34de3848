//! What a carrier does: one attempt to hand over a batch. Waiting, retrying, splitting and counting are the sender's.

use crate::Outgoing;
use std::time::{Duration, Instant};

/// Hands batches over to whatever keeps them.
pub trait Deliver: Send {
    /// One attempt to hand over `batch`, giving up at `deadline` where the carrier can. May be called again with the same
    /// records: what keeps them tells them by their block ids.
    fn deliver(&mut self, batch: &[Outgoing], deadline: Instant) -> Outcome;

    /// Where to, for messages to people.
    fn destination(&self) -> String;
}

/// What became of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Kept, but for the records refused one by one.
    Kept {
        /// Those that will never be kept.
        refused: Vec<Refusal>,
        /// What the other side would have recorded from now on, where it says so: a filter such as `info,net=debug`, not looked into here. Kafka never does.
        control: Option<String>,
    },
    /// Not known to be kept: send it all again, not before `after` where the other side said so.
    Retry {
        /// The least wait, where one was asked for.
        after: Option<Duration>,
        /// What went wrong.
        reason: String,
    },
    /// More than the other side takes at once: send it in parts.
    TooLarge,
    /// The batch as such will never be kept.
    Refused {
        /// What the other side said.
        reason: String,
    },
}

/// A record that will never be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its place in the batch.
    pub index: usize,
    /// What the other side said.
    pub reason: String,
}
