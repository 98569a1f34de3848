//! What a recording is started with, defaults and bounds.

use crate::filter::Filter;
use crate::{Error, Result};
use framelake_transport::spool;
use framelake_wire::{ProcessId, limits::PROPERTIES_MAX};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// The gateway's address on the same machine.
const ENDPOINT: &str = "http://127.0.0.1:8650";
/// Half a second on average from an event to its block; at 100,000 events a second, blocks of a few hundred kilobytes.
const DRAIN_PERIOD: Duration = Duration::from_secs(1);
/// Small beside a game's own memory, and minutes of what it records while the server is away.
const MEMORY_BUDGET: usize = 64 * 1024 * 1024;
const MEMORY_BUDGET_MIN: usize = 4 * 1024 * 1024;
/// A block of the largest size, and what stands around it.
const SPOOL_BYTES_MIN: u64 = 1024 * 1024;
/// A frame that takes so many medians is slow by any measure.
const FACTOR_MAX: f64 = 1_000.0;
/// The property of a process that says which spans it keeps, where not all.
const SAMPLING: &str = "framelake.sampling";
/// How long the end of the program may wait for the server.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) endpoint: String,
    /// Whom an `https` endpoint is vouched for by, where not by those that browsers trust.
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) spool: Spool,
    pub(crate) spool_bytes: u64,
    pub(crate) crash_safe: CrashSafe,
    pub(crate) version: String,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) parent: Option<ProcessId>,
    pub(crate) filter: Filter,
    /// Whether the server may say what is recorded.
    pub(crate) server_control: bool,
    /// Only spans of frames that take so many medians are kept, and of those beside them; `None` keeps all.
    pub(crate) keep_slow_frames: Option<f64>,
    pub(crate) drain_period: Duration,
    pub(crate) memory_budget: usize,
    /// `None` is its greatest share of the memory budget.
    pub(crate) attachment_budget: Option<usize>,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) panic_hook: bool,
    /// How often the system is measured; `None` is never.
    pub(crate) system_period: Option<Duration>,
}

/// Where blocks wait that memory has no room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spool {
    /// In a directory of the user's, the program's and the endpoint's own.
    Default,
    /// Nowhere: they are shed.
    Off,
    At(PathBuf),
}

/// Where the files of a crash-safe recording are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CrashSafe {
    Off,
    /// In the spool's directory.
    BesideSpool,
    At(PathBuf),
}

/// The discard port, at which nobody listens.
const NOWHERE: &str = "http://127.0.0.1:9";
static IS_EXAMPLE: AtomicBool = AtomicBool::new(false);

/// What the examples of the documentation begin with: they send to where nobody listens, and leave nothing behind.
pub fn example() {
    IS_EXAMPLE.store(true, Relaxed);
}

impl Default for Settings {
    fn default() -> Self {
        if IS_EXAMPLE.load(Relaxed) {
            let shutdown_timeout = Duration::from_millis(200);
            return Self { endpoint: NOWHERE.into(), spool: Spool::Off, shutdown_timeout, ..Self::new() };
        }
        Self::new()
    }
}

impl Settings {
    fn new() -> Self {
        Self {
            endpoint: ENDPOINT.into(),
            ca_file: None,
            spool: Spool::Default,
            spool_bytes: spool::Options::BYTES_MAX,
            crash_safe: CrashSafe::Off,
            version: String::new(),
            properties: BTreeMap::new(),
            parent: None,
            filter: Filter::default(),
            server_control: true,
            keep_slow_frames: None,
            drain_period: DRAIN_PERIOD,
            memory_budget: MEMORY_BUDGET,
            attachment_budget: None,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            panic_hook: true,
            system_period: None,
        }
    }
}

impl Settings {
    pub(crate) fn check(mut self) -> Result<Self> {
        if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&self.drain_period) {
            return Err(Error::DrainPeriod { text: format!("{:?}", self.drain_period) });
        }
        if self.memory_budget < MEMORY_BUDGET_MIN {
            return Err(Error::MemoryBudget { bytes: self.memory_budget });
        }
        if let Some(bytes) = self.attachment_budget
            && bytes > self.attachment_bytes_max()
        {
            return Err(Error::AttachmentBudget { bytes, memory_budget: self.memory_budget });
        }
        if self.spool != Spool::Off && self.spool_bytes < SPOOL_BYTES_MIN {
            return Err(Error::SpoolBytes { text: self.spool_bytes.to_string() });
        }
        if let Some(factor) = self.keep_slow_frames
            && !(1.0..=FACTOR_MAX).contains(&factor)
        {
            return Err(Error::KeepSlowFrames { text: factor.to_string() });
        }
        // What says that spans are sampled, and how many were left out.
        let own = if self.keep_slow_frames.is_some() { 2 } else { 0 };
        while self.properties.len() > PROPERTIES_MAX - own {
            self.properties.pop_last();
        }
        if let Some(factor) = self.keep_slow_frames {
            self.properties.insert(SAMPLING.to_owned(), format!("slow frames over {factor} × median"));
        }
        Ok(self)
    }

    /// What the threads' chunks may take of the budget: 16 MiB of 64, 256 chunks. Every thread that records holds one at least.
    pub(crate) fn chunk_bytes(&self) -> usize {
        self.memory_budget / 4
    }

    /// What attachments that wait to be sealed may take.
    pub(crate) fn attachment_bytes(&self) -> usize {
        self.attachment_budget.unwrap_or(self.attachment_bytes_max())
    }

    /// 8 MiB of 64. The sending queue has twice that left, so that it has room for any attachment beside what waits already.
    fn attachment_bytes_max(&self) -> usize {
        self.memory_budget / 8
    }

    /// What spans that wait for their frames may take: 4 MiB of 64, some 300,000 events.
    pub(crate) fn staged_bytes(&self) -> usize {
        if self.keep_slow_frames.is_some() { self.memory_budget / 16 } else { 0 }
    }

    /// The spool: below `base` by default, in a directory for each program and endpoint, so that a run sends what the one before it left to where that
    /// was meant to go. A carrier of the program's own is no place that the next run would know, so there only a directory that is named is used.
    pub(crate) fn spool(&self, base: impl FnOnce() -> PathBuf, app: &str, own_carrier: bool) -> Option<spool::Options> {
        let dir = match &self.spool {
            Spool::Off => return None,
            Spool::Default if own_carrier => return None,
            Spool::Default => base().join(file_name(app)).join(file_name(&self.endpoint)),
            Spool::At(dir) => dir.clone(),
        };
        Some(spool::Options { dir, bytes_max: self.spool_bytes })
    }

    /// The directory of a crash-safe recording, where it is to be one and has a place.
    pub(crate) fn crash_dir(&self, spool: Option<&spool::Options>) -> Option<PathBuf> {
        match &self.crash_safe {
            CrashSafe::Off => None,
            CrashSafe::BesideSpool => spool.map(|spool| spool.dir.clone()),
            CrashSafe::At(dir) => Some(dir.clone()),
        }
    }

    /// What the sending queue may take: 24 MiB of 64 less what attachments and spans that wait for their frames may, seven minutes of 10,000 events a second. What is left is for encoders,
    /// a batch on its way, and what the allocator cannot give back; in a flood of one thread that was 25 MiB in all.
    pub(crate) fn queue_bytes(&self) -> usize {
        self.memory_budget / 8 * 3 - self.attachment_bytes() - self.staged_bytes()
    }
}

/// `text` as the name of a directory, on every system.
fn file_name(text: &str) -> String {
    /// Bytes: what every file system takes, with room to spare.
    const MAX: usize = 128;
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = text.chars().take(MAX).map(plain).collect();
    // Neither nothing nor `.` nor `..`.
    if name.starts_with('.') || name.is_empty() { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use framelake_transport::{Deliver, Options, Outcome, Outgoing, Rows, Sender};
    use framelake_wire::{StreamId, Topic};
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    };
    use std::time::Instant;

    #[test]
    fn the_default_spool_is_of_the_program_and_its_endpoint() {
        let check = |settings: Settings, own_carrier, expected: Option<&str>| {
            let spool = settings.spool(|| "/state".into(), "my game/..", own_carrier);
            assert_eq!(spool.map(|spool| spool.dir), expected.map(PathBuf::from));
        };
        let of = |spool| Settings { spool, ..Settings::default() };
        check(of(Spool::Default), false, Some("/state/my_game_../http___127.0.0.1_8650"));
        check(of(Spool::Default), true, None);
        check(of(Spool::At("/mine".into())), true, Some("/mine"));
        check(of(Spool::Off), false, None);
        assert_eq!((file_name(".."), file_name("")), ("_..".into(), "_".into()));
    }

    #[test]
    fn sampling_says_so_in_the_properties_and_takes_a_sound_factor() {
        let of = |factor| Settings { keep_slow_frames: Some(factor), ..Settings::default() }.check();
        for factor in [0.5, -3.0, f64::NAN, f64::INFINITY] {
            assert!(of(factor).unwrap_err().to_string().contains("such as 3"), "{factor}");
        }
        let mut many = Settings { keep_slow_frames: Some(2.5), ..Settings::default() };
        many.properties = (0..PROPERTIES_MAX).map(|number| (number.to_string(), String::new())).collect();
        let settings = many.check().unwrap();
        assert_eq!(settings.properties["framelake.sampling"], "slow frames over 2.5 × median");
        // One more has room: how many were left out.
        assert_eq!(settings.properties.len(), PROPERTIES_MAX - 1);
        assert!(settings.queue_bytes() + settings.staged_bytes() <= Settings::default().queue_bytes());
    }

    /// A server that is away until it is told to be there, and then counts rows.
    #[derive(Clone, Default)]
    struct Server {
        there: Arc<AtomicBool>,
        rows: Arc<AtomicU64>,
    }

    impl Deliver for Server {
        fn deliver(&mut self, batch: &[Outgoing], _: Instant) -> Outcome {
            if !self.there.load(SeqCst) {
                return Outcome::Retry { after: None, reason: "away".into() };
            }
            self.rows.fetch_add(batch.iter().filter_map(|record| record.rows).map(|rows| rows.count).sum(), SeqCst);
            Outcome::Kept { refused: vec![], control: None }
        }

        fn destination(&self) -> String {
            "memory".into()
        }
    }

    /// 600 drains of a second each, as fast as the disk takes them: 8,000 span events on four threads, 1,000 lines of three arguments and
    /// 1,000 measurements a second, at twice the bytes that blocks of such events have (2.6, 8.4 and 10.4 each): 85 KB a second, 51 MB in all, where
    /// memory holds 24 MiB.
    #[test]
    fn ten_minutes_without_a_server_at_ten_thousand_events_a_second_lose_nothing() {
        let blocks = [
            (Topic::Spans, 2_000, 2 * 5_200),
            (Topic::Spans, 2_000, 2 * 5_200),
            (Topic::Spans, 2_000, 2 * 5_200),
            (Topic::Spans, 2_000, 2 * 5_200),
            (Topic::Logs, 1_000, 2 * 8_400),
            (Topic::Metrics, 1_000, 2 * 10_400),
        ];
        let dir = std::env::temp_dir().join(format!("framelake-outage-{}", std::process::id()));
        let settings = Settings { spool: Spool::At(dir.clone()), ..Settings::default() };
        let options = Options {
            queue_bytes_max: settings.queue_bytes(),
            spool: settings.spool(|| unreachable!("it is named"), "", true),
        };
        let server = Server::default();
        let sender = Sender::start_with(Box::new(server.clone()), options).unwrap();
        for _ in 0..600 {
            for (index, (topic, count, bytes)) in blocks.into_iter().enumerate() {
                let rows = Some(Rows { stream_id: StreamId::from_bytes([index as u8; 16]), count });
                let process_id = framelake_wire::ProcessId::from_bytes([1; 16]);
                sender.push(Outgoing {
                    topic,
                    is_attachment: false,
                    process_id,
                    bytes: vec![index as u8; bytes],
                    rows,
                    hold: Default::default(),
                });
            }
            sender.dispatch();
            // A second goes by in which the sending thread has nothing else to do.
            while sender.stats().queue_bytes > settings.queue_bytes() as u64 * 5 / 8 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let stats = sender.stats();
        assert_eq!((stats.shed_rows, stats.spool_errors), (0, 0), "{stats:?}");
        assert!(stats.spool_bytes > 30_000_000 && stats.queue_bytes_peak <= settings.queue_bytes() as u64, "{stats:?}");

        server.there.store(true, SeqCst);
        assert!(sender.flush(Duration::from_secs(60)), "{:?}", sender.stats());
        assert_eq!(server.rows.load(SeqCst), 600 * 10_000);
        assert_eq!(sender.take_losses().rows, []);
        assert_eq!(sender.shutdown(Duration::from_secs(10)), Default::default());
        std::fs::remove_dir(dir).expect("nothing is left in it");
    }
}
