//! The sending thread: takes batches from the queue and keeps trying until they are kept.

use crate::{Backoff, Deliver, Error, Outcome, Outgoing, Queue, Result, Rows};
use framelake_wire::{StreamId, Topic};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of a batch: large enough that a request's cost vanishes, small enough that a resend after a lost reply is cheap.
const BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;
const _: () = assert!(BATCH_BYTES_MAX <= framelake_wire::limits::BATCH_BYTES_MAX);
/// One attempt lasts no longer than this; a gateway that has not answered by then is taken for lost.
const ATTEMPT_MAX: Duration = Duration::from_secs(20);
/// A `Retry-After` beyond this is taken for a mistake.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// Between attempts while somebody waits in flush or shutdown.
const HURRIED_WAIT: Duration = Duration::from_millis(50);
/// Streams whose losses are kept apart until they are asked for; further ones are counted without their stream.
const LOSSES_MAX: usize = 65_536;

/// Sends records from a thread of its own. Cheap to share; [`Sender::shutdown`] ends it.
#[derive(Clone)]
pub struct Sender {
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What a sender did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records that the other side keeps.
    pub sent_records: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Batches that were acknowledged.
    pub sent_batches: u64,
    /// Attempts that failed and were, or will be, made again.
    pub send_errors: u64,
    /// Rows shed because memory was used up.
    pub shed_rows: u64,
    /// Records that the other side refused for good.
    pub refused_records: u64,
    /// Their rows.
    pub refused_rows: u64,
    /// Bytes held now, in flight included.
    pub queue_bytes: u64,
    /// The most bytes ever held.
    pub queue_bytes_peak: u64,
    /// Records held now, in flight included.
    pub queue_records: u64,
}

/// What was still held when the sender ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undelivered {
    /// Records not known to be kept. One that was in flight may have been.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their rows, by stream.
    pub rows: Vec<Rows>,
}

struct Shared {
    state: Mutex<State>,
    /// Something to do for the thread.
    work: Condvar,
    /// Everything is sent, or the thread is gone.
    idle: Condvar,
}

struct InFlight {
    bytes: usize,
    rows: Option<Rows>,
}

struct State {
    queue: Queue,
    stats: Stats,
    losses: HashMap<StreamId, u64>,
    /// Sent again when the other side comes back: it may have forgotten everything.
    latest_process: Option<Outgoing>,
    /// What the records in flight would lose, in the order in which they are sent.
    in_flight: VecDeque<InFlight>,
    dispatched: bool,
    /// Set by flush and shutdown: stop waiting between attempts.
    hurry: bool,
    stop: Option<Instant>,
    running: bool,
}

impl Sender {
    /// Starts the thread. The queue holds at most `queue_bytes_max` bytes.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(carrier: Box<dyn Deliver>, queue_bytes_max: usize) -> Result<Self> {
        let state = State {
            queue: Queue::new(queue_bytes_max),
            stats: Stats::default(),
            losses: HashMap::new(),
            latest_process: None,
            in_flight: VecDeque::new(),
            dispatched: false,
            hurry: false,
            stop: None,
            running: true,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), work: Condvar::new(), idle: Condvar::new() });
        let work = Work { shared: shared.clone(), carrier, backoff: Backoff::random(), away: false, complained: false };
        let thread =
            std::thread::Builder::new().name("framelake-send".into()).spawn(|| work.run()).map_err(Error::Thread)?;
        Ok(Self { shared, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Takes `record` in. Never waits for the network. Nothing is sent before [`Sender::dispatch`], or before a batch is full,
    /// so that the blocks of one drain travel together.
    pub fn push(&self, record: Outgoing) {
        let mut state = self.shared.lock();
        if record.topic == Topic::Processes {
            state.latest_process = Some(record.clone());
        }
        state.push(record);
        let bytes = state.queue.bytes();
        state.stats.queue_bytes_peak = state.stats.queue_bytes_peak.max(bytes as u64);
        if bytes >= BATCH_BYTES_MAX {
            state.dispatched = true;
            self.shared.work.notify_one();
        }
    }

    /// Sends what was pushed.
    pub fn dispatch(&self) {
        self.shared.lock().dispatched = true;
        self.shared.work.notify_one();
    }

    /// Rows lost since the last call, by stream: shed or refused.
    #[must_use]
    pub fn take_losses(&self) -> Vec<Rows> {
        let losses = std::mem::take(&mut self.shared.lock().losses);
        losses.into_iter().map(|(stream_id, count)| Rows { stream_id, count }).collect()
    }

    /// Waits until all that was pushed is kept, or `timeout` is over; says which.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.shared.lock();
        while state.running && !state.is_idle() {
            state.dispatched = true;
            state.hurry = true;
            self.shared.work.notify_one();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.shared.idle.wait_timeout(state, left).unwrap_or_else(|broken| broken.into_inner()).0;
        }
        state.hurry = false;
        state.is_idle()
    }

    /// What it did so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let state = self.shared.lock();
        let mut stats = state.stats;
        stats.queue_bytes = state.queue.bytes() as u64;
        stats.queue_records = (state.queue.len() + state.in_flight.len()) as u64;
        stats
    }

    /// Sends what is held for at most `timeout`, ends the thread and says what could not be delivered.
    pub fn shutdown(&self, timeout: Duration) -> Undelivered {
        let deadline = Instant::now() + timeout;
        let _ = self.flush(timeout);
        {
            let mut state = self.shared.lock();
            state.stop = Some(deadline);
            state.dispatched = true;
            self.shared.work.notify_one();
            // An attempt in the air ends with its own timeout at the latest; it is not waited for beyond a moment.
            let grace = Instant::now() + Duration::from_millis(100);
            while state.running {
                let left = grace.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                state = self.shared.idle.wait_timeout(state, left).unwrap_or_else(|broken| broken.into_inner()).0;
            }
        }
        let mut state = self.shared.lock();
        if !state.running
            && let Some(thread) = self.thread.lock().unwrap_or_else(|broken| broken.into_inner()).take()
        {
            drop(state);
            let _ = thread.join();
            state = self.shared.lock();
        }
        let mut undelivered = Undelivered::default();
        let waiting = state.queue.drain();
        let waiting = waiting.iter().map(InFlight::of);
        for record in waiting.chain(state.in_flight.drain(..)) {
            undelivered.records += 1;
            undelivered.bytes += record.bytes as u64;
            undelivered.rows.extend(record.rows);
        }
        undelivered
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is plain data, whole at every point where its holder could panic.
        self.state.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    /// Queues `record`, and counts what is shed for it.
    fn push(&mut self, record: Outgoing) {
        for rows in self.queue.push(record) {
            self.stats.shed_rows += rows.count;
            self.lose(rows);
        }
    }

    fn lose(&mut self, rows: Rows) {
        if self.losses.len() < LOSSES_MAX || self.losses.contains_key(&rows.stream_id) {
            *self.losses.entry(rows.stream_id).or_default() += rows.count;
        }
    }

    fn past_stop(&self) -> bool {
        self.stop.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// The thread's own side.
struct Work {
    shared: Arc<Shared>,
    carrier: Box<dyn Deliver>,
    backoff: Backoff,
    /// The last attempt failed.
    away: bool,
    complained: bool,
}

impl Work {
    fn run(mut self) {
        // Whatever ends the thread, nobody may wait for it in vain.
        let _ended = Ended(self.shared.clone());
        while let Some(batch) = self.next_batch() {
            self.send(batch);
        }
    }

    /// Waits for something to send; `None` ends the thread.
    fn next_batch(&self) -> Option<Vec<Outgoing>> {
        let mut state = self.shared.lock();
        loop {
            if state.past_stop() || (state.stop.is_some() && state.is_idle()) {
                return None;
            }
            if state.dispatched && !state.queue.is_empty() {
                let batch = state.queue.take_batch(BATCH_BYTES_MAX);
                state.in_flight.extend(batch.iter().map(InFlight::of));
                return Some(batch);
            }
            state.dispatched = false;
            if state.is_idle() {
                self.shared.idle.notify_all();
            }
            state = self.shared.work.wait(state).unwrap_or_else(|broken| broken.into_inner());
        }
    }

    /// Keeps trying until every record of `batch` is kept or refused, or the sender is stopped.
    fn send(&mut self, batch: Vec<Outgoing>) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            let deadline = self.attempt_deadline();
            match self.carrier.deliver(&part, deadline) {
                Outcome::Kept { refused } => {
                    for refusal in &refused {
                        if let Some(record) = part.get(refusal.index) {
                            self.refused(record, &refusal.reason);
                        }
                    }
                    self.kept(&part, refused.len());
                }
                Outcome::Retry { after, reason } => {
                    parts.push(part);
                    if !self.wait(after, &reason) {
                        return;
                    }
                }
                Outcome::TooLarge if part.len() > 1 => {
                    let rest = part.split_off(part.len() / 2);
                    parts.push(rest);
                    parts.push(part);
                }
                Outcome::TooLarge => self.given_up(&part, "larger than the other side takes"),
                // One record may spoil the batch: alone, the others get through.
                Outcome::Refused { .. } if part.len() > 1 => {
                    parts.extend(part.into_iter().rev().map(|record| vec![record]));
                }
                Outcome::Refused { reason } => self.given_up(&part, &reason),
            }
        }
    }

    fn attempt_deadline(&self) -> Instant {
        let longest = Instant::now() + ATTEMPT_MAX;
        self.shared.lock().stop.map_or(longest, |stop| stop.min(longest))
    }

    fn kept(&mut self, part: &[Outgoing], refused: usize) {
        let mut state = self.shared.lock();
        state.stats.sent_batches += 1;
        state.stats.sent_records += (part.len() - refused) as u64;
        state.stats.sent_bytes += part.iter().map(|record| record.bytes.len() as u64).sum::<u64>();
        state.done(part);
        self.backoff.reset();
        if std::mem::take(&mut self.away) {
            let sent_now = part.iter().any(|record| record.topic == Topic::Processes);
            if !sent_now
                && !state.queue.has_process()
                && let Some(process) = state.latest_process.clone()
            {
                state.push(process);
                state.dispatched = true;
            }
            drop(state);
            eprintln!("framelake: {} takes records again", self.carrier.destination());
        }
    }

    fn given_up(&mut self, part: &[Outgoing], reason: &str) {
        for record in part {
            self.refused(record, reason);
        }
        self.shared.lock().done(part);
    }

    /// Counts a record that will never be kept, and says so once.
    fn refused(&mut self, record: &Outgoing, reason: &str) {
        let mut state = self.shared.lock();
        state.stats.refused_records += 1;
        if let Some(rows) = record.rows {
            state.stats.refused_rows += rows.count;
            state.lose(rows);
        }
        drop(state);
        if !std::mem::replace(&mut self.complained, true) {
            eprintln!(
                "framelake: {} refused a record of {} bytes for {}: {reason} (further refusals are counted, not printed)",
                self.carrier.destination(),
                record.bytes.len(),
                record.topic,
            );
        }
    }

    /// Waits before the next attempt; `false` when the sender is stopped meanwhile.
    fn wait(&mut self, after: Option<Duration>, reason: &str) -> bool {
        let first = !std::mem::replace(&mut self.away, true);
        if first {
            eprintln!(
                "framelake: {} does not take records: {reason}; keeping them in memory and trying again",
                self.carrier.destination()
            );
        }
        let mut wait = self.backoff.next_wait();
        // What the other side asked for is a floor, with jitter on top, and not to be hurried.
        if let Some(after) = after {
            wait = after.min(RETRY_AFTER_MAX) + wait / 10;
        }
        let begin = Instant::now();
        let mut state = self.shared.lock();
        state.stats.send_errors += 1;
        loop {
            if state.past_stop() {
                return false;
            }
            let wait = if state.hurry && after.is_none() { wait.min(HURRIED_WAIT) } else { wait };
            let until = state.stop.map_or(begin + wait, |stop| stop.min(begin + wait));
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return !state.past_stop();
            }
            state = self.shared.work.wait_timeout(state, left).unwrap_or_else(|broken| broken.into_inner()).0;
        }
    }
}

impl InFlight {
    fn of(record: &Outgoing) -> Self {
        Self { bytes: record.bytes.len(), rows: record.rows }
    }
}

impl State {
    /// The records of `part` reached their end.
    fn done(&mut self, part: &[Outgoing]) {
        for record in part {
            self.queue.release(record);
        }
        // Parts are sent in the batch's order, so theirs are the first.
        let ended = part.len().min(self.in_flight.len());
        self.in_flight.drain(..ended);
    }
}

/// Tells whoever waits that the thread is gone.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.lock().running = false;
        self.0.idle.notify_all();
    }
}
