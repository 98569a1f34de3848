//! Frame marks as a column of ticks, and the replay that pairs them.

use super::ticks::TickReader;
use crate::{Error, Result, TimeMap, UnixNanos, varint, varint::Reader};

/// Ordinal and begin of an open frame.
pub(crate) type Open = (u64, UnixNanos);

pub(crate) fn put_open(out: &mut Vec<u8>, open: Option<Open>, first_ordinal: u64, origin: UnixNanos) {
    // An open frame began before this block, so the distance of its ordinal is at least 1, and 0 says that there is none.
    varint::put(out, open.map_or(0, |(ordinal, _)| first_ordinal - ordinal));
    if let Some((_, begin)) = open {
        varint::put_signed(out, begin.wrapping_sub(origin));
    }
}

pub(crate) fn read_open(reader: &mut Reader<'_>, first_ordinal: u64, origin: UnixNanos) -> Result<Option<Open>> {
    match reader.unsigned("open frame")? {
        0 => Ok(None),
        back if back > first_ordinal => Err(Error::invalid("open frame", "an ordinal below 0")),
        back => Ok(Some((first_ordinal - back, reader.signed("open frame")?.wrapping_add(origin)))),
    }
}

/// What [`replay`] goes through; see [`super::spans::Events`].
pub(crate) struct Marks<'a> {
    pub(crate) count: u64,
    pub(crate) ticks: TickReader<'a>,
    pub(crate) drops: &'a [(u64, u64)],
    pub(crate) first_ordinal: u64,
    pub(crate) map: TimeMap,
}

/// Calls `row` with ordinal, begin and end of each frame that ends; returns the ordinal after the last one given out, and how many open
/// frames were lost to drops.
pub(crate) fn replay(
    marks: Marks<'_>,
    open: &mut Option<Open>,
    mut row: impl FnMut(u64, UnixNanos, UnixNanos),
) -> Result<(u64, u64)> {
    let Marks { count, mut ticks, drops, first_ordinal, map } = marks;
    let mut ordinal = first_ordinal;
    let mut at = 0;
    let mut lost = 0;
    for &(place, dropped) in drops.iter().chain([&(count, 0)]) {
        for _ in at..place {
            let time = map.unix_ns(ticks.next()?);
            if let Some((began, begin)) = open.replace((ordinal, time)) {
                row(began, begin, time.max(begin));
            }
            ordinal += 1;
        }
        at = place;
        ordinal += dropped;
        if dropped > 0 {
            lost += u64::from(open.take().is_some());
        }
    }
    ticks.finish()?;
    Ok((ordinal, lost))
}
