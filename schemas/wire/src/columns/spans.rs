//! Spans as columns, and the one replay that gives them times, parents and self times.
//!
//! The encoder replays a block when it seals it, to learn what is still open and for how long; the decoder replays it to make rows.
//! Both run [`replay`] over the same bytes with the same time map, so they agree to the nanosecond.

use super::ticks::TickReader;
use crate::{Error, Result, TimeMap, UnixNanos, limits::SPAN_DEPTH_MAX, varint, varint::Reader};

/// Codes of the column of edges: an end, an end that was lost and is made up for, and from there on the begins, by call site.
pub(crate) const END: u64 = 0;
pub(crate) const END_TRUNCATED: u64 = 1;
pub(crate) const BEGIN: u64 = 2;

/// An open span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// The block's local number of the call site.
    pub(crate) site: u32,
    pub(crate) ordinal: u64,
    pub(crate) begin: UnixNanos,
    pub(crate) child_ns: i64,
    /// Its number among the spans of its call site that have arguments, in the order in which those stand in the block: those open at the block's begin, then
    /// those that begin in it. 0 where the call site has none.
    pub(crate) args: u32,
}

/// Most bytes of one open span when written: site, ordinal, begin, child time.
pub(crate) const OPEN_BYTES_MAX: usize = 5 + 10 + 10 + 10;

/// Appends the stack of open spans, outermost first.
pub(crate) fn put_open(out: &mut Vec<u8>, stack: &[Open], first_ordinal: u64, origin: UnixNanos) {
    varint::put(out, stack.len() as u64);
    for open in stack {
        varint::put(out, u64::from(open.site));
        varint::put(out, first_ordinal - open.ordinal);
        varint::put_signed(out, open.begin.wrapping_sub(origin));
        varint::put(out, open.child_ns.cast_unsigned());
    }
}

/// Reads what [`put_open`] wrote: ordinals ascend and lie before the block's.
pub(crate) fn read_open(
    reader: &mut Reader<'_>,
    first_ordinal: u64,
    origin: UnixNanos,
    begins: &mut Begins,
) -> Result<Vec<Open>> {
    let count = Error::within("open spans", reader.unsigned("open spans")?, SPAN_DEPTH_MAX)?;
    // Ordinals take room as they are given out; spans open now will need no more than the depth's limit.
    let mut stack = Vec::with_capacity(count);
    let mut back_before = u64::MAX;
    for _ in 0..count {
        let site = reader.unsigned("open spans")?;
        let back = reader.unsigned("open spans")?;
        let begin = reader.signed("open spans")?.wrapping_add(origin);
        let child_ns = reader.unsigned("open spans")?.cast_signed();
        let Some(args) = begins.count(site) else {
            return Err(Error::invalid("open spans", format!("call site {site} of {}", begins.len())));
        };
        if back == 0 || back >= back_before || back > first_ordinal || child_ns < 0 {
            return Err(Error::invalid("open spans", "not in the order of their ordinals"));
        }
        back_before = back;
        stack.push(Open { site: site as u32, ordinal: first_ordinal - back, begin, child_ns, args });
    }
    Ok(stack)
}

/// How many spans with arguments each call site of a block has.
#[derive(Debug, Default)]
pub(crate) struct Begins {
    /// `None` for call sites without arguments.
    counts: Vec<Option<u32>>,
}

impl Begins {
    /// For call sites that have arguments or have none.
    pub(crate) fn new(has_args: impl Iterator<Item = bool>) -> Self {
        Self { counts: has_args.map(|has| has.then_some(0)).collect() }
    }

    /// Counts a span of `site`; returns its number among those with arguments, `None` where there is no such call site.
    #[inline]
    pub(crate) fn count(&mut self, site: u64) -> Option<u32> {
        match self.counts.get_mut(usize::try_from(site).ok()?)? {
            Some(count) => {
                *count += 1;
                Some(*count - 1)
            }
            None => Some(0),
        }
    }

    fn len(&self) -> usize {
        self.counts.len()
    }

    /// The counts.
    pub(crate) fn counts(&self) -> Vec<u32> {
        self.counts.iter().map(|count| count.unwrap_or(0)).collect()
    }
}

/// A span that ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) site: u32,
    pub(crate) ordinal: u64,
    pub(crate) parent: Option<u64>,
    pub(crate) depth: u32,
    pub(crate) begin: UnixNanos,
    pub(crate) end: UnixNanos,
    pub(crate) self_ns: i64,
    pub(crate) truncated: bool,
    /// See [`Open::args`].
    pub(crate) args: u32,
}

/// What [`replay`] goes through.
pub(crate) struct Events<'a> {
    pub(crate) count: u64,
    /// A code for each event.
    pub(crate) edges: Reader<'a>,
    pub(crate) ticks: TickReader<'a>,
    /// See [`super::drops`].
    pub(crate) drops: &'a [(u64, u64)],
    pub(crate) first_ordinal: u64,
    pub(crate) map: TimeMap,
}

/// Plays all events on `stack`, calls `row` for each span that ends, and returns the ordinal after the last one given out.
pub(crate) fn replay(
    events: Events<'_>,
    begins: &mut Begins,
    stack: &mut Vec<Open>,
    mut row: impl FnMut(Row),
) -> Result<u64> {
    let Events { count, mut edges, mut ticks, drops, first_ordinal, map } = events;
    let mut ordinal = first_ordinal;
    let mut at = 0;
    let all = (count, 0);
    for &(place, dropped) in drops.iter().chain([&all]) {
        for _ in at..place {
            let code = edges.unsigned("edges")?;
            let time = map.unix_ns(ticks.next()?);
            if code >= BEGIN {
                let site = code - BEGIN;
                let Some(args) = begins.count(site) else {
                    return Err(Error::invalid("edges", format!("call site {site} of {}", begins.len())));
                };
                if stack.len() == SPAN_DEPTH_MAX {
                    return Err(Error::invalid("edges", format!("more than {SPAN_DEPTH_MAX} spans open at once")));
                }
                stack.push(Open { site: site as u32, ordinal, begin: time, child_ns: 0, args });
                ordinal += 1;
            } else {
                let Some(open) = stack.pop() else {
                    return Err(Error::invalid("edges", "an end without a begin"));
                };
                let end = time.max(open.begin);
                let duration = end.saturating_sub(open.begin);
                let mut parent = None;
                if let Some(around) = stack.last_mut() {
                    around.child_ns = around.child_ns.saturating_add(duration);
                    parent = Some(around.ordinal);
                }
                row(Row {
                    site: open.site,
                    ordinal: open.ordinal,
                    parent,
                    depth: stack.len() as u32,
                    begin: open.begin,
                    end,
                    self_ns: duration.saturating_sub(open.child_ns).max(0),
                    truncated: code == END_TRUNCATED,
                    args: open.args,
                });
            }
        }
        at = place;
        ordinal += dropped;
    }
    edges.finish("edges")?;
    ticks.finish()?;
    Ok(ordinal)
}
