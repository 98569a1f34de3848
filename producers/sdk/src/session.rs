//! The recording that runs in this process, if one does: from `start` to the guard's drop.

use crate::clock;
use crate::control::Control;
use crate::crash::Crash;
use crate::recover::recover;
use crate::report::{Report, Stats};
use crate::sampling::Sampling;
use crate::settings::Settings;
use crate::system::Monitor;
use crate::worker::{self, Worker};
use crate::{Error, Result, attachment, chunk, environment, filter, panic, process_info, wake};
use framelake_transport::{ConnectOptions, Deliver, Options, Sender, connect_with, spool};
use framelake_wire::ProcessId;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub(crate) struct Session {
    control: Arc<Control>,
    sender: Sender,
    process_id: ProcessId,
    shutdown_timeout: Duration,
    worker: Mutex<Option<JoinHandle<()>>>,
}

static SESSION: Mutex<Option<Arc<Session>>> = Mutex::new(None);
/// This process was forked off one that records. The background threads did not come along, and locks they held stay held.
static FORKED: AtomicBool = AtomicBool::new(false);

/// Keeps recording alive. Dropped, it drains, seals and sends what there is, and ends recording.
#[derive(Debug)]
#[must_use = "recording ends when this is dropped; bind it to a name: `let _framelake = …`"]
pub struct Guard {
    process_id: Option<ProcessId>,
    ended: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("process_id", &self.process_id).finish_non_exhaustive()
    }
}

pub(crate) fn start(settings: Settings, carrier: Option<Box<dyn Deliver>>) -> Result<Guard> {
    if settings.endpoint == "off" {
        return Ok(Guard::none());
    }
    if FORKED.load(Relaxed) {
        return Err(Error::Forked);
    }
    let mut session = SESSION.lock().unwrap_or_else(PoisonError::into_inner);
    if session.is_some() {
        return Err(Error::AlreadyStarted);
    }
    let own_carrier = carrier.is_some();
    let carrier = match carrier {
        Some(carrier) => carrier,
        None => {
            let options = ConnectOptions { ca_file: settings.ca_file.clone() };
            connect_with(&settings.endpoint.parse()?, &options)?
        }
    };
    let exe = process_info::exe();
    let app = settings.properties.get("app").unwrap_or(&exe);
    let spool = settings.spool(environment::state_directory, app, own_carrier);
    let mut spool = spool;
    let crash_dir = settings.crash_dir(spool.as_ref());
    if let (None, Some(dir)) = (&spool, &crash_dir) {
        // What a crash leaves waits somewhere until it is sent.
        spool = Some(spool::Options { dir: dir.clone(), bytes_max: settings.spool_bytes });
    }
    let crash = open_crash_safe(crash_dir.as_deref(), spool.as_ref(), &settings);
    let sender = Sender::start_with(carrier, Options { queue_bytes_max: settings.queue_bytes(), spool })?;
    chunk::prepare(worker::FREE_CHUNKS);
    attachment::open(settings.attachment_bytes());

    let clock = clock::choose();
    let start = clock::sample(clock);
    let process = process_info::process(&settings, start.wall_ns);
    let process_id = process.process_id;
    let control = Arc::new(Control::default());
    let options = worker::Options {
        period: settings.drain_period,
        clock,
        server_control: settings.server_control,
        sampling: settings.keep_slow_frames.map(|factor| Sampling::new(factor, settings.staged_bytes())),
    };
    let monitor = Monitor::new(settings.system_period);
    let worker = Worker::new(control.clone(), sender.clone(), options, start, process, monitor, crash);
    let thread = std::thread::Builder::new()
        .name("framelake-drain".into())
        .spawn(move || worker.run())
        .map_err(Error::Thread)?;
    wake::set_worker(thread.thread().clone());
    if settings.panic_hook {
        panic::install_hook();
    }
    at_exit_and_fork();
    *session = Some(Arc::new(Session {
        control,
        sender,
        process_id,
        shutdown_timeout: settings.shutdown_timeout,
        worker: Mutex::new(Some(thread)),
    }));
    filter::begin(settings.filter);
    clock::start_recording(clock, filter::level_max());
    Ok(Guard { process_id: Some(process_id), ended: false })
}

/// Brings to the spool what crashes left, and prepares the files of this recording where it is to be crash-safe and they can be made.
fn open_crash_safe(dir: Option<&Path>, spool: Option<&spool::Options>, settings: &Settings) -> Option<Crash> {
    if let Some(spool) = spool {
        // Those of a recording that was crash-safe when this one is not are in the spool's directory as a rule.
        let beside = dir.is_none_or(|dir| dir != spool.dir).then_some(spool.dir.as_path());
        for dir in dir.into_iter().chain(beside).filter(|dir| dir.exists()) {
            match recover(dir, &spool.dir) {
                Ok(recovered) if recovered.processes > 0 => eprintln!(
                    "framelake: an earlier run crashed; {} blocks that it had sealed and {} events that it had not are sent too",
                    recovered.sealed_blocks, recovered.cut_events
                ),
                Ok(_) => {}
                Err(error) => eprintln!("framelake: {error}"),
            }
        }
    }
    chunk::set_budget(settings.chunk_bytes());
    let dir = dir?;
    match Crash::open(dir, settings.chunk_bytes() / chunk::CHUNK_BYTES) {
        Ok(crash) => Some(crash),
        Err(error) => {
            eprintln!(
                "framelake: recording is not crash-safe: files in {} cannot be made or mapped: {error}; set FRAMELAKE_CRASH_SAFE to a directory with room, or to off",
                dir.display()
            );
            None
        }
    }
}

/// The recording; none in a process that was forked off.
pub(crate) fn current() -> Option<Arc<Session>> {
    if cfg!(feature = "off") || FORKED.load(Relaxed) {
        return None;
    }
    SESSION.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Session {
    /// Drains, seals and sends; `true` when the server has acknowledged everything recorded before.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        self.control.drain(deadline) && self.sender.flush(deadline.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn stop(&self, timeout: Duration, reason: String) -> Option<Report> {
        let report = self.control.stop(timeout, reason);
        if report.is_some()
            && let Some(worker) = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            let _ = worker.join();
        }
        report
    }
}

impl Guard {
    /// That of a recording that there is not.
    pub(crate) fn none() -> Self {
        Self { process_id: None, ended: true }
    }

    /// This run's id; `None` where recording is off.
    #[must_use]
    pub fn process_id(&self) -> Option<ProcessId> {
        self.process_id
    }

    /// Ends recording as the drop does, and says what was recorded and what became of it; `None` where recording is off or the background
    /// thread is gone.
    #[must_use]
    pub fn shutdown(mut self) -> Option<Report> {
        self.end()
    }

    /// As [`Guard::shutdown`], waiting at most `timeout` for the server.
    #[must_use]
    pub fn shutdown_within(mut self, timeout: Duration) -> Option<Report> {
        self.end_within(Some(timeout))
    }

    fn end(&mut self) -> Option<Report> {
        self.end_within(None)
    }

    fn end_within(&mut self, timeout: Option<Duration>) -> Option<Report> {
        if std::mem::replace(&mut self.ended, true) {
            return None;
        }
        let session = current()?;
        let reason = if std::thread::panicking() { panic::exit_reason() } else { "exit".to_owned() };
        let report = session.stop(timeout.unwrap_or(session.shutdown_timeout), reason);
        *SESSION.lock().unwrap_or_else(PoisonError::into_inner) = None;
        report
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Sees to it that `std::process::exit`, which drops no guard, ends recording as the guard would, and that a forked child neither records what
/// nobody drains nor waits for threads that it does not have. Once per process.
#[cfg(unix)]
fn at_exit_and_fork() {
    extern "C" fn forked() {
        // Nothing but stores: other threads may hold any lock, the allocator's too.
        worker::stop_recording();
        FORKED.store(true, Relaxed);
        // Nothing but system calls: what the child's threads still store must not reach the parent's files.
        crate::crash::forked();
    }
    extern "C" fn end() {
        if let Some(session) = current() {
            let _ = session.stop(session.shutdown_timeout, "exit".to_owned());
        }
        crate::crash::at_exit();
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: `end` is a function of the program, and may run on any thread while the others still do.
        // Where there is no room for another handler the last second is lost, as it was without one.
        let _ = unsafe { libc::atexit(end) };
        // SAFETY: `forked` is a function of the program that does only what is allowed after a fork.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(forked)) };
    });
}

/// Sees to it that the files of a crash-safe recording go when `main` returns. Not that recording ends: where this is part of a DLL no thread but this one is left
/// by then, and those that are gone hold what locks they held.
#[cfg(windows)]
fn at_exit_and_fork() {
    extern "C" fn end() {
        crate::crash::at_exit();
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: `end` is a function of the program, and needs no other thread.
        let _ = unsafe { libc::atexit(end) };
    });
}

#[cfg(not(any(unix, windows)))]
fn at_exit_and_fork() {}

/// Drains, seals and sends what was recorded so far, and waits until the server has acknowledged it, at most for `timeout`; says whether it
/// has. `false` where recording is off.
pub fn flush(timeout: Duration) -> bool {
    current().is_some_and(|session| session.flush(timeout))
}

/// Sets what is recorded from now on, as [`Builder::filter`](crate::Builder::filter) has it. While the server
/// [says what is recorded](crate::Builder::server_control) that holds, and this when it no longer does.
///
/// # Errors
/// The filter cannot be understood; then the one in force stays.
pub fn set_filter(filter: &str) -> Result<()> {
    filter::set_own(filter.parse()?);
    Ok(())
}

/// What was recorded so far, as of the last drain; all zero where recording is off.
#[must_use]
pub fn stats() -> Stats {
    current().map(|session| session.control.stats()).unwrap_or_default()
}

/// This run's id; `None` where recording is off.
#[must_use]
pub fn process_id() -> Option<ProcessId> {
    current().map(|session| session.process_id)
}

/// Tells the child that `command` starts whose child it is, by `FRAMELAKE_PARENT_PROCESS` in its environment.
pub fn adopt(command: &mut Command) -> &mut Command {
    if let Some(id) = process_id() {
        command.env(environment::PARENT_PROCESS, id.to_string());
    }
    command
}
