//! The numbers of async spans: who they are, and within whom.

use super::{
    frame::Opened,
    planes::{self, PlaneReader, Planes},
};
use crate::{
    Error, Result, UnixNanos, varint,
    varint::{Reader, unzigzag, zigzag},
};

/// Open spans that a block names at most. At 10 B each they stay small beside what a busy server's second records.
pub(crate) const OPEN_MAX: usize = 256;
/// Most bytes of a span's numbers: site, thread, ordinal, parent, duration, each with its share of planes.
pub(crate) const NUMBERS_BYTES_MAX: usize = 3 + 3 + 10 + 10 + 10;

/// A span's ordinal, and that of the span around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) ordinal: u64,
    pub(crate) parent: Option<u64>,
}

/// 0 where there is no parent, otherwise how far it lies before.
fn distance(relation: Relation) -> u64 {
    relation.parent.map_or(0, |parent| zigzag(relation.ordinal.wrapping_sub(parent).cast_signed()).wrapping_add(1))
}

fn parent(ordinal: u64, distance: u64) -> Option<u64> {
    distance.checked_sub(1).map(|distance| ordinal.wrapping_sub(unzigzag(distance).cast_unsigned()))
}

/// The relations of rows as columns.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    ordinals: Planes,
    parents: Planes,
}

impl Relations {
    /// Appends a relation; `last` is the ordinal of the row before.
    pub(crate) fn put(&mut self, relation: Relation, last: &mut u64) {
        self.ordinals.put(zigzag(relation.ordinal.wrapping_sub(*last).cast_signed()));
        self.parents.put(distance(relation));
        *last = relation.ordinal;
    }

    pub(crate) fn append(&self, out: &mut Opened) {
        self.ordinals.append(out);
        self.parents.append(out);
    }
}

/// What [`Relations::append`] wrote.
pub(crate) struct RelationReader<'a> {
    ordinals: PlaneReader<'a>,
    parents: PlaneReader<'a>,
}

impl<'a> RelationReader<'a> {
    pub(crate) fn new(reader: &mut Reader<'a>) -> Result<Self> {
        Ok(Self { ordinals: planes::read(reader, "ordinals")?, parents: planes::read(reader, "parents")? })
    }

    /// The next relation. Ordinals lie before `next_ordinal`, and a parent's before its child's: no chain of them is a circle.
    pub(crate) fn next(&mut self, last: &mut u64, next_ordinal: u64) -> Result<Relation> {
        let ordinal = last.wrapping_add(unzigzag(self.ordinals.next("ordinals")?).cast_unsigned());
        *last = ordinal;
        check(ordinal, self.parents.next("parents")?, next_ordinal)
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.ordinals.finish("ordinals")?;
        self.parents.finish("parents")
    }
}

fn check(ordinal: u64, distance: u64, next_ordinal: u64) -> Result<Relation> {
    let parent = parent(ordinal, distance);
    if ordinal >= next_ordinal || parent.is_some_and(|parent| parent >= ordinal) {
        return Err(Error::invalid("ordinals", format!("ordinal {ordinal}, parent {parent:?}, of {next_ordinal}")));
    }
    Ok(Relation { ordinal, parent })
}

/// A span that is open where the block ends.
pub(crate) struct Open {
    pub(crate) site: u32,
    pub(crate) thread: u32,
    pub(crate) relation: Relation,
    pub(crate) begin: UnixNanos,
}

/// Appends an open span; `begin` is relative to the block's begin sample.
pub(crate) fn put_open(
    out: &mut Vec<u8>,
    site: u32,
    thread: u32,
    relation: Relation,
    next_ordinal: u64,
    begin: UnixNanos,
) {
    varint::put(out, u64::from(site));
    varint::put(out, u64::from(thread));
    varint::put(out, next_ordinal - relation.ordinal);
    varint::put(out, distance(relation));
    varint::put_signed(out, begin);
}

/// Reads the spans that are open: their number, then what [`put_open`] wrote of each. Their ordinals ascend.
pub(crate) fn read_open(
    reader: &mut Reader<'_>,
    sites: usize,
    threads: usize,
    next_ordinal: u64,
    origin: UnixNanos,
) -> Result<Vec<Open>> {
    const FIELD: &str = "open spans";
    let count = Error::within(FIELD, reader.unsigned(FIELD)?, OPEN_MAX)?;
    let mut open = Vec::with_capacity(count);
    let mut last = None;
    for _ in 0..count {
        let (site, thread) = (reader.unsigned(FIELD)?, reader.unsigned(FIELD)?);
        if site >= sites as u64 || thread >= threads as u64 {
            return Err(Error::invalid(FIELD, format!("call site {site} of {sites}, thread {thread} of {threads}")));
        }
        let ordinal = next_ordinal.wrapping_sub(reader.unsigned(FIELD)?);
        let relation = check(ordinal, reader.unsigned(FIELD)?, next_ordinal)?;
        if last.is_some_and(|last| ordinal <= last) {
            return Err(Error::invalid(FIELD, "not in the order of their ordinals"));
        }
        last = Some(ordinal);
        let begin = reader.signed(FIELD)?.wrapping_add(origin);
        open.push(Open { site: site as u32, thread: thread as u32, relation, begin });
    }
    Ok(open)
}
