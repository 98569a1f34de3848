//! A set of sequences as half-open ranges: what of a stream is there. A stream that lost nothing is one range, however long.

use super::{
    entries::{Reader, put_unsigned},
    session::damaged,
};
use crate::Result;
use std::ops::Range;

/// The layout of packed sets that this version writes.
const VERSION: u8 = 1;

/// Ascending ranges that neither touch nor overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sequences(Vec<(u64, u64)>);

impl Sequences {
    /// Puts `sequence` (below 2^63) in; false where it was in already.
    pub(super) fn insert(&mut self, sequence: u64) -> bool {
        let next = sequence + 1;
        // The first range that ends at or after `sequence`: the one that holds it, or that it prolongs, or the one behind it.
        let at = self.0.partition_point(|&(_, to)| to < sequence);
        match self.0.get(at).copied() {
            Some((from, to)) if from <= sequence && sequence < to => false,
            Some((_, to)) if to == sequence => {
                match self.0.get(at + 1).copied() {
                    Some((from, to)) if from == next => {
                        self.0[at].1 = to;
                        self.0.remove(at + 1);
                    }
                    _ => self.0[at].1 = next,
                }
                true
            }
            Some((from, _)) if from == next => {
                self.0[at].0 = sequence;
                true
            }
            _ => {
                self.0.insert(at, (sequence, next));
                true
            }
        }
    }

    pub(super) fn contains(&self, sequence: u64) -> bool {
        let at = self.0.partition_point(|&(_, to)| to <= sequence);
        self.0.get(at).is_some_and(|&(from, _)| from <= sequence)
    }

    /// Takes `sequence` out.
    pub(super) fn remove(&mut self, sequence: u64) {
        let at = self.0.partition_point(|&(_, to)| to <= sequence);
        let Some(&(from, to)) = self.0.get(at).filter(|&&(from, _)| from <= sequence) else { return };
        let left = (from < sequence).then_some((from, sequence));
        let right = (sequence + 1 < to).then_some((sequence + 1, to));
        self.0.splice(at..=at, left.into_iter().chain(right));
    }

    /// Sequences that are not there between `expired_below` and the greatest that is.
    pub(super) fn missing(&self, expired_below: u64) -> u64 {
        let mut expected = expired_below;
        let mut missing = 0;
        for &(from, to) in &self.0 {
            missing += from.saturating_sub(expected);
            expected = expected.max(to);
        }
        missing
    }

    pub(super) fn into_ranges(self) -> Vec<(u64, u64)> {
        self.0
    }

    /// The set as bytes: a version, how many ranges, and for each the gap before it and its length as varints.
    pub(super) fn pack(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_unsigned(&mut out, self.0.len() as u64);
        let mut end = 0;
        for &(from, to) in &self.0 {
            put_unsigned(&mut out, from - end);
            put_unsigned(&mut out, to - from);
            end = to;
        }
        out
    }

    pub(super) fn unpack(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(damaged("sequences of an unknown layout"));
        }
        let mut ranges = Vec::new();
        let mut end = 0u64;
        for _ in 0..reader.unsigned()? {
            let Range { start, end: to } = reader.range_after(end)?;
            ranges.push((start, to));
            end = to;
        }
        reader.finish()?;
        Ok(Self(ranges))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A fixed generator (xorshift64), so that a failure comes again.
    fn numbers(mut state: u64) -> impl Iterator<Item = u64> {
        std::iter::from_fn(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            Some(state)
        })
    }

    #[test]
    fn answers_as_a_set_of_numbers_does() {
        let mut set = Sequences::default();
        let mut model = BTreeSet::new();
        for (step, number) in numbers(42).take(4_000).enumerate() {
            let sequence = number % 200;
            if number & 0x300 == 0 {
                set.remove(sequence);
                model.remove(&sequence);
            } else {
                assert_eq!(set.insert(sequence), model.insert(sequence), "step {step}");
            }
            assert_eq!(set.contains(sequence), model.contains(&sequence), "step {step}");
            let listed: Vec<u64> = set.0.iter().flat_map(|&(from, to)| from..to).collect();
            assert_eq!(listed, model.iter().copied().collect::<Vec<_>>(), "step {step}");
            assert!(set.0.windows(2).all(|pair| pair[0].1 < pair[1].0), "ranges touch at step {step}");
        }
        assert_eq!(Sequences::unpack(&set.pack()).unwrap(), set);
    }

    #[test]
    fn a_long_stream_takes_a_few_bytes() {
        let mut set = Sequences::default();
        (0..100_000).for_each(|sequence| assert!(set.insert(sequence)));
        assert_eq!(set.pack().len(), 1 + 1 + 1 + 3);
        assert_eq!(set.missing(0), 0);
        set.insert(100_010);
        assert_eq!(set.missing(0), 10);
        assert_eq!(set.missing(100_004), 6);
    }
}
