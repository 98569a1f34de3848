//! The sender: a queue, what memory has no room for on disk, and a thread that keeps trying until all of it is kept.

mod last;
mod work;

use crate::spool::{self, Held, Lost, Spool};
use crate::{Deliver, Error, Outgoing, Place, Queue, Result, Rows};
use framelake_wire::{StreamId, Topic};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use work::Work;

/// Bytes of a batch: large enough that a request's cost vanishes, small enough that a resend after a lost reply is cheap.
const BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;
const _: () = assert!(BATCH_BYTES_MAX <= framelake_wire::limits::BATCH_BYTES_MAX);
/// Streams whose losses are kept apart until they are asked for; further ones are counted without their stream.
const LOSSES_MAX: usize = 65_536;

/// Sends records from a thread of its own. Cheap to share; [`Sender::shutdown`] ends it.
#[derive(Clone)]
pub struct Sender {
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What a sender works with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most bytes held in memory. With a spool, half of them are written there when they are used up, and the other half is for what comes meanwhile.
    pub queue_bytes_max: usize,
    /// Where records wait when memory is used up, and after the end of the program; without it they are shed.
    pub spool: Option<spool::Options>,
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
    /// Rows shed because memory, and the spool's budget, were used up, or lost with a file of the spool.
    pub shed_rows: u64,
    /// Records that the other side refused for good.
    pub refused_records: u64,
    /// Their rows.
    pub refused_rows: u64,
    /// Bytes held in memory now, in flight included.
    pub queue_bytes: u64,
    /// The most bytes ever held in memory.
    pub queue_bytes_peak: u64,
    /// Records held in memory now, in flight included.
    pub queue_records: u64,
    /// Bytes on disk now, those of earlier runs included.
    pub spool_bytes: u64,
    /// Records on disk now and not known to be kept, those of earlier runs included.
    pub spool_records: u64,
    /// Records ever written to disk.
    pub spilled_records: u64,
    /// Their bytes, with what stands around them there.
    pub spilled_bytes: u64,
    /// Records read back from disk to be sent.
    pub read_back_records: u64,
    /// Times that the disk failed.
    pub spool_errors: u64,
    /// Records of earlier runs that were taken over.
    pub recovered_records: u64,
    /// Those of them that had to go for newer ones, or could not be read.
    pub recovered_lost_records: u64,
    /// Bytes at the ends of earlier runs' files that were no whole record.
    pub torn_bytes: u64,
    /// Other processes that use the same directory now.
    pub spool_shared_with: u64,
}

/// What became of records that were not kept, taken together: whoever counts rows as lost knows which records of a [journal](crate::journal) they were in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Rows lost, by stream: shed or refused, or gone with a file of the spool.
    pub rows: Vec<Rows>,
    /// Records of a journal that were lost, or that the spool has now and may lose: the journal's are not to be sent any more.
    pub gone: Vec<Place>,
}

/// What was still held when the sender ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undelivered {
    /// Records not known to be kept, and lost with the program. One that was in flight may have been kept.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their rows, by stream.
    pub rows: Vec<Rows>,
    /// Records of this run not known to be kept that are on disk: the next run that uses the directory sends them.
    pub spooled_records: u64,
    /// Their rows.
    pub spooled_rows: u64,
}

/// Whoever takes both locks takes the spool's first. It is held while the disk works, so only the thread, and [`Sender::shutdown`] for a bounded
/// time, wait for it.
struct Shared {
    spool: Mutex<Option<Spool>>,
    state: Mutex<State>,
    /// Something to do for the thread.
    work: Condvar,
    /// Everything is sent, or the thread is gone.
    idle: Condvar,
    batch_bytes_max: usize,
}

struct State {
    queue: Queue,
    stats: Stats,
    losses: HashMap<StreamId, u64>,
    /// Records of a journal that were lost, or written to the spool.
    gone: Vec<Place>,
    /// Sent again when the other side comes back: it may have forgotten everything.
    latest_process: Option<Outgoing>,
    in_flight: Option<InFlight>,
    /// Being written to disk.
    spilling: Arc<Vec<Outgoing>>,
    held: Held,
    /// There is a spool.
    spools: bool,
    /// What earlier runs left is not yet looked for.
    to_take_over: bool,
    /// The newest text of the other side, and whether it was taken.
    control: Option<String>,
    control_unseen: bool,
    dispatched: bool,
    /// Set by flush and shutdown: stop waiting between attempts.
    hurry: bool,
    stop: Option<Instant>,
    running: bool,
}

/// A batch whose records reach their end in its order.
#[derive(Clone)]
struct InFlight {
    records: Arc<Vec<Outgoing>>,
    done: usize,
    from: Origin,
}

/// Where a batch's records are kept until they reached their end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Memory,
    Spool,
    /// In the spool, of an earlier run.
    Recovered,
}

impl Sender {
    /// Starts the thread, without a spool. The queue holds at most `queue_bytes_max` bytes.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(carrier: Box<dyn Deliver>, queue_bytes_max: usize) -> Result<Self> {
        Self::start_with(carrier, Options { queue_bytes_max, spool: None })
    }

    /// Starts the thread. What earlier runs left in the spool's directory is sent too.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start_with(carrier: Box<dyn Deliver>, options: Options) -> Result<Self> {
        let Options { queue_bytes_max, spool } = options;
        let dir = spool.as_ref().map(|spool| spool.dir.clone());
        let state = State {
            queue: Queue::new(queue_bytes_max),
            stats: Stats::default(),
            losses: HashMap::new(),
            gone: Vec::new(),
            latest_process: None,
            in_flight: None,
            spilling: Arc::default(),
            held: Held::default(),
            spools: spool.is_some(),
            to_take_over: spool.is_some(),
            control: None,
            control_unseen: false,
            dispatched: false,
            hurry: false,
            stop: None,
            running: true,
        };
        let shared = Arc::new(Shared {
            spool: Mutex::new(spool.map(Spool::new)),
            state: Mutex::new(state),
            work: Condvar::new(),
            idle: Condvar::new(),
            // A batch in flight must leave room for what comes meanwhile.
            batch_bytes_max: BATCH_BYTES_MAX.min(queue_bytes_max / 4),
        });
        let work = Work::new(shared.clone(), carrier, dir);
        let thread =
            std::thread::Builder::new().name("framelake-send".into()).spawn(|| work.run()).map_err(Error::Thread)?;
        Ok(Self { shared, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Takes `record` in. Never waits for the network or a disk. Nothing is sent before [`Sender::dispatch`], or before a batch is full,
    /// so that the blocks of one drain travel together.
    pub fn push(&self, record: Outgoing) {
        let mut state = self.shared.lock();
        if record.topic == Topic::Processes {
            state.latest_process = Some(record.clone());
        }
        state.push(record);
        let full = state.queue.bytes() >= self.shared.batch_bytes_max;
        state.dispatched |= full;
        if full || state.is_to_spill() {
            self.shared.work.notify_one();
        }
    }

    /// Sends what was pushed.
    pub fn dispatch(&self) {
        self.shared.lock().dispatched = true;
        self.shared.work.notify_one();
    }

    /// What was lost since the last call.
    #[must_use]
    pub fn take_losses(&self) -> Losses {
        let mut state = self.shared.lock();
        let (rows, gone) = (std::mem::take(&mut state.losses), std::mem::take(&mut state.gone));
        drop(state);
        Losses { rows: rows.into_iter().map(|(stream_id, count)| Rows { stream_id, count }).collect(), gone }
    }

    /// What the other side would have recorded, where it said so since the last call and it differs from what it said before; the newest alone.
    #[must_use]
    pub fn take_control(&self) -> Option<String> {
        let mut state = self.shared.lock();
        if std::mem::take(&mut state.control_unseen) { state.control.clone() } else { None }
    }

    /// Waits until all that was pushed, and what earlier runs left on disk, is kept, or `timeout` is over; says which.
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
            state = self.shared.idle.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.hurry = false;
        state.is_idle()
    }

    /// What it did so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let state = self.shared.lock();
        let in_flight = state.in_flight.as_ref().map_or(0, |batch| batch.records.len() - batch.done);
        Stats {
            queue_bytes: state.queue.bytes() as u64,
            queue_records: (state.queue.len() + in_flight + state.spilling.len()) as u64,
            spool_bytes: state.held.bytes,
            spool_records: state.held.records,
            ..state.stats
        }
    }

    /// Sends what is held for at most `timeout`, ends the thread, writes what could not be delivered to the spool, for at most 2 s, and says what
    /// became of it.
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
                state = self.shared.idle.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        let running = self.shared.lock().running;
        if !running && let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
        last::keep(&self.shared)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is plain data, whole at every point where its holder could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_spool(&self) -> MutexGuard<'_, Option<Spool>> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The spool, where whoever works with it is done by `deadline`.
    fn lock_spool_until(&self, deadline: Instant) -> Option<MutexGuard<'_, Option<Spool>>> {
        loop {
            match self.spool.try_lock() {
                Ok(spool) => return Some(spool),
                Err(TryLockError::Poisoned(broken)) => return Some(broken.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl State {
    fn is_idle(&self) -> bool {
        let in_memory = !self.queue.is_empty() || self.in_flight.is_some() || !self.spilling.is_empty();
        !in_memory && self.held.records == 0 && !self.to_take_over
    }

    /// Queues `record`, and counts what is shed for it.
    fn push(&mut self, record: Outgoing) {
        for record in self.queue.push(record) {
            self.gone.extend(record.hold.place());
            if let Some(rows) = record.rows {
                self.shed(rows);
            }
        }
        self.stats.queue_bytes_peak = self.stats.queue_bytes_peak.max(self.queue.bytes() as u64);
    }

    /// Whether memory is used up so far that some of it goes to disk: more than half, and enough of it for a write that is worth it.
    fn is_to_spill(&self) -> bool {
        let bytes_max = self.queue.bytes_max();
        self.spools && self.queue.bytes() > bytes_max / 2 && self.queue.waiting_bytes() >= bytes_max / 8
    }

    fn shed(&mut self, rows: Rows) {
        self.stats.shed_rows += rows.count;
        self.lose(rows);
    }

    fn lose(&mut self, rows: Rows) {
        if self.losses.len() < LOSSES_MAX || self.losses.contains_key(&rows.stream_id) {
            *self.losses.entry(rows.stream_id).or_default() += rows.count;
        }
    }

    /// Counts what went with files of the spool.
    fn lost_on_disk(&mut self, lost: Lost) {
        self.stats.recovered_lost_records += lost.recovered_records;
        for rows in lost.rows {
            self.shed(rows);
        }
    }

    fn past_stop(&self) -> bool {
        self.stop.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// The first `count` records in flight reached their end.
    fn done(&mut self, count: usize) {
        // None after a shutdown that did not wait for them.
        let Some(batch) = self.in_flight.as_mut() else { return };
        for record in &batch.records[batch.done..batch.done + count] {
            self.queue.release(record);
        }
        batch.done += count;
        if batch.done == batch.records.len() {
            self.in_flight = None;
        }
    }
}
