//! Work that is not ours: what a program does between its events.

/// 1 MiB: the second-level cache of most cores, and many times the first.
const WORDS: usize = 1024 * 1024 / 8;
/// Lines touched between two events: 512 × 64 B = 32 KiB, a whole first-level cache, so that no line of a recorder stays there.
const LINES: usize = 512;
const WORDS_PER_LINE: usize = 8;

/// Touches memory and branches on what it finds there, so that caches and branch predictors are not the recorder's.
#[derive(Debug)]
pub struct Work {
    memory: Vec<u64>,
    at: usize,
    random: u64,
}

impl Default for Work {
    fn default() -> Self {
        Self { memory: vec![1; WORDS], at: 0, random: 1 }
    }
}

impl Work {
    /// What a program does between two events; some microseconds.
    #[inline(never)]
    pub fn step(&mut self) {
        for _ in 0..LINES {
            // All 16,384 lines in an order that prefetchers do not foresee: 4,099 is prime and odd, so each comes once a round.
            self.at = (self.at + 4_099 * WORDS_PER_LINE) % WORDS;
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let word = &mut self.memory[self.at];
            // One in eight is not foreseen either.
            if (self.random ^ *word) >> 61 == 0 {
                *word = word.rotate_left(7) ^ self.random;
            } else {
                *word = word.wrapping_add(1);
            }
        }
    }
}

/// About 100 ns: multiplications and shifts that wait for each other, 5 to 6 cycles a turn, and have no shorter
/// form that a compiler could find. Give it what it returned: then no turn of the loop overlaps the next.
#[inline(never)]
#[must_use]
pub fn compute(seed: u64) -> u64 {
    let mut value = seed | 1;
    for _ in 0..52 {
        value = (value ^ value >> 29).wrapping_mul(6_364_136_223_846_793_005);
    }
    value
}
