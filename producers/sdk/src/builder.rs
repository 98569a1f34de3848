//! How recording is started.

use crate::session::Guard;
use crate::settings::{CrashSafe, Settings, Spool};
use crate::{Level, Result, environment, session};
use framelake_transport::Deliver;
use framelake_wire::ProcessId;
use std::path::PathBuf;
use std::time::Duration;

/// Starts recording under the name `app`, to the endpoint in `FRAMELAKE_ENDPOINT` or `http://127.0.0.1:8650`. Nobody need listen there yet.
///
/// # Errors
/// Recording runs already, or an environment variable cannot be understood.
pub fn start(app: &str) -> Result<Guard> {
    Builder::new().app(app).start()
}

/// How recording is started, where the defaults do not fit.
///
/// Where an environment variable says the same thing it wins, so that a program can be redirected without building it anew:
/// `FRAMELAKE_ENDPOINT` (`off` records nothing), `FRAMELAKE_PROPERTIES` (`build=1234,map=castle`), `FRAMELAKE_PARENT_PROCESS`, `FRAMELAKE_FILTER`
/// (`info,spans:physics=off`), `FRAMELAKE_LEVEL`, `FRAMELAKE_SERVER_CONTROL` (`off`),
/// `FRAMELAKE_KEEP_SLOW_FRAMES` (`3`), `FRAMELAKE_DRAIN_PERIOD` (`100ms`), `FRAMELAKE_SPOOL` (a directory, or `off`), `FRAMELAKE_SPOOL_BYTES` (`512MiB`),
/// `FRAMELAKE_CRASH_SAFE` (`on`, `off`, or a directory), `FRAMELAKE_CA_FILE`.
///
/// ```standalone_crate
/// # framelake::__private::example();
/// let _framelake = framelake::Builder::new()
///     .app("my-game")
///     .version(env!("CARGO_PKG_VERSION"))
///     .property("map", "castle")
///     .endpoint("http://127.0.0.1:8650")
///     .start()?;
/// # Ok::<(), framelake::Error>(())
/// ```
#[derive(Default)]
#[must_use = "nothing is recorded before `start`"]
pub struct Builder {
    settings: Settings,
    carrier: Option<Box<dyn Deliver>>,
}

impl Builder {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The program's name, recorded as the property `app`.
    pub fn app(self, name: &str) -> Self {
        self.property("app", name)
    }

    /// The program's version.
    pub fn version(mut self, version: &str) -> Self {
        self.settings.version = version.to_owned();
        self
    }

    /// A property of this run: a build number, a map, a player. At most 256.
    pub fn property(mut self, key: &str, value: &str) -> Self {
        self.settings.properties.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Where to send: `http://host:port` (feature `http`), `https://host:port` (feature `tls`) or `kafka://host:port` (feature `kafka`).
    pub fn endpoint(mut self, endpoint: &str) -> Self {
        self.settings.endpoint = endpoint.to_owned();
        self
    }

    /// The process that started this one.
    pub fn parent(mut self, parent: ProcessId) -> Self {
        self.settings.parent = Some(parent);
        self
    }

    /// Lines up to this level are recorded (default: all); `None` records none. Spans, metrics and frames are not affected, nor are targets for which the
    /// [filter](Builder::filter) has a rule.
    pub fn level(mut self, level: impl Into<Option<Level>>) -> Self {
        self.settings.filter.set_level(level.into());
        self
    }

    /// What is recorded: rules with commas in between, such as `info,net=debug,spans:physics=off,metrics:audio=off`. Without a target a rule holds for all that
    /// have no rule of their own; `net` is for `net` and what is below it (`net::http`), and the longest target that fits decides. For log lines (`logs:`, which
    /// may be left out) a rule is a level or `off`; for spans (`spans:`, async ones too) and measurements (`metrics:`) it is `on` or `off`. What no rule
    /// is about is recorded. [`set_filter`](crate::set_filter) changes it while the program runs.
    ///
    /// # Errors
    /// A rule cannot be understood.
    pub fn filter(mut self, filter: &str) -> Result<Self> {
        self.settings.filter = filter.parse()?;
        Ok(self)
    }

    /// Whether the server may say what is recorded (`framelake control set "info,spans:physics=off"`); by default yes. What it says takes the place
    /// of the program's own filter, that of the environment included, within two drains or so, until it says nothing more. What is left out
    /// because of a filter is no loss: it is counted nowhere, and has no ordinal. Programs that send straight to Kafka are told nothing.
    pub fn server_control(mut self, obey: bool) -> Self {
        self.settings.server_control = obey;
        self
    }

    /// Keeps the spans of slow frames alone: those that take `factor` times the running median (of 255 frames) or more, with the frame before and the one
    /// after. By default all spans are kept. Log lines, metrics, frame marks, attachments and async spans always are.
    ///
    /// A thread's spans are kept or left out from an outermost span's begin to its end, whole, by the frames during which that ran, so have no span
    /// around the loop that marks them. Kept as well: what ran before the 31st frame, what cannot be told at a [`flush`](crate::flush) or at the end,
    /// what runs for more than 5 s, and, beyond a sixteenth of the memory budget, what would have to wait for its frame. Programs that mark no frames
    /// keep all.
    ///
    /// What is left out is counted as [`sampled`](crate::StreamReport::sampled), not as dropped. In SQL it is part of `streams.dropped_events`; the
    /// process's properties `framelake.sampling` and `framelake.sampled_spans` say why, and how many.
    pub fn keep_slow_frames(mut self, factor: f64) -> Self {
        self.settings.keep_slow_frames = Some(factor);
        self
    }

    /// How often buffers are drained and blocks sealed: 10 ms to 60 s, by default 1 s.
    pub fn drain_period(mut self, period: Duration) -> Self {
        self.settings.drain_period = period;
        self
    }

    /// Bytes that the SDK may hold in all: threads' buffers (a quarter), attachments and blocks that wait to be sent (3/8 together) and what
    /// encoding takes. At least 4 MiB, by default 64 MiB. Every thread that records holds 64 KiB, so the default is enough for 256 of them.
    pub fn memory_budget(mut self, bytes: usize) -> Self {
        self.settings.memory_budget = bytes;
        self
    }

    /// Bytes of [attachments](crate::attach) that may wait to be sealed, out of the memory budget: at most, and by default, an eighth of it, 8 MiB
    /// of 64. A larger attachment is not recorded. With 0 none is, and blocks that wait to be sent have that room.
    pub fn attachment_budget(mut self, bytes: usize) -> Self {
        self.settings.attachment_budget = Some(bytes);
        self
    }

    /// The file of the certificates (PEM) that sign an `https` endpoint's; without it those that browsers trust.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.ca_file = Some(path.into());
        self
    }

    /// The directory where blocks wait while the server is away and memory is used up, and where what could not be sent before the end waits for
    /// the next run. By default one of the user's, the program's and the endpoint's own: `~/.local/state/framelake/spool/APP/ENDPOINT`. With
    /// [`Builder::deliver_by`] there is none by default. Processes may share it.
    pub fn spool(mut self, dir: impl Into<PathBuf>) -> Self {
        self.settings.spool = Spool::At(dir.into());
        self
    }

    /// The most bytes that this process keeps in its spool: at least 1 MiB, by default 512 MiB.
    pub fn spool_budget(mut self, bytes: u64) -> Self {
        self.settings.spool_bytes = bytes;
        self
    }

    /// Nothing is written to disk: what memory has no room for is shed, and what could not be sent before the end is lost. Both are counted.
    pub fn no_spool(mut self) -> Self {
        self.settings.spool = Spool::Off;
        self
    }

    /// Whether what was recorded survives a crash: by default no. Then threads' buffers lie in a mapped file in the spool's directory, and blocks are
    /// written beside them before they are sent. After a kill, an abort or a stack overflow the next start of the program, or [`recover`](crate::recover),
    /// sends all that had been recorded but the event that each thread was just writing: attachments that were handed over and what
    /// [`counter!`](crate::counter) and [`histogram!`](crate::histogram) added up are among it. Events cost what they cost otherwise; a drain writes to two or three
    /// files more, and [`attach`](crate::attach) to one. With [`Builder::keep_slow_frames`] the last frames before the crash are there whether they were slow or not.
    ///
    /// Beyond 8,192 counters and 1,024 histograms, each counted once for each thread that adds to it, sums are in memory alone: a crash takes what was added to
    /// those since the last drain. A block that memory and spool have no room for is counted as lost, and then a crash does not bring it back.
    ///
    /// Where the files cannot be made (a full disk, wasm), that is said on stderr, and recording goes on without:
    /// [`Stats::crash_safe`](crate::Stats::crash_safe) tells. Only the first such recording of a process chooses the directory.
    pub fn crash_safe(mut self, on: bool) -> Self {
        self.settings.crash_safe = if on { CrashSafe::BesideSpool } else { CrashSafe::Off };
        self
    }

    /// As [`Builder::crash_safe`], with the files in a directory of their own: one on tmpfs (`/dev/shm`) takes no page faults when the system writes back what
    /// changed, and outlives the process as a disk does. Without a spool there is one in this directory.
    pub fn crash_safe_in(mut self, dir: impl Into<PathBuf>) -> Self {
        self.settings.crash_safe = CrashSafe::At(dir.into());
        self
    }

    /// How long the guard's drop may wait for the server; by default 3 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.shutdown_timeout = timeout;
        self
    }

    /// Whether a panic is logged and everything recorded before it sent, before the previous panic hook runs; by default yes.
    pub fn panic_hook(mut self, install: bool) -> Self {
        self.settings.panic_hook = install;
        self
    }

    /// Measures each `period`, on the background thread, what the process and its machine are doing: CPU, memory, threads, page faults, context switches, open
    /// files, as measurements with the target `framelake.system`; by default not at all. A period shorter than the [drain's](Builder::drain_period) is
    /// taken for that. On Linux all of these, on other Unix systems CPU, page faults and context switches of the process, elsewhere none.
    pub fn system_metrics(mut self, period: Duration) -> Self {
        self.settings.system_period = Some(period);
        self
    }

    /// Hands batches to `carrier` instead of an endpoint: for tests, or for another way to Framelake.
    pub fn deliver_by(mut self, carrier: Box<dyn Deliver>) -> Self {
        self.carrier = Some(carrier);
        self
    }

    /// Starts recording. It ends when the guard is dropped.
    ///
    /// # Errors
    /// Recording runs already, or a setting or an environment variable cannot be understood.
    pub fn start(self) -> Result<Guard> {
        // First, so that nothing of what would start is linked.
        if cfg!(feature = "off") {
            return Ok(Guard::none());
        }
        let Self { mut settings, carrier } = self;
        environment::apply(&mut settings)?;
        session::start(settings.check()?, carrier)
    }
}
