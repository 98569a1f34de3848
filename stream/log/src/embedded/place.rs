//! Slot and offset in one integer, so that SQLite's own key order is the order of reading: a partition's records lie together.

use crate::Offset;

/// Bits of the offset: 2^44 records per partition are 5 years at 100,000 a second; 2^19 slots remain.
const OFFSET_BITS: u32 = 44;

/// The key of a record's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) i64);

impl Place {
    /// # Panics
    /// Beyond the bits above.
    pub(super) fn new(slot: usize, offset: Offset) -> Self {
        let slot = i64::try_from(slot).expect("slots are few");
        assert!(slot < 1 << (63 - OFFSET_BITS), "slot {slot} is beyond 2^19");
        assert!((0..=1 << OFFSET_BITS).contains(&offset.0), "offset {offset} is beyond 2^44");
        Self((slot << OFFSET_BITS) + offset.0)
    }

    pub(super) fn offset(self) -> Offset {
        Offset(self.0 & ((1 << OFFSET_BITS) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_order_by_slot_then_offset() {
        let order = [(0, 0), (0, 1), (0, (1 << 44) - 1), (1, 0), (2, 7), ((1 << 19) - 1, 0)];
        let places: Vec<Place> = order.iter().map(|&(slot, offset)| Place::new(slot, Offset(offset))).collect();
        assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
        for (place, (_, offset)) in places.iter().zip(order) {
            assert_eq!(place.offset(), Offset(offset));
        }
    }
}
