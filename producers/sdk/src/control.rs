//! What the program's threads and the background thread say to each other, off the hot path.

use crate::report::{Report, Stats};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Requests to the background thread and its answers.
#[derive(Debug, Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Drains asked for and done.
    asked: u64,
    done: u64,
    stop: Option<Stop>,
    report: Option<Report>,
    stats: Stats,
    ended: bool,
}

/// A request to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) deadline: Instant,
    pub(crate) reason: String,
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a drain and waits until all that was recorded before is sealed; `false` when `deadline` came first.
    pub(crate) fn drain(&self, deadline: Instant) -> bool {
        let mut state = self.lock();
        state.asked += 1;
        let ticket = state.asked;
        crate::wake::wake();
        let state = self.wait(state, deadline, |state| state.done >= ticket || state.ended);
        state.done >= ticket
    }

    /// Asks the background thread to end and waits for its report.
    pub(crate) fn stop(&self, timeout: Duration, reason: String) -> Option<Report> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        if state.stop.is_none() {
            state.stop = Some(Stop { deadline, reason });
        }
        crate::wake::wake();
        // What could not be sent is written to the spool for 2 s at most, and the report itself takes a moment.
        let grace = Duration::from_secs(3);
        self.wait(state, deadline + grace, |state| state.report.is_some() || state.ended).report.clone()
    }

    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        deadline: Instant,
        until: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        while !until(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// What is asked of the background thread: a drain by this ticket, and to end.
    pub(crate) fn asked(&self) -> (Option<u64>, Option<Stop>) {
        let state = self.lock();
        ((state.asked > state.done).then_some(state.asked), state.stop.clone())
    }

    /// Everything recorded before the ticket was given out is sealed.
    pub(crate) fn drained(&self, ticket: Option<u64>, stats: Stats) {
        let mut state = self.lock();
        state.stats = stats;
        if let Some(ticket) = ticket {
            state.done = ticket;
            self.changed.notify_all();
        }
    }

    /// The last word.
    pub(crate) fn ended(&self, report: Option<Report>) {
        let mut state = self.lock();
        if let Some(report) = report {
            state.stats = report.stats;
            state.report = Some(report);
        }
        state.ended = true;
        self.changed.notify_all();
    }

    /// The counts as of the last drain.
    pub(crate) fn stats(&self) -> Stats {
        self.lock().stats
    }
}
