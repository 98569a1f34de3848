//! A small map that forgets.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Values by id, each for a while; the oldest go first when there are too many.
pub(super) struct Remembered<V> {
    entries: Mutex<HashMap<Uuid, (Instant, V)>>,
    keep: Duration,
    count_max: usize,
}

impl<V: Clone> Remembered<V> {
    pub(super) fn new(keep: Duration, count_max: usize) -> Self {
        Self { entries: Mutex::default(), keep, count_max }
    }

    pub(super) fn put(&self, id: Uuid, value: V, now: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.count_max {
            entries.retain(|_, (since, _)| now.duration_since(*since) < self.keep);
        }
        if entries.len() >= self.count_max
            && let Some(oldest) = entries.iter().min_by_key(|(_, (since, _))| *since).map(|(id, _)| *id)
        {
            entries.remove(&oldest);
        }
        entries.insert(id, (now, value));
    }

    pub(super) fn get(&self, id: Uuid, now: Instant) -> Option<V> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, value) = entries.get(&id)?;
        (now.duration_since(*since) < self.keep).then(|| value.clone())
    }

    pub(super) fn forget(&self, id: Uuid) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_and_the_expired_are_forgotten() {
        let start = Instant::now();
        let remembered = Remembered::new(Duration::from_secs(60), 2);
        let ids = [1, 2, 3].map(Uuid::from_u128);
        for (seconds, id) in ids.into_iter().enumerate() {
            remembered.put(id, seconds, start + Duration::from_secs(seconds as u64));
        }
        let later = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(ids.map(|id| remembered.get(id, later(3))), [None, Some(1), Some(2)]);
        assert_eq!(ids.map(|id| remembered.get(id, later(61))), [None, None, Some(2)]);
    }
}
