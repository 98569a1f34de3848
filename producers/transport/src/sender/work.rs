//! The sending thread: takes batches from the queue and from disk, keeps trying until they are kept, and writes to disk what memory has no room for.

use super::{InFlight, Origin, Shared, State};
use crate::queue::{CLASSES, PROCESSES};
use crate::spool::Spool;
use crate::{Backoff, Deliver, Outcome, Outgoing};
use framelake_wire::Topic;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One attempt lasts no longer than this; a gateway that has not answered by then is taken for lost.
const ATTEMPT_MAX: Duration = Duration::from_secs(20);
/// A `Retry-After` beyond this is taken for a mistake.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// Between attempts while somebody waits in flush or shutdown.
const HURRIED_WAIT: Duration = Duration::from_millis(50);
/// A disk that failed, or had no room, is tried again after this.
const DISK_RETRY: Duration = Duration::from_secs(2);
/// Longest text of the other side that is handed on.
const CONTROL_BYTES_MAX: usize = 4 * 1024;

/// The thread's own side.
pub(super) struct Work {
    shared: Arc<Shared>,
    carrier: Box<dyn Deliver>,
    backoff: Backoff,
    /// The spool's directory, for messages to people.
    dir: Option<PathBuf>,
    /// The last attempt failed.
    away: bool,
    complained: bool,
    complained_of_disk: bool,
    /// The disk is not written to, and not read from, before these.
    write_after: Option<Instant>,
    read_after: Option<Instant>,
}

impl Work {
    pub(super) fn new(shared: Arc<Shared>, carrier: Box<dyn Deliver>, dir: Option<PathBuf>) -> Self {
        Self {
            shared,
            carrier,
            backoff: Backoff::random(),
            dir,
            away: false,
            complained: false,
            complained_of_disk: false,
            write_after: None,
            read_after: None,
        }
    }

    pub(super) fn run(mut self) {
        // Whatever ends the thread, nobody may wait for it in vain.
        let _ended = Ended(self.shared.clone());
        self.take_over();
        while let Some(batch) = self.next_batch() {
            self.send(&batch);
        }
    }

    /// Looks for what earlier runs left on disk.
    fn take_over(&mut self) {
        let shared = self.shared.clone();
        let mut guard = shared.lock_spool();
        let Some(spool) = guard.as_mut() else { return };
        let taken = spool.take_over();
        let mut state = shared.lock();
        state.to_take_over = false;
        state.held = spool.held();
        drop(guard);
        match taken {
            Ok(taken) => {
                state.stats.recovered_records = taken.records;
                state.stats.torn_bytes = taken.torn_bytes;
                state.stats.spool_errors += taken.errors;
                state.stats.spool_shared_with = taken.busy;
                drop(state);
                if let Some(dir) = &self.dir
                    && taken.records > 0
                {
                    let records = taken.records;
                    eprintln!("framelake: {records} records of an earlier run in {} are sent too", dir.display());
                }
            }
            Err(error) => {
                state.stats.spool_errors += 1;
                drop(state);
                self.complain_of_disk(&error);
            }
        }
    }

    /// Waits for something to send; `None` ends the thread.
    fn next_batch(&mut self) -> Option<InFlight> {
        let shared = self.shared.clone();
        loop {
            self.spill();
            let mut spool = shared.lock_spool();
            let mut state = shared.lock();
            if state.past_stop() || (state.stop.is_some() && state.is_idle()) {
                return None;
            }
            let on_disk = spool.as_ref().filter(|_| is_over(self.read_after)).and_then(Spool::first_class);
            if let (Some(class), Some(spool)) = (on_disk, spool.as_mut())
                && !(state.dispatched && state.queue.has_before(class))
            {
                drop(state);
                if let Some(batch) = self.read_back(spool, class) {
                    return Some(batch);
                }
                continue;
            }
            if state.dispatched && !state.queue.is_empty() {
                // What memory holds of a class is newer than what the disk holds of it.
                let records = state.queue.take_batch_before(on_disk.unwrap_or(CLASSES), shared.batch_bytes_max);
                let batch = InFlight { records: Arc::new(records), done: 0, from: Origin::Memory };
                state.in_flight = Some(batch.clone());
                return Some(batch);
            }
            drop(spool);
            state.dispatched = false;
            if state.is_idle() {
                shared.idle.notify_all();
            }
            // Read again when it is time; everything else wakes the thread.
            let longest = if state.held.records > 0 { DISK_RETRY } else { Duration::MAX };
            drop(self.wait_for_work(state, longest));
        }
    }

    /// Waits until there is something to do, at most for `longest`; not at all where something is to be spilled.
    fn wait_for_work<'a>(&self, state: MutexGuard<'a, State>, longest: Duration) -> MutexGuard<'a, State> {
        if state.is_to_spill() && is_over(self.write_after) {
            return state;
        }
        if longest == Duration::MAX {
            return self.shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.shared.work.wait_timeout(state, longest).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Writes the oldest of the cheapest records to disk until memory has room again.
    fn spill(&mut self) {
        let shared = self.shared.clone();
        loop {
            if !is_over(self.write_after) || !shared.lock().is_to_spill() {
                return;
            }
            let mut guard = shared.lock_spool();
            let Some(spool) = guard.as_mut() else { return };
            let (class, records, process) = {
                let mut state = shared.lock();
                let bytes_max = state.queue.bytes_max();
                let over = state.queue.bytes().saturating_sub(bytes_max / 8 * 3);
                let down_to = state.queue.waiting_bytes().saturating_sub(over);
                let (class, records) = state.queue.take_cheapest(down_to);
                let records = Arc::new(records);
                state.spilling = records.clone();
                (class, records, state.latest_process.clone())
            };
            if records.is_empty() {
                return;
            }
            // Whoever finds these records after a crash can then say whose they are.
            if spool.needs_process()
                && let Some(process) = process
            {
                let _ = spool.write(PROCESSES, &[process]);
            }
            let written = spool.write(class, &records);
            let mut state = shared.lock();
            for record in &records[..written.records] {
                state.queue.release(record);
                state.gone.extend(record.hold.place());
            }
            state.spilling = Arc::default();
            let count = records.len();
            let records = Arc::unwrap_or_clone(records);
            state.queue.give_back(class, records.into_iter().skip(written.records));
            state.stats.spilled_records += written.records as u64;
            state.stats.spilled_bytes += written.bytes;
            state.lost_on_disk(written.lost);
            state.held = spool.held();
            if written.records < count {
                self.write_after = Some(Instant::now() + DISK_RETRY);
            }
            if let Some(error) = written.error {
                state.stats.spool_errors += 1;
                drop(state);
                self.complain_of_disk(&error);
            }
        }
    }

    /// Reads records of `class` back to send them; `None` where none can be read.
    fn read_back(&mut self, spool: &mut Spool, class: usize) -> Option<InFlight> {
        let back = spool.read(class, self.shared.batch_bytes_max);
        let shared = self.shared.clone();
        let mut state = shared.lock();
        state.held = spool.held();
        if back.lost != crate::spool::Lost::default() {
            state.stats.spool_errors += 1;
        }
        state.lost_on_disk(back.lost);
        if let Some(error) = back.error {
            state.stats.spool_errors += 1;
            drop(state);
            self.read_after = Some(Instant::now() + DISK_RETRY);
            self.complain_of_disk(&error);
            return None;
        }
        if back.records.is_empty() {
            return None;
        }
        state.stats.read_back_records += back.records.len() as u64;
        state.queue.hold(&back.records);
        let from = if back.recovered { Origin::Recovered } else { Origin::Spool };
        let batch = InFlight { records: Arc::new(back.records), done: 0, from };
        state.in_flight = Some(batch.clone());
        Some(batch)
    }

    /// Keeps trying until every record of `batch` is kept or refused, or the sender is stopped.
    fn send(&mut self, batch: &InFlight) {
        let records = batch.records.as_slice();
        let whole = 0..records.len();
        let mut parts = vec![whole];
        while let Some(part) = parts.pop() {
            let deadline = self.attempt_deadline();
            match self.carrier.deliver(&records[part.clone()], deadline) {
                Outcome::Kept { refused, control } => {
                    for refusal in &refused {
                        if let Some(record) = records[part.clone()].get(refusal.index) {
                            self.refused(record, batch.from, &refusal.reason);
                        }
                    }
                    // What holds for an earlier run need not hold for this one.
                    let control = control.filter(|_| batch.from != Origin::Recovered);
                    self.kept(&records[part], batch.from, refused.len(), control);
                }
                Outcome::Retry { after, reason } => {
                    parts.push(part);
                    if !self.wait(after, &reason) {
                        return;
                    }
                }
                Outcome::TooLarge if part.len() > 1 => {
                    let half = part.start + part.len() / 2;
                    parts.push(half..part.end);
                    parts.push(part.start..half);
                }
                Outcome::TooLarge => self.given_up(&records[part], batch.from, "larger than the other side takes"),
                // One record may spoil the batch: alone, the others get through.
                Outcome::Refused { .. } if part.len() > 1 => {
                    parts.extend(part.rev().map(|index| Range { start: index, end: index + 1 }));
                }
                Outcome::Refused { reason } => self.given_up(&records[part], batch.from, &reason),
            }
        }
    }

    fn attempt_deadline(&self) -> Instant {
        let longest = Instant::now() + ATTEMPT_MAX;
        self.shared.lock().stop.map_or(longest, |stop| stop.min(longest))
    }

    fn kept(&mut self, part: &[Outgoing], from: Origin, refused: usize, control: Option<String>) {
        {
            let mut state = self.shared.lock();
            state.stats.sent_batches += 1;
            state.stats.sent_records += (part.len() - refused) as u64;
            state.stats.sent_bytes += part.iter().map(|record| record.bytes.len() as u64).sum::<u64>();
            if let Some(control) = control.filter(|text| text.len() <= CONTROL_BYTES_MAX)
                && state.control.as_ref() != Some(&control)
            {
                state.control = Some(control);
                state.control_unseen = true;
            }
        }
        self.done(part.len(), from);
        self.backoff.reset();
        if std::mem::take(&mut self.away) {
            let mut state = self.shared.lock();
            let sent_now = from != Origin::Recovered && part.iter().any(|record| record.topic == Topic::Processes);
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

    fn given_up(&mut self, part: &[Outgoing], from: Origin, reason: &str) {
        for record in part {
            self.refused(record, from, reason);
        }
        self.done(part.len(), from);
    }

    /// The next `count` records in flight reached their end.
    fn done(&self, count: usize, from: Origin) {
        if from == Origin::Memory {
            return self.shared.lock().done(count);
        }
        let mut spool = self.shared.lock_spool();
        self.shared.lock().done(count);
        if let Some(spool) = spool.as_mut() {
            spool.done(count);
            self.shared.lock().held = spool.held();
        }
    }

    /// Counts a record that will never be kept, and says so once.
    fn refused(&mut self, record: &Outgoing, from: Origin, reason: &str) {
        let mut state = self.shared.lock();
        state.stats.refused_records += 1;
        state.gone.extend(record.hold.place());
        if let Some(rows) = record.rows {
            state.stats.refused_rows += rows.count;
            // An earlier run's streams are none of this process's.
            if from != Origin::Recovered {
                state.lose(rows);
            }
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

    fn complain_of_disk(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.complained_of_disk, true)
            && let Some(dir) = &self.dir
        {
            eprintln!(
                "framelake: records that wait for the server cannot be kept in {}: {error}; what memory has no room for is lost until that works \
                 again (tried every {DISK_RETRY:?}; set FRAMELAKE_SPOOL to a directory with room, or to off)",
                dir.display()
            );
        }
    }

    /// Waits before the next attempt, and keeps memory free meanwhile; `false` when the sender is stopped.
    fn wait(&mut self, after: Option<Duration>, reason: &str) -> bool {
        let first = !std::mem::replace(&mut self.away, true);
        if first {
            eprintln!(
                "framelake: {} does not take records: {reason}; keeping them and trying again",
                self.carrier.destination()
            );
        }
        let mut wait = self.backoff.next_wait();
        // What the other side asked for is a floor, with jitter on top, and not to be hurried.
        if let Some(after) = after {
            wait = after.min(RETRY_AFTER_MAX) + wait / 10;
        }
        let begin = Instant::now();
        let shared = self.shared.clone();
        shared.lock().stats.send_errors += 1;
        loop {
            self.spill();
            let state = shared.lock();
            if state.past_stop() {
                return false;
            }
            let wait = if state.hurry && after.is_none() { wait.min(HURRIED_WAIT) } else { wait };
            let until = state.stop.map_or(begin + wait, |stop| stop.min(begin + wait));
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return !state.past_stop();
            }
            drop(self.wait_for_work(state, left));
        }
    }
}

fn is_over(pause: Option<Instant>) -> bool {
    pause.is_none_or(|until| Instant::now() >= until)
}

/// Tells whoever waits that the thread is gone.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.lock().running = false;
        self.0.idle.notify_all();
    }
}
