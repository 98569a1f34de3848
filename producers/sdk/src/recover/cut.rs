//! What the threads of a dead process had written and nobody had sealed, made into blocks. No IO.

use super::image::{Image, Written};
use crate::aggregate;
use crate::attachment;
use crate::crash::attached;
use crate::crash::names::Found;
use crate::crash::state::{State, StreamState, ThreadState};
use crate::event::Lost;
use crate::merge::{Merge, Shared};
use crate::reader::{self, Event, Losses};
use crate::report::Stats;
use crate::sampler::Window;
use crate::stream::{Destination, Encode, Outlet, Stream};
use framelake_transport::Outgoing;
use framelake_wire::encode::{
    self, Attachment, AttachmentEncoder, Known, PropertiesId, Saved, SiteId, SpanEncoder, ThreadId,
};
use framelake_wire::raw::Raw;
use framelake_wire::{Arg, Process, StreamKind, TimeMap, TimeSample};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A recovered process ended this way.
const EXIT_REASON: &str = "crash";
/// The last record that was written down is at most a few revisions older than the last one sent: one was sent each 30 s, and written down each drain.
const REVISIONS_MORE: u64 = 1_000;
/// The end sample is made up, at least this far from the last real one.
const WINDOW_NS_MIN: f64 = 10_000_000.0;
/// More at one place were never lost, nor counted: the number is damaged.
const LOST_MAX: u64 = 1 << 40;
/// How far beyond what is known an event may lie: before the recording began, where its thread was held up, and after the files were last written, which the
/// system notes late of a mapped one. Ten minutes: far less than a damaged tick is off, as a rule, and far more than any drain is late.
const SLACK_NS: f64 = 600e9;

/// What a recovery made.
#[derive(Debug, Default)]
pub(super) struct Cut {
    pub(super) records: Vec<Outgoing>,
    pub(super) process: Option<Process>,
    /// Events that were not in any block.
    pub(super) events: u64,
    /// Places where what leads on cannot be read, call sites without a name, streams whose state makes no sense.
    pub(super) damaged: u64,
}

/// Names by number; the last one stands for those that were not written down.
struct Names<'a> {
    found: &'a Found,
    threads: Vec<(String, u64)>,
}

impl encode::Dictionary for Names<'_> {
    fn site(&self, id: SiteId) -> encode::CallSite<'_> {
        let unknown = encode::CallSite { name: "(call site not recovered)", ..encode::CallSite::default() };
        self.found.sites.get(id.0 as usize).map_or(unknown, |site| site.as_wire())
    }

    fn properties(&self, id: PropertiesId) -> &[(String, String)] {
        self.found.sets.get(id.0 as usize).map(Vec::as_slice).unwrap_or_default()
    }

    fn thread(&self, id: ThreadId) -> (&str, u64) {
        self.threads.get(id.0 as usize).map(|(name, number)| (name.as_str(), *number)).unwrap_or_default()
    }
}

/// What is left of a process.
pub(super) struct Left<'a> {
    pub(super) image: Option<&'a Image<'a>>,
    pub(super) state: &'a State,
    pub(super) found: &'a Found,
    pub(super) attached: &'a [attached::Found],
    /// When its files were last written, in nanoseconds of UTC.
    pub(super) written_ns: i64,
}

struct Thread {
    id: ThreadId,
    incarnation: u64,
    written: Written,
    losses: Losses,
    lost: [u64; Lost::COUNT],
    spans: Stream<SpanEncoder>,
}

/// The blocks of what there is behind the state, and the last `Process` record. `measured` is asked for the rate of a clock (ticks per nanosecond) where the
/// process had not yet measured it.
///
/// A process that was killed has no end sample: times behind its last one are extrapolated by the rate it knew.
pub(super) fn cut(left: &Left<'_>, measured: impl Fn(&str) -> f64) -> Cut {
    let &Left { image, state, found, attached, written_ns } = left;
    let mut cut = Cut::default();
    let Ok(mut process) = Process::decode(&state.process) else {
        cut.damaged += 1;
        return cut;
    };
    let mut names = Names { found, threads: state.names.clone() };
    let mut threads = threads(image, state, &mut names, &mut cut);
    let of_attachments: Vec<ThreadId> = attached.iter().map(|found| names.add(found)).collect();
    let rate = if state.rate > 0.0 && state.rate.is_finite() { state.rate } else { measured(&state.clock_domain) };
    let sound = sound(state, rate, written_ns);
    let last_tick = last_tick(&threads, attached, &sound).max(state.newest.ticks);
    let window = window(state, last_tick, rate);
    let map = TimeMap::new(window.begin, window.end, window.anchor_ns);

    let known = names.known();
    let mut merge = Merge::default();
    let mut shared = Shared {
        logs: resumed(state, StreamKind::LOG, known, &mut cut.damaged),
        metrics: resumed(state, StreamKind::METRIC, known, &mut cut.damaged),
        frames: resumed(state, StreamKind::FRAME, known, &mut cut.damaged),
        asyncs: resumed(state, StreamKind::ASYNC, known, &mut cut.damaged),
    };
    let mut attachments: Stream<AttachmentEncoder> = resumed(state, StreamKind::ATTACHMENT, known, &mut cut.damaged);
    let losses = losses(state);
    let (mut kinds, mut stats) = (BTreeMap::new(), Stats::default());
    let mut outlet = Outlet {
        process_id: process.process_id,
        clock_domain: domain(&state.clock_domain),
        window,
        dictionary: &names,
        to: Destination::Kept(&mut cut.records),
        losses: &losses,
        kinds: &mut kinds,
        stats: &mut stats,
        sealed: 0,
    };
    let mut unread = 0;
    for thread in &mut threads {
        let Thread { id, written, losses, lost, spans, .. } = thread;
        let mut take = |ticks, event: Event<'_>| {
            let Some(event) = checked(event, known, found.sets.len(), &mut cut.damaged) else { return };
            match event {
                Event::Begin { site, fields } => spans.encoder.begin_with(SiteId(site - 1), ticks, fields),
                Event::End => spans.encoder.end(ticks),
                Event::Lost { what: Lost::Spans, count } => spans.encoder.dropped(count),
                Event::Lost { what: Lost::Ends, count } => {
                    spans.encoder.end_truncated(usize::try_from(count).unwrap_or(usize::MAX), ticks);
                }
                other => {
                    merge.add(ticks, *id, other);
                    if merge.is_full() {
                        merge.encode(&mut shared, &mut outlet);
                    }
                    return;
                }
            }
            spans.seal_full(&mut outlet);
        };
        for words in &written.pieces {
            unread += u64::from(!read_sound(words, losses, &sound, &mut take));
        }
        for what in Lost::ALL {
            losses.report(what, lost[what as usize], last_tick, &mut take);
        }
        // Nobody is left to end them.
        let open = spans.encoder.depth();
        spans.encoder.end_truncated(open, last_tick);
        spans.seal(&mut outlet);
    }
    if let Some(image) = image {
        for sum in image.sums(state.drain) {
            // Of a thread that is gone all had been read.
            let Some(thread) = threads.iter().find(|thread| thread.incarnation == sum.incarnation) else { continue };
            let args = aggregate::row(sum.buckets, sum.bucket, sum.before, sum.sum, sum.count);
            let event = Event::Metric { site: sum.of.site, properties: sum.of.properties, args: args.as_raw() };
            let event = checked(event, known, found.sets.len(), &mut cut.damaged).filter(|_| sum.count <= LOST_MAX);
            match event {
                Some(event) => merge.add(last_tick, thread.id, event),
                None => unread += 1,
            }
            if merge.is_full() {
                merge.encode(&mut shared, &mut outlet);
            }
        }
        let lost = image.attachments_lost().saturating_sub(state.attachments_lost);
        if lost <= LOST_MAX {
            attachments.encoder.dropped(lost);
        }
    }
    for (found, thread) in attached.iter().zip(of_attachments) {
        match &found.attachment {
            Some(one) if sound.contains(&one.ticks) => {
                let site = if (1..known.sites).contains(&one.site) { one.site } else { known.sites };
                attachment::encode(&mut attachments, SiteId(site - 1), thread, one, &mut outlet);
            }
            _ => {
                unread += 1;
                attachments.seal_full(&mut outlet);
                attachments.encoder.dropped(u64::from(Attachment::parts(found.file_bytes)));
            }
        }
    }
    attachments.seal(&mut outlet);
    merge.encode(&mut shared, &mut outlet);
    shared.logs.seal(&mut outlet);
    shared.metrics.seal(&mut outlet);
    shared.frames.seal(&mut outlet);
    shared.asyncs.seal(&mut outlet);

    cut.damaged += unread;
    let kinds = [stats.logs, stats.metrics, stats.spans, stats.async_spans, stats.frames, stats.attachments];
    cut.events = kinds.iter().map(|kind| kind.events).sum();
    let of_threads = threads.iter().filter_map(|thread| thread.spans.lost());
    let of_process =
        [shared.logs.lost(), shared.metrics.lost(), shared.frames.lost(), shared.asyncs.lost(), attachments.lost()];
    for (stream_id, dropped) in of_threads.chain(of_process.into_iter().flatten()) {
        let total = dropped + losses.get(&stream_id).copied().unwrap_or(0);
        let known = process.dropped.entry(stream_id).or_default();
        *known = total.max(*known);
    }
    // Killed on its way out it had said how it ended.
    if process.end_time.is_none() {
        process.end_time = Some(map.unix_ns(last_tick));
        process.exit_reason = Some(EXIT_REASON.to_owned());
        process.last_seen = map.unix_ns(last_tick).max(process.last_seen);
    }
    process.revision += REVISIONS_MORE;
    cut.process = Some(process);
    cut
}

impl Names<'_> {
    /// A number for the thread that handed an attachment over.
    fn add(&mut self, found: &attached::Found) -> ThreadId {
        self.threads.push(found.attachment.as_ref().map(|one| one.thread.clone()).unwrap_or_default());
        ThreadId(self.threads.len() as u32 - 1)
    }

    fn known(&self) -> Known {
        // One call site more, for all that are unknown.
        Known { sites: self.found.sites.len() as u32 + 1, threads: self.threads.len() as u32 }
    }
}

/// Every thread that may have something left: those of which the state knows, and those that began since.
fn threads(image: Option<&Image<'_>>, state: &State, names: &mut Names<'_>, cut: &mut Cut) -> Vec<Thread> {
    let mut slots: BTreeMap<_, _> =
        image.iter().flat_map(|image| image.slots()).map(|slot| (slot.incarnation, slot)).collect();
    let known: Vec<(Option<&ThreadState>, _)> = state
        .threads
        .iter()
        .map(|thread| (Some(thread), slots.remove(&thread.incarnation).filter(|_| thread.incarnation != 0)))
        .collect();
    let new = slots.into_values().map(|slot| (None, Some(slot)));
    let mut threads = Vec::new();
    for (read, slot) in known.into_iter().chain(new) {
        let (written, lost) = match (image, &slot) {
            (Some(image), Some(slot)) => (image.written(slot, read), slot.lost),
            _ => (Written::default(), read.map(|read| read.lost).unwrap_or_default()),
        };
        cut.damaged += u64::from(written.is_cut_off);
        let incarnation = slot.as_ref().map_or(0, |slot| slot.incarnation);
        let id = ThreadId(read.map_or(names.threads.len() as u32, |read| read.name));
        if read.is_none() {
            names.threads.extend(slot.map(|slot| (slot.name, slot.number)));
        }
        let spans = match read {
            Some(read) => resume(&read.spans, StreamKind::SPAN, Some(id), names.known(), &mut cut.damaged),
            None => Stream::new(StreamKind::SPAN, SpanEncoder::new(), Some((id, ""))),
        };
        // Of one that ended nothing is left to report; its slot may not say so yet.
        let losses = Losses(read.map(|read| read.lost).unwrap_or_default());
        let incarnation = read.map_or_else(|| incarnation, |read| read.incarnation);
        threads.push(Thread { id, incarnation, written, losses, lost, spans });
    }
    threads
}

/// The ticks that an event of this recording can have. Of a counter that was set back since the last drain it takes those from before the jump alone.
fn sound(state: &State, rate: f64, written_ns: i64) -> RangeInclusive<u64> {
    let slack = (SLACK_NS * rate) as u64;
    let since = written_ns.saturating_sub(state.newest.wall_ns).max(0);
    let first = state.first_ticks.min(state.newest.ticks).saturating_sub(slack);
    first..=state.newest.ticks.saturating_add((since as f64 * rate) as u64).saturating_add(slack)
}

/// As [`reader::read`]; an event whose ticks cannot be is taken for one that is torn, and ends what can be read.
fn read_sound(
    words: &[u64],
    losses: &mut Losses,
    sound: &RangeInclusive<u64>,
    take: &mut impl FnMut(u64, Event<'_>),
) -> bool {
    // What the events behind it say was lost is not passed on, and so not known.
    let mut passed_on = *losses;
    let mut is_sound = true;
    let is_whole = reader::read(words, losses, &mut |ticks, event| {
        is_sound &= sound.contains(&ticks);
        if is_sound {
            if let Event::Lost { what, count } = event {
                passed_on.0[what as usize] += count;
            }
            take(ticks, event);
        }
    });
    *losses = passed_on;
    is_whole && is_sound
}

fn last_tick(threads: &[Thread], attached: &[attached::Found], sound: &RangeInclusive<u64>) -> u64 {
    let mut last = 0;
    for words in threads.iter().flat_map(|thread| &thread.written.pieces) {
        read_sound(words, &mut Losses::default(), sound, &mut |ticks, _| last = last.max(ticks));
    }
    let of_attachments = attached.iter().filter_map(|found| Some(found.attachment.as_ref()?.ticks));
    of_attachments.filter(|ticks| sound.contains(ticks)).fold(last, u64::max)
}

fn window(state: &State, last_tick: u64, rate: f64) -> Window {
    let begin = state.newest;
    let ticks = last_tick.saturating_sub(begin.ticks).max((WINDOW_NS_MIN * rate) as u64);
    let elapsed = (ticks as f64 / rate) as i64;
    let end = TimeSample {
        ticks: begin.ticks.saturating_add(ticks),
        monotonic_ns: begin.monotonic_ns.saturating_add(elapsed),
        wall_ns: begin.wall_ns.saturating_add(elapsed),
    };
    Window { begin, end, anchor_ns: state.anchor_ns }
}

fn domain(name: &str) -> &'static str {
    ["tsc", "cntvct"].into_iter().find(|known| *known == name).unwrap_or("monotonic")
}

fn losses(state: &State) -> BTreeMap<framelake_wire::StreamId, u64> {
    let of_threads = state.threads.iter().map(|thread| &thread.spans);
    let all = of_threads.chain(&state.streams).filter(|stream| stream.lost > 0);
    all.map(|stream| (stream.stream_id(), stream.lost)).collect()
}

/// The stream of `kind` of the whole process.
fn resumed<E: Encode + Saved + Default>(state: &State, kind: StreamKind, known: Known, damaged: &mut u64) -> Stream<E> {
    match state.streams.iter().find(|stream| stream.is(&kind)) {
        Some(stream) => resume(stream, kind, None, known, damaged),
        None => Stream::new(kind, E::default(), None),
    }
}

/// The stream as it was; a new one where that cannot be known, so that nothing stands twice under one number.
fn resume<E: Encode + Saved + Default>(
    state: &StreamState,
    kind: StreamKind,
    thread: Option<ThreadId>,
    known: Known,
    damaged: &mut u64,
) -> Stream<E> {
    match E::resume(&state.encoder, known) {
        Ok(encoder) => Stream::resumed(state, encoder, kind, thread),
        Err(_) => {
            *damaged += 1;
            Stream::new(kind, E::default(), thread.map(|id| (id, "")))
        }
    }
}

/// The event with numbers that are known, and what can be encoded; `None` where it makes no sense.
fn checked<'a>(event: Event<'a>, known: Known, sets: usize, damaged: &mut u64) -> Option<Event<'a>> {
    let mut number = |site: u32| {
        if (1..known.sites).contains(&site) {
            return site;
        }
        *damaged += 1;
        known.sites
    };
    let is_number = |args: Raw<'_>| matches!(args.iter().next(), Some(Arg::I64(_) | Arg::F64(_)));
    Some(match event {
        // Its end will come.
        Event::Begin { site, fields } if !fields.is_sound() => {
            Event::Begin { site: number(site), fields: Raw::default() }
        }
        Event::Begin { site, fields } => Event::Begin { site: number(site), fields },
        Event::Log { site, args } if args.is_sound() => Event::Log { site: number(site), args },
        Event::Metric { site, properties, args } if args.is_sound() && is_number(args) => {
            let known = properties as usize <= sets;
            Event::Metric { site: number(site), properties: if known { properties } else { 0 }, args }
        }
        Event::AsyncBegin { site, id, parent, fields } if fields.is_sound() => {
            Event::AsyncBegin { site: number(site), id, parent, fields }
        }
        // What it ends is known without them.
        Event::AsyncEnd { id, fields: Some(fields) } if !fields.is_sound() => Event::AsyncEnd { id, fields: None },
        Event::Log { .. } | Event::Metric { .. } | Event::AsyncBegin { .. } => {
            *damaged += 1;
            return None;
        }
        Event::Lost { count, .. } if count > LOST_MAX => {
            *damaged += 1;
            return None;
        }
        other => other,
    })
}

#[cfg(all(test, not(loom)))]
mod tests;
