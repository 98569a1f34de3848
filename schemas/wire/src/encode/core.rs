//! What all encoders hold: ticks, drops, ordinals, and the numbers of what the events refer to.

use super::{Dictionary, Seal};
use crate::{
    Block, Header, UnixNanos,
    columns::{
        drops::Drops,
        frame::{self, Opened},
        locals::Locals,
        shapes::Shapes,
        tables::{self, ARGS_SUM_MAX, ENTRIES_MAX, SETS_MAX, Used},
        ticks::Ticks,
        values::{VALUES_MAX, Values},
    },
    limits::{EVENTS_MAX, FORMAT_VERSION, PAYLOAD_BYTES_MAX, SPAN_DEPTH_MAX},
    raw::ARGS_MAX,
};

// An argument takes ten bytes of the bound at most, so the bound on bytes is the narrower one.
const _: () = assert!(PAYLOAD_BYTES_MAX / 10 <= VALUES_MAX);

#[derive(Debug, Default)]
pub(super) struct Core {
    pub(super) sites: Shapes,
    pub(super) threads: Locals,
    pub(super) sets: Locals,
    pub(super) ticks: Ticks,
    pub(super) drops: Drops,
    pub(super) values: Values,
    /// The first ordinal of the block being filled.
    pub(super) first_ordinal: u64,
}

/// What a seal learned from the events.
pub(super) struct Sealed {
    pub(super) row_count: u64,
    pub(super) next_ordinal: u64,
    /// Least and greatest time of the rows.
    pub(super) times: Times,
}

/// The least and the greatest of some times.
#[derive(Clone, Copy)]
pub(super) struct Times {
    min: UnixNanos,
    max: UnixNanos,
}

impl Times {
    pub(super) const NONE: Times = Times { min: UnixNanos::MAX, max: UnixNanos::MIN };

    pub(super) fn add(&mut self, begin: UnixNanos, end: UnixNanos) {
        self.min = self.min.min(begin);
        self.max = self.max.max(end);
    }
}

impl Core {
    pub(super) fn event_count(&self) -> usize {
        self.ticks.count()
    }

    pub(super) fn dropped(&mut self, count: u64) {
        self.drops.add(self.ticks.count(), count);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ticks.count() == 0 && self.drops.is_empty()
    }

    /// Whether a block with `column_bytes` beside the ticks could exceed a limit with one more call that adds at most `next_bytes`.
    #[inline]
    pub(super) fn is_full(&self, column_bytes: usize, next_bytes: usize) -> bool {
        // The opened payload is taken as incompressible: it fits into the payload's limit, so it is far below the decoded one. zstd adds
        // at most a 256th and its headers.
        const OPENED_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - PAYLOAD_BYTES_MAX / 128 - 1024;
        // One call adds at most the ends of all open spans.
        const EVENTS_FULL: usize = EVENTS_MAX - SPAN_DEPTH_MAX - 1;
        let tables = tables::bytes_max(self.sites.len(), self.sites.args(), self.threads.len(), self.sets.len());
        let opened = tables + self.drops.bytes() + self.ticks.bytes() + self.values.bytes() + column_bytes;
        self.ticks.count() > EVENTS_FULL
            || opened + next_bytes > OPENED_BYTES_MAX
            || self.values.is_full()
            || self.sites.len() == ENTRIES_MAX
            || self.sites.args() > ARGS_SUM_MAX - ARGS_MAX
            || self.threads.len() == ENTRIES_MAX
            || self.sets.len() == SETS_MAX
    }

    /// Begins the opened payload: tables and drops.
    pub(super) fn open_payload(&self, dictionary: &impl Dictionary) -> Opened {
        let mut opened = frame::scratch();
        let used = Used { sites: self.sites.used(), threads: self.threads.used(), sets: self.sets.used() };
        tables::put(&mut opened.bytes, used, dictionary);
        self.drops.put(&mut opened.bytes);
        opened
    }

    /// The block of the opened payload. Forgets the events.
    pub(super) fn close_payload(
        &mut self,
        opened: Opened,
        sealed: &Sealed,
        seal: &Seal<'_>,
        dictionary: &impl Dictionary,
    ) -> Block {
        let payload = frame::close(opened);
        let (thread_name, thread_number) = seal.thread.map_or(("", 0), |thread| dictionary.thread(thread));
        let mut header = Header {
            format_version: FORMAT_VERSION,
            process_id: seal.process_id,
            stream_id: seal.stream_id,
            kind: seal.kind.clone(),
            thread_name: crate::avro::cut(thread_name, crate::limits::STRING_BYTES_MAX).to_owned(),
            thread_number,
            clock_domain: seal.clock_domain.to_owned(),
            block_id: seal.block_id,
            sequence: seal.sequence,
            first_ordinal: self.first_ordinal,
            ordinal_count: sealed.next_ordinal - self.first_ordinal,
            event_count: self.ticks.count() as u64,
            row_count: sealed.row_count,
            dropped_count: self.drops.total(),
            dropped_total: seal.dropped_total,
            anchor_ns: seal.anchor_ns,
            begin: seal.begin,
            end: seal.end,
            min_time: sealed.times.min,
            max_time: sealed.times.max,
            extensions: Vec::new(),
        };
        if sealed.row_count == 0 {
            header.min_time = header.time_map().unix_ns(seal.end.ticks);
            header.max_time = header.min_time;
        }
        self.first_ordinal = sealed.next_ordinal;
        self.sites.clear();
        self.threads.clear();
        self.sets.clear();
        self.ticks.clear();
        self.drops.clear();
        self.values.clear();
        Block { header, payload }
    }
}
