//! Where events were dropped: their ordinals are used up between those of the events that were recorded.

use crate::{Error, Result, varint, varint::Reader};

/// Drops being written: for each place, how many events come before it and how many were dropped there.
#[derive(Debug, Default)]
pub(crate) struct Drops {
    places: Vec<(u64, u64)>,
    total: u64,
}

impl Drops {
    /// `count` events were dropped after `event_count` recorded ones.
    pub(crate) fn add(&mut self, event_count: usize, count: u64) {
        if count == 0 {
            return;
        }
        self.total = self.total.saturating_add(count);
        match self.places.last_mut() {
            Some((at, before)) if *at == event_count as u64 => *before = before.saturating_add(count),
            _ => self.places.push((event_count as u64, count)),
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(crate) fn places(&self) -> &[(u64, u64)] {
        &self.places
    }

    /// Bytes when written, for limits: both numbers of a place seldom need their ten.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        10 + 13 * self.places.len()
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        varint::put(out, self.places.len() as u64);
        let mut last = 0;
        for &(at, count) in &self.places {
            varint::put(out, at - last);
            varint::put(out, count);
            last = at;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.places.clear();
        self.total = 0;
    }
}

/// The places that [`Drops::put`] wrote, checked: ascending, none beyond `event_count`, at most `total` in sum.
pub(crate) fn read(reader: &mut Reader<'_>, event_count: u64, total: u64) -> Result<Vec<(u64, u64)>> {
    let count = reader.unsigned("drops")?;
    if count > event_count + 1 || count > reader.left() as u64 {
        return Err(Error::invalid("drops", "more places than events"));
    }
    let mut places = Vec::with_capacity(count as usize);
    let (mut at, mut sum) = (0u64, 0u64);
    for index in 0..count {
        let step = reader.unsigned("drops")?;
        let dropped = reader.unsigned("drops")?;
        if (step == 0 && index > 0) || dropped == 0 {
            return Err(Error::invalid("drops", "two at one place, or none at one"));
        }
        at = at.saturating_add(step);
        sum = sum.saturating_add(dropped);
        if at > event_count || sum > total {
            return Err(Error::invalid("drops", "beyond the header's counts"));
        }
        places.push((at, dropped));
    }
    Ok(places)
}

/// Calls `run` with the first ordinal of each run of events between drops and the events' range; returns the ordinal after all.
pub(crate) fn runs(
    places: &[(u64, u64)],
    event_count: u64,
    first_ordinal: u64,
    mut run: impl FnMut(u64, std::ops::Range<usize>),
) -> u64 {
    let (mut ordinal, mut at) = (first_ordinal, 0);
    for &(place, count) in places {
        run(ordinal, at as usize..place as usize);
        ordinal += place - at + count;
        at = place;
    }
    run(ordinal, at as usize..event_count as usize);
    ordinal + (event_count - at)
}
