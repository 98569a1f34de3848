//! Seeded chance that many tasks can draw from. A seed gives the same faults, not the same run: the order of draws is the tasks' own.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed | 1))
    }

    pub(crate) fn draw(&self) -> u64 {
        let drawn = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |x| Some(xorshift64(x)));
        xorshift64(drawn.expect("it always draws"))
    }

    /// True in `percent` of 100 cases.
    pub(crate) fn falls(&self, percent: u64) -> bool {
        self.draw() % 100 < percent
    }
}

fn xorshift64(mut x: u64) -> u64 {
    x ^= x << 13;
    x ^= x >> 7;
    x ^ (x << 17)
}
