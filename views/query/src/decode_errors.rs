//! Blocks that could not be decoded, for the table `decode_errors`.

use framelake_lake::BlockEntry;
use framelake_wire::UnixNanos;
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// Errors that are kept: the newest 1,000.
const KEPT: usize = 1000;

/// A block that could not be decoded.
#[derive(Clone, Debug)]
pub(crate) struct DecodeError {
    pub(crate) time: UnixNanos,
    pub(crate) view: &'static str,
    pub(crate) block: BlockEntry,
    pub(crate) reason: String,
}

/// The newest errors since the engine started, each block once per view.
#[derive(Debug, Default)]
pub(crate) struct DecodeErrors {
    errors: Mutex<VecDeque<DecodeError>>,
}

impl DecodeErrors {
    pub(crate) fn add(&self, view: &'static str, block: &BlockEntry, reason: String) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos() as UnixNanos);
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.iter().any(|known| known.view == view && known.block.identity() == block.identity()) {
            return;
        }
        if errors.len() == KEPT {
            errors.pop_front();
        }
        errors.push_back(DecodeError { time, view, block: block.clone(), reason });
    }

    pub(crate) fn list(&self) -> Vec<DecodeError> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
