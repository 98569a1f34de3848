use super::{
    Dictionary, Seal, SiteId, ThreadId,
    core::{Core, Sealed, Times},
    logs::ARGS_BYTES_MAX,
    saved::{self, Known},
};
use crate::{
    Block, Error, Result, TimeMap, UnixNanos,
    columns::{
        asyncs::{self, NUMBERS_BYTES_MAX, OPEN_MAX, Relation, Relations},
        planes::Planes,
        shapes::Shape,
        tables::ENTRIES_MAX,
    },
    limits::EVENTS_MAX,
    raw::{ARGS_MAX, Raw, RawBuf},
    varint,
    varint::Reader,
};
use foldhash::fast::FixedState;
use std::collections::{HashMap, VecDeque};

/// Encodes the async spans of a process: those that begin on one thread and may end on another.
///
/// A row belongs to the block that holds the span's end and says all of it; the ordinal was given at the begin. What is open is kept here by the number that
/// the program gave it, so each block decodes alone. A block also names the spans open where it ends, the oldest 256 of them.
#[derive(Debug, Default)]
pub struct AsyncEncoder {
    core: Core,
    rows: Vec<Row>,
    /// Begun and not ended, by the program's number.
    open: HashMap<u64, Open, FixedState>,
    /// Ordinal and number of those, the oldest first. Some may have ended since.
    order: VecDeque<(u64, u64)>,
    /// Bytes of the fields of those.
    open_bytes: usize,
    /// By thread, how many of those began there.
    open_by_thread: Vec<u32>,
    /// Open spans that were given up, since they were asked for.
    given_up: u64,
    /// Ended before their begins were seen: on another thread, whose events are read later.
    early: HashMap<u64, Early, FixedState>,
    /// Spans begun in the block being filled.
    begins: u64,
}

#[derive(Debug)]
struct Row {
    relation: Relation,
    begin: Begin,
    shape: u32,
    thread: u32,
}

/// When a span began. Ticks hold within the block in which they were recorded.
#[derive(Clone, Copy, Debug)]
enum Begin {
    Ticks(u64),
    Time(UnixNanos),
}

impl Begin {
    fn time(self, map: TimeMap) -> UnixNanos {
        match self {
            Begin::Ticks(ticks) => map.unix_ns(ticks),
            Begin::Time(time) => time,
        }
    }
}

#[derive(Debug)]
struct Open {
    relation: Relation,
    begin: Begin,
    site: SiteId,
    thread: ThreadId,
    fields: RawBuf,
}

impl Open {
    fn bytes(&self) -> usize {
        self.fields.as_raw().words().len() * 8
    }
}

#[derive(Debug)]
struct Early {
    ticks: u64,
    fields: Option<RawBuf>,
    /// Drains since.
    age: u8,
}

/// Most spans that are kept open, and most bytes of their fields: 131,072 × about 150 B, and 16 MiB. Where ends are lost spans stay open for good, and a
/// program that loses ends does so again.
pub const ASYNC_OPEN_MAX: usize = 128 * 1024;
const OPEN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A begin is read one drain after its end at the latest. One that never comes was recorded before this stream began.
const EARLY_AGE_MAX: u8 = 2;
/// Most bytes of the fields of the open spans that a block names. Beyond that they are named without.
const OPEN_FIELDS_BYTES_MAX: usize = 64 * 1024;
/// Most open spans that are saved, the newest: those that are likeliest to have ended before whoever resumes. 65,536 × about 40 B = 2.5 MiB.
const SAVED_MAX: usize = 65_536;

impl AsyncEncoder {
    /// An encoder for a new stream: no span open, the first ordinal 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Span `id` begins, or began: `ticks` may be older than the block, and are then as exact as the block's rate of ticks. It lies within span `parent` where that is open (0 is none).
    pub fn begin(&mut self, id: u64, parent: u64, site: SiteId, thread: ThreadId, ticks: u64, fields: Raw<'_>) {
        let ordinal = self.core.first_ordinal + self.begins + self.core.drops.total();
        self.begins += 1;
        let parent = self.open.get(&parent).map(|around| around.relation.ordinal);
        let relation = Relation { ordinal, parent };
        let open = Open { relation, begin: Begin::Ticks(ticks), site, thread, fields: fields.into() };
        match self.early.remove(&id) {
            Some(early) => self.row(Open { fields: early.fields.unwrap_or(open.fields), ..open }, early.ticks),
            None => self.keep_open(id, open),
        }
    }

    fn keep_open(&mut self, id: u64, open: Open) {
        self.take_open(id);
        self.order.push_back((open.relation.ordinal, id));
        self.open_bytes += open.bytes();
        let thread = open.thread.0 as usize;
        if thread >= self.open_by_thread.len() {
            self.open_by_thread.resize(thread + 1, 0);
        }
        self.open_by_thread[thread] += 1;
        self.open.insert(id, open);
        while self.open.len() > ASYNC_OPEN_MAX || self.open_bytes > OPEN_BYTES_MAX {
            let Some((ordinal, id)) = self.order.pop_front() else { break };
            if self.is_open(ordinal, id) {
                self.take_open(id);
                self.given_up += 1;
            }
        }
        // Those that ended are swept out when they are the most.
        const FEW: usize = 1024;
        if self.order.len() > FEW + 2 * self.open.len() {
            let Self { open, order, .. } = self;
            order.retain(|(ordinal, id)| open.get(id).is_some_and(|open| open.relation.ordinal == *ordinal));
        }
    }

    fn is_open(&self, ordinal: u64, id: u64) -> bool {
        self.open.get(&id).is_some_and(|open| open.relation.ordinal == ordinal)
    }

    fn take_open(&mut self, id: u64) -> Option<Open> {
        let open = self.open.remove(&id)?;
        self.open_bytes -= open.bytes();
        self.open_by_thread[open.thread.0 as usize] -= 1;
        // Spans of one thread end in the reverse order of their begins.
        self.order.pop_back_if(|(_, last)| *last == id);
        Some(open)
    }

    /// Whether an open span began on that thread: its number must not stand for another one yet.
    #[must_use]
    pub fn is_named(&self, thread: ThreadId) -> bool {
        self.open_by_thread.get(thread.0 as usize).is_some_and(|&open| open > 0)
    }

    /// How many open spans were given up since this was asked last, the oldest first, because too many were open ([`ASYNC_OPEN_MAX`]). They have ordinals and
    /// will have no rows.
    pub fn take_given_up(&mut self) -> u64 {
        std::mem::take(&mut self.given_up)
    }

    /// All threads' events up to some instant were passed on: what ended and has not begun by the second such instant never will.
    pub fn drained(&mut self) {
        self.early.retain(|_, early| {
            early.age += 1;
            early.age < EARLY_AGE_MAX
        });
    }

    /// Span `id` ends.
    pub fn end(&mut self, id: u64, ticks: u64) {
        self.close(id, ticks, None);
    }

    /// As [`AsyncEncoder::end`], with fields that take the place of those it began with.
    pub fn end_with(&mut self, id: u64, ticks: u64, fields: Raw<'_>) {
        self.close(id, ticks, Some(fields.into()));
    }

    fn close(&mut self, id: u64, ticks: u64, fields: Option<RawBuf>) {
        match self.take_open(id) {
            Some(open) => self.row(Open { fields: fields.unwrap_or(open.fields), ..open }, ticks),
            None => drop(self.early.insert(id, Early { ticks, fields, age: 0 })),
        }
    }

    fn row(&mut self, open: Open, ticks: u64) {
        let Open { relation, begin, site, thread, fields } = open;
        let shape = self.core.sites.number(Shape::of(site.0, &fields.as_raw()));
        let thread = self.core.threads.number(thread.0);
        self.core.ticks.push(ticks);
        self.core.values.push(shape, fields.as_raw());
        self.rows.push(Row { relation, begin, shape, thread });
    }

    /// `count` spans were dropped here, begin and end: their ordinals are used up.
    pub fn dropped(&mut self, count: u64) {
        self.core.dropped(count);
    }

    /// Spans open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// As [`super::SpanEncoder::event_count`].
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.rows.len() + self.begins as usize
    }

    /// As [`super::SpanEncoder::is_empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.core.is_empty() && self.begins == 0
    }

    /// As [`super::SpanEncoder::is_full`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        // The open spans may each bring a call site and a thread of their own.
        const TABLES: usize = OPEN_MAX * (64 + ARGS_MAX * 8);
        const NEXT_BYTES: usize = ARGS_BYTES_MAX + OPEN_MAX * NUMBERS_BYTES_MAX + 2 * OPEN_FIELDS_BYTES_MAX + TABLES;
        self.event_count() > EVENTS_MAX - 2
            || self.core.sites.len() + OPEN_MAX >= ENTRIES_MAX
            || self.core.threads.len() + OPEN_MAX >= ENTRIES_MAX
            || self.core.is_full(self.rows.len() * NUMBERS_BYTES_MAX, NEXT_BYTES)
    }

    pub(super) fn put_saved(&self, out: &mut Vec<u8>) {
        varint::put(out, self.core.first_ordinal);
        let mut newest: Vec<_> = self.open.iter().collect();
        if newest.len() > SAVED_MAX {
            newest.select_nth_unstable_by_key(SAVED_MAX, |(_, open)| std::cmp::Reverse(open.relation.ordinal));
            newest.truncate(SAVED_MAX);
        }
        varint::put(out, newest.len() as u64);
        for (&id, open) in newest {
            let Begin::Time(begin) = open.begin else { unreachable!("set when the last block was sealed") };
            varint::put(out, id);
            saved::put_fields(out, open.site.0, open.fields.as_raw());
            varint::put(out, u64::from(open.thread.0));
            varint::put(out, open.relation.ordinal);
            varint::put(out, open.relation.parent.map_or(0, |parent| parent + 1));
            varint::put_signed(out, begin);
        }
        varint::put(out, self.early.len() as u64);
        for (&id, early) in &self.early {
            varint::put(out, id);
            varint::put(out, early.ticks);
            varint::put(out, u64::from(early.age));
            varint::put(out, u64::from(early.fields.is_some()));
            if let Some(fields) = &early.fields {
                saved::put_args(out, fields.as_raw());
            }
        }
    }

    pub(super) fn take_saved(&mut self, reader: &mut Reader<'_>, known: Known) -> Result<()> {
        const FIELD: &str = "saved async spans";
        let first_ordinal = saved::take_ordinal(reader)?;
        self.core.first_ordinal = first_ordinal;
        for _ in 0..reader.unsigned(FIELD)? {
            let id = reader.unsigned(FIELD)?;
            let (shape, fields) = saved::take_fields(reader, known)?;
            let thread = ThreadId(known.thread(reader)?);
            let (ordinal, parent) = (reader.unsigned(FIELD)?, reader.unsigned(FIELD)?.checked_sub(1));
            if ordinal >= first_ordinal || parent.is_some_and(|parent| parent >= first_ordinal || parent == ordinal) {
                return Err(Error::invalid(FIELD, format!("ordinal {ordinal}, parent {parent:?}, of {first_ordinal}")));
            }
            let begin = Begin::Time(reader.signed(FIELD)?);
            let relation = Relation { ordinal, parent };
            self.keep_open(id, Open { relation, begin, site: SiteId(shape.site), thread, fields });
        }
        self.order.make_contiguous().sort_unstable();
        for _ in 0..reader.unsigned(FIELD)? {
            let (id, ticks, age) = (reader.unsigned(FIELD)?, reader.unsigned(FIELD)?, reader.unsigned(FIELD)?);
            let fields = match reader.unsigned(FIELD)? {
                0 => None,
                _ => Some(saved::take_args(reader)?),
            };
            self.early.insert(id, Early { ticks, fields, age: age.min(u64::from(EARLY_AGE_MAX)) as u8 });
        }
        Ok(())
    }

    /// The block of what was recorded since the last seal. Spans open now stay open.
    pub fn seal(&mut self, seal: &Seal<'_>, dictionary: &impl Dictionary) -> Block {
        let map = TimeMap::new(seal.begin, seal.end, seal.anchor_ns);
        let first_ordinal = self.core.first_ordinal;
        // Ticks hold within a block; older spans have their times.
        for (_, id) in self.order.iter().rev().take_while(|(ordinal, _)| *ordinal >= first_ordinal) {
            if let Some(open) = self.open.get_mut(id) {
                open.begin = Begin::Time(open.begin.time(map));
            }
        }
        let next_ordinal = first_ordinal + self.begins + self.core.drops.total();

        let (mut times, mut numbers) = (Times::NONE, Numbers::default());
        let mut last = first_ordinal;
        let mut ticks = self.core.ticks.reader();
        for row in &self.rows {
            let end = map.unix_ns(ticks.next().expect("ticks were written by this encoder"));
            // Counters of two processors may differ by a few ticks.
            let begin = row.begin.time(map).min(end);
            times.add(begin, end);
            numbers.put(row.shape, row.thread);
            numbers.relations.put(row.relation, &mut last);
            numbers.durations.put(end.wrapping_sub(begin).cast_unsigned());
        }
        let origin = map.unix_ns(seal.begin.ticks);
        let open = self.put_open(origin, next_ordinal);

        let mut opened = self.core.open_payload(dictionary);
        varint::put(&mut opened.bytes, self.rows.len() as u64);
        self.core.ticks.put(&mut opened, seal.begin.ticks);
        opened.column(&numbers.sites);
        opened.column(&numbers.threads);
        numbers.relations.append(&mut opened);
        numbers.durations.append(&mut opened);
        opened.column(&open);
        self.core.values.put(&mut opened, self.core.sites.used());

        let row_count = self.rows.len() as u64;
        let event_count = self.event_count() as u64;
        let mut block = self.core.close_payload(opened, &Sealed { row_count, next_ordinal, times }, seal, dictionary);
        block.header.event_count = event_count;
        self.rows.clear();
        self.begins = 0;
        block
    }

    /// The oldest spans that are open, as [`asyncs::read_open`] reads them.
    fn put_open(&mut self, origin: UnixNanos, next_ordinal: u64) -> Vec<u8> {
        let Self { open, order, .. } = self;
        let of = |&(ordinal, id): &(u64, u64)| open.get(&id).filter(|open| open.relation.ordinal == ordinal);
        let oldest: Vec<_> = order.iter().filter_map(of).take(OPEN_MAX).collect();
        let mut out = Vec::new();
        varint::put(&mut out, oldest.len() as u64);
        let mut left = OPEN_FIELDS_BYTES_MAX;
        for open in oldest {
            let Begin::Time(begin) = open.begin else { unreachable!("set when sealing began") };
            let fields = if open.bytes() <= left { open.fields.as_raw() } else { Raw::default() };
            left -= fields.words().len() * 8;
            let shape = self.core.sites.number(Shape::of(open.site.0, &fields));
            let thread = self.core.threads.number(open.thread.0);
            self.core.values.push(shape, fields);
            asyncs::put_open(&mut out, shape, thread, open.relation, next_ordinal, begin.wrapping_sub(origin));
        }
        out
    }
}

/// The columns of numbers.
#[derive(Default)]
struct Numbers {
    sites: Vec<u8>,
    threads: Vec<u8>,
    relations: Relations,
    durations: Planes,
}

impl Numbers {
    fn put(&mut self, shape: u32, thread: u32) {
        varint::put(&mut self.sites, u64::from(shape));
        varint::put(&mut self.threads, u64::from(thread));
    }
}
