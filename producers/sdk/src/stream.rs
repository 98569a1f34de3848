//! A stream as the background thread keeps it: its encoder, its counts, and the sealing of its blocks.

use crate::crash::state::StreamState;
use crate::dictionary::Dictionary;
use crate::report::{KindStats, Stats, StreamReport};
use crate::sampler::Window;
use framelake_transport::{Hold, Outgoing, Rows, Sender};
use framelake_wire::encode::{
    self, AsyncEncoder, AttachmentEncoder, FrameEncoder, LogEncoder, MetricEncoder, Saved, Seal, SpanEncoder, ThreadId,
};
use framelake_wire::{Block, BlockId, ProcessId, StreamId, StreamKind};
use std::collections::BTreeMap;

/// What the encoders of all kinds have in common.
pub(crate) trait Encode {
    fn is_empty(&self) -> bool;
    fn is_full(&self) -> bool;
    fn seal(&mut self, seal: &Seal<'_>, dictionary: &impl encode::Dictionary) -> Block;
    fn save(&self, out: &mut Vec<u8>);
    /// Rows that were begun and will not come, since this was asked last.
    fn take_given_up(&mut self) -> u64 {
        0
    }
}

macro_rules! encode {
    ($($encoder:ty $(: $given_up:ident)?),*) => {$(
        impl Encode for $encoder {
            #[inline]
            fn is_empty(&self) -> bool {
                self.is_empty()
            }
            #[inline]
            fn is_full(&self) -> bool {
                self.is_full()
            }
            fn seal(&mut self, seal: &Seal<'_>, dictionary: &impl encode::Dictionary) -> Block {
                self.seal(seal, dictionary)
            }
            fn save(&self, out: &mut Vec<u8>) {
                Saved::save(self, out);
            }
            $(fn take_given_up(&mut self) -> u64 {
                self.$given_up()
            })?
        }
    )*};
}

encode!(LogEncoder, MetricEncoder, SpanEncoder, FrameEncoder, AsyncEncoder: take_given_up, AttachmentEncoder);

/// A stream.
pub(crate) struct Stream<E> {
    pub(crate) encoder: E,
    kind: StreamKind,
    stream_id: StreamId,
    thread: Option<ThreadId>,
    thread_name: String,
    sequence: u64,
    ordinals: u64,
    rows: u64,
    /// Those left out by sampling included: to a reader of blocks they are rows that are not there.
    dropped: u64,
    sampled: u64,
    /// Of the block that is being filled.
    sampled_unsealed: u64,
}

impl Stream<SpanEncoder> {
    /// So many spans are left out here, begin and end: their ordinals are used up.
    pub(crate) fn leave_out(&mut self, count: u64) {
        self.encoder.dropped(count);
        self.sampled_unsealed += count;
    }
}

impl<E: Encode> Stream<E> {
    /// A new stream, of a thread where it has one.
    pub(crate) fn new(kind: StreamKind, encoder: E, thread: Option<(ThreadId, &str)>) -> Self {
        Self {
            encoder,
            kind,
            stream_id: StreamId::now_v7(),
            thread: thread.map(|(id, _)| id),
            thread_name: thread.map(|(_, name)| name.to_owned()).unwrap_or_default(),
            sequence: 0,
            ordinals: 0,
            rows: 0,
            dropped: 0,
            sampled: 0,
            sampled_unsealed: 0,
        }
    }

    /// The stream that `state` was written of, with its encoder.
    pub(crate) fn resumed(state: &StreamState, encoder: E, kind: StreamKind, thread: Option<ThreadId>) -> Self {
        Self {
            encoder,
            kind,
            stream_id: state.stream_id(),
            thread,
            thread_name: String::new(),
            sequence: state.sequence,
            ordinals: state.ordinals,
            rows: state.rows,
            dropped: state.dropped,
            sampled: 0,
            sampled_unsealed: 0,
        }
    }

    /// What is to be known of it to go on behind its last block.
    pub(crate) fn state(&self, losses: &BTreeMap<StreamId, u64>) -> StreamState {
        let mut encoder = Vec::new();
        self.encoder.save(&mut encoder);
        StreamState {
            kind: self.kind.as_str().to_owned(),
            stream_id: *self.stream_id.as_bytes(),
            sequence: self.sequence,
            ordinals: self.ordinals,
            rows: self.rows,
            dropped: self.dropped,
            lost: losses.get(&self.stream_id).copied().unwrap_or(0),
            encoder,
        }
    }

    /// Seals a block where one more event might not fit.
    #[inline]
    pub(crate) fn seal_full(&mut self, outlet: &mut Outlet<'_, impl encode::Dictionary>) {
        if self.encoder.is_full() {
            self.seal(outlet);
        }
    }

    /// Seals what was recorded since the last block, if anything was.
    pub(crate) fn seal(&mut self, outlet: &mut Outlet<'_, impl encode::Dictionary>) {
        if self.encoder.is_empty() {
            return;
        }
        let window = outlet.window;
        let seal = Seal {
            process_id: outlet.process_id,
            stream_id: self.stream_id,
            kind: self.kind.clone(),
            thread: self.thread,
            clock_domain: outlet.clock_domain,
            block_id: BlockId::now_v7(),
            sequence: self.sequence,
            dropped_total: 0,
            anchor_ns: window.anchor_ns,
            begin: window.begin,
            end: window.end,
        };
        let mut block = self.encoder.seal(&seal, outlet.dictionary);
        let header = &mut block.header;
        self.sequence += 1;
        self.ordinals = header.first_ordinal + header.ordinal_count;
        self.rows += header.row_count;
        let given_up = self.encoder.take_given_up();
        self.dropped += header.dropped_count + given_up;
        header.dropped_total = self.dropped + outlet.losses.get(&self.stream_id).copied().unwrap_or(0);

        let sampled = std::mem::take(&mut self.sampled_unsealed);
        self.sampled += sampled;
        let counts = kind_stats(outlet.stats, &self.kind);
        counts.emitted += header.ordinal_count;
        counts.events += header.event_count;
        counts.dropped += header.dropped_count - sampled + given_up;
        counts.sampled += sampled;
        let rows = Rows { stream_id: self.stream_id, count: header.row_count };
        let bytes = block.encode();
        outlet.stats.blocks += 1;
        outlet.stats.bytes_sealed += bytes.len() as u64;
        outlet.sealed += 1;
        outlet.kinds.entry(self.stream_id).or_insert_with(|| self.kind.clone());
        let record = Outgoing {
            topic: self.kind.topic(),
            is_attachment: self.kind == StreamKind::ATTACHMENT,
            process_id: outlet.process_id,
            bytes,
            rows: Some(rows),
            hold: Hold::default(),
        };
        match &mut outlet.to {
            Destination::Sender(sender) => sender.push(record),
            Destination::Kept(records) => records.push(record),
        }
    }

    /// What became of it; `None` when it recorded nothing.
    pub(crate) fn report(&self, losses: &BTreeMap<StreamId, u64>) -> Option<StreamReport> {
        (self.sequence > 0).then(|| StreamReport {
            stream_id: self.stream_id,
            kind: self.kind.clone(),
            thread_name: self.thread_name.clone(),
            ordinals: self.ordinals,
            dropped: self.dropped - self.sampled + losses.get(&self.stream_id).copied().unwrap_or(0),
            sampled: self.sampled,
            open: self.ordinals - self.rows - self.dropped,
            blocks: self.sequence,
        })
    }

    /// Rows that are not there, lost or left out, where any are.
    pub(crate) fn lost(&self) -> Option<(StreamId, u64)> {
        (self.dropped > 0).then_some((self.stream_id, self.dropped))
    }
}

/// Where sealed blocks go, and what they need to be sealed.
pub(crate) struct Outlet<'a, D = Dictionary> {
    pub(crate) process_id: ProcessId,
    pub(crate) clock_domain: &'static str,
    pub(crate) window: Window,
    pub(crate) dictionary: &'a D,
    pub(crate) to: Destination<'a>,
    /// Rows lost after they were sealed, by stream.
    pub(crate) losses: &'a BTreeMap<StreamId, u64>,
    /// The kinds of the streams that sealed blocks, so that later losses can be counted by kind.
    pub(crate) kinds: &'a mut BTreeMap<StreamId, StreamKind>,
    pub(crate) stats: &'a mut Stats,
    /// Blocks sealed into this outlet.
    pub(crate) sealed: u64,
}

/// Where sealed blocks go.
pub(crate) enum Destination<'a> {
    Sender(&'a Sender),
    /// Until they are written down.
    Kept(&'a mut Vec<Outgoing>),
}

/// The counts of streams of `kind`.
pub(crate) fn kind_stats<'a>(stats: &'a mut Stats, kind: &StreamKind) -> &'a mut KindStats {
    match kind.as_str() {
        "log" => &mut stats.logs,
        "metric" => &mut stats.metrics,
        "frame" => &mut stats.frames,
        "async" => &mut stats.async_spans,
        "attachment" => &mut stats.attachments,
        _ => &mut stats.spans,
    }
}
