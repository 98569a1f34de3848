//! The background thread: drains every thread's buffer on a period and when chunks run low, seals blocks, hands them to the sender.

use crate::aggregate::Seen;
use crate::attachment::{self, Attachments};
use crate::buffer::Handle;
use crate::clock;
use crate::control::{Control, Stop};
use crate::crash::Crash;
use crate::crash::state::{State, ThreadState};
use crate::dictionary::Dictionary;
use crate::event::Lost;
use crate::merge::{Merge, Shared};
use crate::reader::{Event, Reader, Snapshot};
use crate::report::{Report, Stats, StreamReport};
use crate::sampler::Sampler;
use crate::sampling::{Decided, Sampling, Staged};
use crate::server_control::ServerControl;
use crate::stream::{Destination, Outlet, Stream, kind_stats};
use crate::system::{Monitor, Unaccounted};
use crate::{chunk, thread, wake};
use framelake_transport::{Hold, Losses, Outgoing, Rows, Sender};
use framelake_wire::encode::{AsyncEncoder, FrameEncoder, LogEncoder, MetricEncoder, SiteId, SpanEncoder, ThreadId};
use framelake_wire::{Process, StreamId, StreamKind, TimeSample, Topic};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the `Process` record is sent again, with its `last_seen`.
const PROCESS_PERIOD: Duration = Duration::from_secs(30);
/// Chunks kept free at least: 16 × 64 KiB = 1 MiB. Above that, twice what the last period took, so that a steady program never runs low.
pub(crate) const FREE_CHUNKS: usize = 16;
/// Streams of ended threads that are remembered for the report and for later losses. 65,536 × about 150 B = 10 MiB at worst.
const ENDED_STREAMS_MAX: usize = 65_536;

/// The property of a process whose spans are sampled that says how many were left out, as of the last `Process` record.
const SAMPLED_SPANS: &str = "framelake.sampled_spans";
/// When a crash-safe recording is drained first.
const CRASH_SAFE_FIRST: Duration = Duration::from_millis(50);

/// Buffers that outlive a recording, with how far they were read: threads keep theirs.
static KEPT: Mutex<Vec<(Handle, Reader)>> = Mutex::new(Vec::new());

/// How it works.
pub(crate) struct Options {
    /// How often blocks are sealed.
    pub(crate) period: Duration,
    /// What events are stamped by.
    pub(crate) clock: u32,
    /// Whether the server says what is recorded.
    pub(crate) server_control: bool,
    /// Whether only spans of slow frames are kept.
    pub(crate) sampling: Option<Sampling>,
}

/// What the background thread works with.
pub(crate) struct Worker {
    control: Arc<Control>,
    sender: Sender,
    period: Duration,
    clock: u32,
    server_control: Option<ServerControl>,
    sampling: Option<Sampling>,
    sampler: Sampler,
    /// The ticks at which recording began.
    first_ticks: u64,
    monitor: Monitor,
    unaccounted: Unaccounted,
    dictionary: Dictionary,
    process: Process,
    process_sent: Instant,
    free_chunks: usize,
    threads: Vec<ThreadStream>,
    shared: Shared,
    attachments: Attachments,
    merge: Merge,
    /// Rows lost after they were sealed.
    losses: BTreeMap<StreamId, u64>,
    /// Those that count once it is written down that the next run shall not send them.
    uncounted: Vec<Rows>,
    kinds: BTreeMap<StreamId, StreamKind>,
    ended: Vec<StreamReport>,
    ended_left_out: u64,
    stats: Stats,
    /// Where recording is crash-safe. Then every drain seals all that was read.
    crash: Option<Crash>,
}

struct ThreadStream {
    buffer: Handle,
    reader: Reader,
    snapshot: Snapshot,
    id: ThreadId,
    spans: Stream<SpanEncoder>,
    counted: Seen,
    /// Where only spans of slow frames are kept: those not decided yet, and whether the thread marks frames.
    staged: Staged,
    marks: bool,
}

impl Worker {
    /// A worker that begins now: what buffers hold from before is left aside.
    pub(crate) fn new(
        control: Arc<Control>,
        sender: Sender,
        options: Options,
        start: TimeSample,
        process: Process,
        monitor: Monitor,
        crash: Option<Crash>,
    ) -> Self {
        let Options { period, clock, server_control, sampling } = options;
        let mut worker = Self {
            control,
            sender,
            period,
            clock,
            server_control: server_control.then(ServerControl::default),
            sampling,
            sampler: Sampler::new(start),
            first_ticks: start.ticks,
            monitor,
            unaccounted: Unaccounted { unattributed: thread::unattributed(), unreadable_bytes: 0 },
            dictionary: Dictionary::default(),
            process,
            process_sent: Instant::now(),
            free_chunks: FREE_CHUNKS,
            threads: Vec::new(),
            shared: Shared {
                logs: Stream::new(StreamKind::LOG, LogEncoder::new(), None),
                metrics: Stream::new(StreamKind::METRIC, MetricEncoder::new(), None),
                frames: Stream::new(StreamKind::FRAME, FrameEncoder::new(), None),
                asyncs: Stream::new(StreamKind::ASYNC, AsyncEncoder::new(), None),
            },
            attachments: Attachments::new(),
            merge: Merge::default(),
            losses: BTreeMap::new(),
            uncounted: Vec::new(),
            kinds: BTreeMap::new(),
            ended: Vec::new(),
            ended_left_out: 0,
            stats: Stats::default(),
            crash,
        };
        let kept = std::mem::take(&mut *KEPT.lock().unwrap_or_else(PoisonError::into_inner));
        for (buffer, reader) in kept {
            worker.add(buffer, reader);
        }
        worker.add_new();
        for thread in &mut worker.threads {
            let snapshot = thread.reader.snapshot(&thread.buffer);
            thread.reader.drain(snapshot, u64::MAX, 0, |_, _| {});
            thread.reader.settle(&thread.buffer);
            thread.reader.unreadable = 0;
            let drain = worker.crash.as_ref().map_or(0, Crash::drain);
            thread.counted.read(drain, &thread.buffer, |_, _, _| {});
        }
        worker.commit(&mut Vec::new());
        worker
    }

    /// Runs until it is told to end.
    pub(crate) fn run(mut self) {
        let _ended = Ended(self.control.clone());
        self.send_process();
        // Ticks cannot be made into time before two samples were taken: a program that crashes soon has them then.
        let first = if self.crash.is_some() { self.period.min(CRASH_SAFE_FIRST) } else { self.period };
        let mut next = Instant::now() + first;
        loop {
            let left = next.saturating_duration_since(Instant::now());
            if !left.is_zero() && !wake::take() {
                std::thread::park_timeout(left);
            }
            let (ticket, stop) = self.control.asked();
            if let Some(stop) = stop {
                return self.end(&stop);
            }
            let now = Instant::now();
            let seal = ticket.is_some() || now >= next;
            if now >= next {
                // A late drain does not make the next ones early.
                next = now + self.period - (now - next).min(self.period / 2);
            }
            if seal {
                // Before the buffers are read: this thread's own among them.
                self.monitor.measure(Instant::now());
                self.record_unaccounted();
            }
            self.drain(seal, ticket.is_some());
            self.control.drained(ticket, self.stats());
        }
    }

    /// Reads all buffers; seals every stream's block where `seal`, otherwise only full ones. With `at_once` spans do not wait for their frames.
    fn drain(&mut self, seal: bool, at_once: bool) {
        // What was read and not sealed would be nowhere but in memory.
        let seal = seal || self.crash.is_some();
        let at_once = at_once || self.crash.is_some();
        let _ = wake::take();
        chunk::begin_drain();
        self.count_losses();
        self.add_new();
        self.attachments.take(&mut self.dictionary);
        // Before the first position is read: events later than this are left for the next drain (`Reader::drain`), unless nothing is recorded any more.
        let end = clock::sample(self.clock);
        let until = if clock::recording() == clock::OFF { u64::MAX } else { end.ticks };
        for thread in &mut self.threads {
            thread.snapshot = thread.reader.snapshot(&thread.buffer);
        }
        // Before the dictionary is refreshed, so that it knows all that they name.
        if seal {
            let drain = self.crash.as_ref().map_or(0, Crash::drain);
            for thread in &mut self.threads {
                let ThreadStream { buffer, id, counted, .. } = thread;
                counted.read(drain, buffer, |site, properties, args| {
                    let event = Event::Metric { site, properties: properties.id, args: args.as_raw() };
                    self.merge.add(end.ticks, *id, event);
                });
            }
        }
        self.dictionary.refresh();
        let mut blocks = Vec::new();
        let settle = self.crash.is_none();
        let mut outlet = Outlet {
            process_id: self.process.process_id,
            clock_domain: clock::domain(self.clock),
            window: self.sampler.window(end, seal),
            dictionary: &self.dictionary,
            to: if settle { Destination::Sender(&self.sender) } else { Destination::Kept(&mut blocks) },
            losses: &self.losses,
            kinds: &mut self.kinds,
            stats: &mut self.stats,
            sealed: 0,
        };
        let (merge, shared, sampling) = (&mut self.merge, &mut self.shared, &mut self.sampling);
        if let Some(sampling) = sampling {
            sampling.now_ns = end.monotonic_ns;
        }
        // Those that mark frames first, so that the others' spans need not wait for them.
        for marks in [true, false] {
            for thread in self.threads.iter_mut().filter(|thread| thread.marks == marks) {
                thread.drain(until, end.ticks, merge, shared, sampling.as_mut(), &mut outlet);
                if settle {
                    thread.settle();
                }
            }
        }
        if let Some(sampling) = sampling {
            sampling.frames.watch(end.ticks);
            for thread in &mut self.threads {
                thread.decide(sampling, at_once, &mut outlet);
            }
        }
        self.merge.encode(&mut self.shared, &mut outlet);
        self.shared.asyncs.encoder.drained();
        self.attachments.seal(&mut outlet);
        if seal {
            for thread in &mut self.threads {
                thread.spans.seal(&mut outlet);
            }
            self.shared.logs.seal(&mut outlet);
            self.shared.metrics.seal(&mut outlet);
            self.shared.frames.seal(&mut outlet);
            self.shared.asyncs.seal(&mut outlet);
        }
        let sealed = outlet.sealed;
        if !settle {
            self.commit(&mut blocks);
            self.threads.iter_mut().for_each(ThreadStream::settle);
            self.attachments.settle();
            self.step("settled");
            blocks.drain(..).for_each(|block| self.sender.push(block));
            self.step("sent");
        }
        if sealed > 0 {
            self.sender.dispatch();
        }
        if seal {
            self.forget_ended_threads();
            self.free_chunks = FREE_CHUNKS.max(2 * chunk::count_taken());
            if self.process_sent.elapsed() >= PROCESS_PERIOD {
                self.send_process();
            }
        }
        if let Some(server) = &mut self.server_control
            && let Some(text) = self.sender.take_control()
        {
            server.take(&text);
        }
        chunk::prepare(self.free_chunks);
    }

    /// Writes down that all went this far, where recording is crash-safe.
    fn commit(&mut self, blocks: &mut [Outgoing]) {
        let Some(mut crash) = self.crash.take() else { return };
        let state = self.state();
        if crash.commit(state, blocks) {
            self.count_taken();
        }
        self.crash = Some(crash);
    }

    fn step(&self, name: &str) {
        if let Some(crash) = &self.crash {
            crash.step(name);
        }
    }

    /// What is to be known to go on from here.
    fn state(&mut self) -> State {
        self.describe();
        let mut losses = self.losses.clone();
        for rows in &self.uncounted {
            *losses.entry(rows.stream_id).or_default() += rows.count;
            *self.process.dropped.entry(rows.stream_id).or_default() += rows.count;
        }
        let (newest, anchor_ns, rate) = self.sampler.known();
        let thread = |thread: &ThreadStream| {
            let (position, lost) = thread.reader.position();
            ThreadState {
                incarnation: thread.buffer.incarnation().unwrap_or(0),
                ended: thread.snapshot.ended,
                position,
                lost,
                name: thread.id.0,
                spans: thread.spans.state(&losses),
            }
        };
        State {
            process: self.process.encode(),
            attached: self.attachments.taken_to,
            attachments_lost: self.attachments.lost,
            clock_domain: clock::domain(self.clock).to_owned(),
            first_ticks: self.first_ticks,
            newest,
            anchor_ns,
            rate,
            names: self.dictionary.threads().to_vec(),
            threads: self.threads.iter().map(thread).collect(),
            streams: vec![
                self.shared.logs.state(&losses),
                self.shared.metrics.state(&losses),
                self.shared.frames.state(&losses),
                self.shared.asyncs.state(&losses),
                self.attachments.stream.state(&losses),
            ],
            ..State::default()
        }
    }

    fn add_new(&mut self) {
        while let Some(buffer) = thread::next_new() {
            self.add(buffer, Reader::default());
        }
    }

    fn add(&mut self, buffer: Handle, reader: Reader) {
        let id = self.dictionary.add_thread(&buffer.name, buffer.number);
        let spans = Stream::new(StreamKind::SPAN, SpanEncoder::new(), Some((id, &buffer.name)));
        let (snapshot, counted, staged, marks) = Default::default();
        self.threads.push(ThreadStream { buffer, reader, snapshot, id, spans, counted, staged, marks });
    }

    /// Lets go of threads that ended and were drained to their end, unless spans of theirs wait for their frames. Only after everything is sealed: until then events name them.
    fn forget_ended_threads(&mut self) {
        for ended in self.threads.extract_if(.., |thread| thread.snapshot.ended && thread.staged.is_empty()) {
            self.dictionary.remove_thread(ended.id);
            if let Some(report) = ended.spans.report(&BTreeMap::new()) {
                if self.ended.len() < ENDED_STREAMS_MAX {
                    self.ended.push(report);
                } else {
                    self.ended_left_out += 1;
                    self.kinds.remove(&report.stream_id);
                }
            }
        }
        let asyncs = &self.shared.asyncs.encoder;
        self.dictionary.free_threads(|thread| asyncs.is_named(thread));
    }

    /// Takes over what the sender lost. With crash safety it counts with the next commit: until then the next run would send it.
    fn count_losses(&mut self) {
        let Losses { rows, gone } = self.sender.take_losses();
        self.uncounted.extend(rows);
        match &mut self.crash {
            Some(crash) => crash.forget(&gone),
            None => self.count_taken(),
        }
    }

    fn count_taken(&mut self) {
        for rows in self.uncounted.drain(..) {
            *self.losses.entry(rows.stream_id).or_default() += rows.count;
            let kind = self.kinds.get(&rows.stream_id).unwrap_or(&StreamKind::SPAN);
            kind_stats(&mut self.stats, kind).dropped += rows.count;
        }
    }

    /// What the `Process` record says of what is not there.
    fn describe(&mut self) {
        self.process.dropped = self.dropped();
        if let Some(sampling) = &self.sampling {
            self.process.properties.insert(SAMPLED_SPANS.to_owned(), sampling.left_out.to_string());
        }
    }

    fn send_process(&mut self) {
        self.process.last_seen = clock::wall_ns();
        self.describe();
        self.sender.push(Outgoing {
            topic: Topic::Processes,
            is_attachment: false,
            process_id: self.process.process_id,
            bytes: self.process.encode(),
            rows: None,
            hold: Hold::default(),
        });
        self.process.revision += 1;
        self.process_sent = Instant::now();
        self.sender.dispatch();
    }

    /// Rows that are not there, lost or left out, by stream.
    fn dropped(&self) -> BTreeMap<StreamId, u64> {
        let shared = [
            self.shared.logs.lost(),
            self.shared.metrics.lost(),
            self.shared.frames.lost(),
            self.shared.asyncs.lost(),
            self.attachments.stream.lost(),
        ];
        let live = self.threads.iter().filter_map(|thread| thread.spans.lost());
        let ended = self
            .ended
            .iter()
            .map(|report| (report.stream_id, report.dropped + report.sampled))
            .filter(|(_, count)| *count > 0);
        let mut dropped = self.losses.clone();
        for (stream_id, count) in shared.into_iter().flatten().chain(live).chain(ended) {
            *dropped.entry(stream_id).or_default() += count;
        }
        dropped
    }

    fn stats(&self) -> Stats {
        let sender = self.sender.stats();
        Stats {
            background_cpu_ns: clock::thread_cpu_ns(),
            buffer_bytes: chunk::allocated_bytes() as u64,
            queue_bytes: sender.queue_bytes,
            queue_bytes_peak: sender.queue_bytes_peak,
            sent_records: sender.sent_records,
            sent_bytes: sender.sent_bytes,
            send_errors: sender.send_errors,
            shed_rows: sender.shed_rows,
            refused_records: sender.refused_records,
            spool_bytes: sender.spool_bytes,
            spool_records: sender.spool_records,
            spilled_records: sender.spilled_records,
            spilled_bytes: sender.spilled_bytes,
            read_back_records: sender.read_back_records,
            spool_errors: sender.spool_errors,
            recovered_records: sender.recovered_records,
            crash_safe: self.crash.is_some(),
            crash_safe_bytes: self.crash.as_ref().map_or(0, Crash::bytes),
            crash_safe_errors: self.crash.as_ref().map_or(0, Crash::errors),
            unattributed: thread::unattributed(),
            control_texts: self.server_control.as_ref().map_or(0, ServerControl::texts),
            control_errors: self.server_control.as_ref().map_or(0, ServerControl::errors),
            ..self.stats
        }
    }

    /// Has it measured what belongs to no stream; what only the drain to come finds unreadable is in the report alone where that drain is the last.
    fn record_unaccounted(&mut self) {
        let unreadable_bytes = self.stats.unreadable_bytes;
        self.unaccounted.record(Unaccounted { unattributed: thread::unattributed(), unreadable_bytes });
    }

    /// Records nothing more, sends what there is, reports.
    fn end(mut self, stop: &Stop) {
        self.record_unaccounted();
        stop_recording();
        attachment::close();
        // Before the drain, so that what is written down with it says how the process ended.
        self.process.end_time = Some(clock::wall_ns());
        self.process.exit_reason = Some(stop.reason.clone());
        self.drain(true, true);
        self.send_process();
        let undelivered = self.sender.shutdown(stop.deadline.saturating_duration_since(Instant::now()));
        self.count_losses();
        if !self.uncounted.is_empty() {
            self.commit(&mut Vec::new());
        }
        self.count_taken();
        let shared = [
            self.shared.logs.report(&self.losses),
            self.shared.metrics.report(&self.losses),
            self.shared.frames.report(&self.losses),
            self.shared.asyncs.report(&self.losses),
            self.attachments.stream.report(&self.losses),
        ];
        let mut streams: Vec<StreamReport> = shared.into_iter().flatten().collect();
        streams.extend(self.threads.iter().filter_map(|thread| thread.spans.report(&self.losses)));
        streams.extend(self.ended.iter().map(|report| {
            let later = self.losses.get(&report.stream_id).copied().unwrap_or(0);
            StreamReport { dropped: report.dropped + later, ..report.clone() }
        }));
        let report = Report {
            process_id: self.process.process_id,
            streams,
            streams_left_out: self.ended_left_out,
            stats: self.stats(),
            undelivered_records: undelivered.records,
            undelivered_rows: undelivered.rows.iter().map(|rows| rows.count).sum(),
            spooled_records: undelivered.spooled_records,
            spooled_rows: undelivered.spooled_rows,
        };
        if let Some(crash) = self.crash.take() {
            crash.end(undelivered.records == 0);
        }
        let kept = self.threads.drain(..).map(|thread| (thread.buffer, thread.reader));
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).extend(kept);
        self.control.ended(Some(report));
    }
}

impl ThreadStream {
    fn drain(
        &mut self,
        until: u64,
        now: u64,
        merge: &mut Merge,
        shared: &mut Shared,
        mut sampling: Option<&mut Sampling>,
        outlet: &mut Outlet<'_>,
    ) {
        let Self { reader, snapshot, id, spans, staged, marks, .. } = self;
        reader.keeps = matches!(outlet.to, Destination::Kept(_));
        let all = reader.drain(*snapshot, until, now, |ticks, event| {
            if !is_of_spans(&event) {
                if let (Event::Frame, Some(sampling)) = (event, &mut sampling) {
                    *marks = true;
                    sampling.frames.mark(ticks);
                }
                merge.add(ticks, *id, event);
                if merge.is_full() {
                    merge.encode(shared, outlet);
                }
                return;
            }
            match &mut sampling {
                None => encode(spans, ticks, event, outlet),
                Some(sampling) => {
                    staged.add(ticks, event, sampling, &mut |decided| encode_decided(spans, decided, outlet));
                }
            }
        });
        outlet.stats.unreadable_bytes += 8 * std::mem::take(&mut reader.unreadable);
        // What is left of a thread that ended is read in the next drain.
        snapshot.ended &= all;
        if snapshot.ended {
            // Nobody is left to end them.
            if let Some(sampling) = sampling
                && staged.depth() > 0
            {
                let ends = Event::Lost { what: Lost::Ends, count: staged.depth() };
                staged.add(now, ends, sampling, &mut |decided| encode_decided(spans, decided, outlet));
            } else {
                let open = spans.encoder.depth();
                spans.encoder.end_truncated(open, now);
            }
        }
    }

    /// Encodes the spans whose frames are known by now, or all of them.
    fn decide(&mut self, sampling: &mut Sampling, at_once: bool, outlet: &mut Outlet<'_>) {
        let Self { spans, staged, .. } = self;
        staged.settle(sampling, at_once, &mut |decided| encode_decided(spans, decided, outlet));
    }

    /// Gives back what was drained.
    fn settle(&mut self) {
        self.reader.settle(&self.buffer);
        if self.snapshot.ended {
            self.reader.release(&self.buffer);
        }
    }
}

#[inline]
fn is_of_spans(event: &Event<'_>) -> bool {
    matches!(event, Event::Begin { .. } | Event::End | Event::Lost { what: Lost::Spans | Lost::Ends, .. })
}

#[inline]
fn encode(spans: &mut Stream<SpanEncoder>, ticks: u64, event: Event<'_>, outlet: &mut Outlet<'_>) {
    match event {
        Event::Begin { site, fields } => spans.encoder.begin_with(SiteId(site - 1), ticks, fields),
        Event::End => spans.encoder.end(ticks),
        Event::Lost { what: Lost::Spans, count } => spans.encoder.dropped(count),
        Event::Lost { what: Lost::Ends, count } => {
            spans.encoder.end_truncated(usize::try_from(count).unwrap_or(usize::MAX), ticks);
        }
        _ => unreachable!("only spans are encoded by thread"),
    }
    spans.seal_full(outlet);
}

fn encode_decided(spans: &mut Stream<SpanEncoder>, decided: Decided<'_>, outlet: &mut Outlet<'_>) {
    match decided {
        Decided::Kept(ticks, event) => encode(spans, ticks, event, outlet),
        Decided::LeftOut(count) => {
            spans.leave_out(count);
            spans.seal_full(outlet);
        }
    }
}

/// From now on events are ignored.
pub(crate) fn stop_recording() {
    clock::stop_recording();
}

/// Whatever ends the thread: nobody waits for it in vain, and nobody records for nothing. Where it ends as it should, recording ended before; by now
/// the next may have begun.
struct Ended(Arc<Control>);

impl Drop for Ended {
    fn drop(&mut self) {
        if std::thread::panicking() {
            stop_recording();
            attachment::close();
        }
        self.0.ended(None);
    }
}
