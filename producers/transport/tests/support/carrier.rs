//! A server in memory that is away when it is told to be, and remembers what it keeps.

use framelake_transport::{Deliver, Outcome, Outgoing, Refusal};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering::SeqCst},
};
use std::time::Instant;

/// The server; clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Carrier {
    away: Arc<AtomicBool>,
    kept: Arc<Mutex<Vec<Outgoing>>>,
    /// The first byte of records that are refused.
    refused: Option<u8>,
}

#[allow(dead_code, reason = "not every test uses everything")]
impl Carrier {
    pub(crate) fn away() -> Self {
        let carrier = Self::default();
        carrier.set_away(true);
        carrier
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, SeqCst);
    }

    pub(crate) fn refusing(mut self, first_byte: u8) -> Self {
        self.refused = Some(first_byte);
        self
    }

    /// The records kept, in the order in which they came.
    pub(crate) fn kept(&self) -> Vec<Outgoing> {
        self.kept.lock().unwrap().clone()
    }
}

impl Deliver for Carrier {
    fn deliver(&mut self, batch: &[Outgoing], _deadline: Instant) -> Outcome {
        if self.away.load(SeqCst) {
            return Outcome::Retry { after: None, reason: "away".into() };
        }
        let is_refused = |record: &Outgoing| record.bytes.first().copied() == self.refused && self.refused.is_some();
        let mut refused = Vec::new();
        for (index, record) in batch.iter().enumerate() {
            if is_refused(record) {
                refused.push(Refusal { index, reason: "as told".into() });
            } else {
                self.kept.lock().unwrap().push(record.clone());
            }
        }
        Outcome::Kept { refused, control: None }
    }

    fn destination(&self) -> String {
        "memory".into()
    }
}
