//! What recording costs the game, measured where the game runs: a few calls are timed on each of its threads in every frame.

use std::iter::Sum;
use std::ops::Add;
use std::time::Instant;

use framelake::span;

/// Span pairs timed at once.
const PAIRS: u64 = 4;

/// Time spent in timed calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) nanoseconds: u64,
    pub(crate) events: u64,
}

impl Add for Sample {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { nanoseconds: self.nanoseconds + other.nanoseconds, events: self.events + other.events }
    }
}

impl Sum for Sample {
    fn sum<I: Iterator<Item = Self>>(samples: I) -> Self {
        samples.fold(Self::default(), Self::add)
    }
}

/// Times [`PAIRS`] spans and nothing else, on the thread that calls.
pub(crate) fn measure() -> Sample {
    let begin = Instant::now();
    for _ in 0..PAIRS {
        span!("probe");
    }
    Sample { nanoseconds: begin.elapsed().as_nanos() as u64, events: 2 * PAIRS }
}
