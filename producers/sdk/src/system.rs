//! The system monitor: what this process and its machine are doing, measured now and then on the background thread.
//!
//! Off unless [`Builder::system_metrics`](crate::Builder::system_metrics) asks for it. On Linux everything below is measured, on other Unix systems what `getrusage` tells (CPU time, page
//! faults, context switches), elsewhere nothing. Names are those of OpenTelemetry's semantic conventions, where it has one.

use crate::arg::Str;
use crate::record;
use crate::site::CallSite;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

macro_rules! sites {
    ($($name:ident = $metric:literal, $unit:literal $(, $tag:literal)?;)*) => {$(
        static $name: CallSite =
            CallSite::metric($metric, $unit, "framelake.system", file!(), line!()).with_args(&[$($tag)?], "");
    )*};
}

sites! {
    // Shares of all the machine's cores: 0 to 1.
    PROCESS_CPU = "process.cpu.utilization", "1", "cpu.mode";
    SYSTEM_CPU = "system.cpu.utilization", "1";
    PROCESS_MEMORY = "process.memory.usage", "By";
    SYSTEM_MEMORY = "system.memory.available", "By";
    THREADS = "process.thread.count", "{thread}";
    // As many as since the last measurement.
    FAULTS = "process.paging.faults", "{fault}", "type";
    SWITCHES = "process.context_switches", "{switch}", "type";
    FILES = "process.file_descriptor.count", "{file}";
}

/// What the SDK could not put into any stream since it said so last: events of [`Stats::unattributed`](crate::Stats::unattributed), and
/// [`Stats::unreadable_bytes`](crate::Stats::unreadable_bytes). Recorded only where it grew, also without system metrics.
static UNATTRIBUTED: CallSite =
    CallSite::metric("framelake.sdk.unattributed", "{event}", "framelake.sdk", file!(), line!()).with_args(&[], "");
static UNREADABLE: CallSite =
    CallSite::metric("framelake.sdk.unreadable", "By", "framelake.sdk", file!(), line!()).with_args(&[], "");

/// What was recorded of losses that belong to no stream, so that they can be queried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unaccounted {
    pub(crate) unattributed: u64,
    pub(crate) unreadable_bytes: u64,
}

impl Unaccounted {
    /// Records by how much they grew.
    pub(crate) fn record(&mut self, now: Self) {
        let before = std::mem::replace(self, now);
        let grown = |before, now| grown(Some(before), Some(now)).filter(|grown| *grown > 0);
        plain(&UNATTRIBUTED, grown(before.unattributed, now.unattributed));
        plain(&UNREADABLE, grown(before.unreadable_bytes, now.unreadable_bytes));
    }
}

/// Measures also what is not of the system: a runtime's queues. Says whether it is still there.
pub(crate) type Sampler = Box<dyn FnMut(Duration) -> bool + Send>;

static SAMPLERS: Mutex<Vec<Sampler>> = Mutex::new(Vec::new());

/// Asks `sampler` at each measurement, with the time since the last.
#[cfg(feature = "tokio")]
pub(crate) fn add(sampler: Sampler) {
    SAMPLERS.lock().unwrap_or_else(PoisonError::into_inner).push(sampler);
}

/// Measures, once in a period.
pub(crate) struct Monitor {
    /// `None` measures nothing.
    period: Option<Duration>,
    last: Instant,
    reading: Reading,
}

/// Counts that only grow, and amounts. `None` is what the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Reading {
    user_ns: Option<u64>,
    system_ns: Option<u64>,
    minor_faults: Option<u64>,
    major_faults: Option<u64>,
    voluntary_switches: Option<u64>,
    involuntary_switches: Option<u64>,
    machine: Option<MachineCpu>,
    threads: Option<u64>,
    resident_bytes: Option<u64>,
    available_bytes: Option<u64>,
    files: Option<u64>,
}

/// The machine's time in whatever unit, all cores together.
#[derive(Clone, Copy, Debug, PartialEq)]
struct MachineCpu {
    idle: u64,
    all: u64,
}

impl Monitor {
    pub(crate) fn new(period: Option<Duration>) -> Self {
        let reading = if period.is_some() { source::read() } else { Reading::default() };
        Self { period, last: Instant::now(), reading }
    }

    /// Measures where it is time to.
    pub(crate) fn measure(&mut self, now: Instant) {
        let Some(period) = self.period else { return };
        let elapsed = now - self.last;
        // Drains come a moment early or late.
        if elapsed + period / 10 < period {
            return;
        }
        self.last = now;
        let before = std::mem::replace(&mut self.reading, source::read());
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        record_reading(&before, &self.reading, elapsed, cores);
        SAMPLERS.lock().unwrap_or_else(PoisonError::into_inner).retain_mut(|sampler| sampler(elapsed));
    }
}

/// A share of `elapsed` on `cores`, of time counted before and now.
fn share(before: Option<u64>, now: Option<u64>, elapsed: Duration, cores: u64) -> Option<f64> {
    let available = elapsed.as_nanos() as f64 * cores as f64;
    grown(before, now).filter(|_| available > 0.0).map(|ns| ns as f64 / available)
}

fn grown(before: Option<u64>, now: Option<u64>) -> Option<u64> {
    Some(now?.saturating_sub(before?))
}

impl MachineCpu {
    /// The share of the time since `before` in which cores worked.
    fn busy(self, before: Self) -> Option<f64> {
        let all = self.all.saturating_sub(before.all);
        // The kernel's idle time may go back a little.
        let idle = self.idle.saturating_sub(before.idle).min(all);
        (all > 0).then(|| (all - idle) as f64 / all as f64)
    }
}

fn record_reading(before: &Reading, now: &Reading, elapsed: Duration, cores: u64) {
    tagged(&PROCESS_CPU, "user", share(before.user_ns, now.user_ns, elapsed, cores));
    tagged(&PROCESS_CPU, "system", share(before.system_ns, now.system_ns, elapsed, cores));
    plain(&SYSTEM_CPU, now.machine.zip(before.machine).and_then(|(now, before)| now.busy(before)));
    plain(&PROCESS_MEMORY, now.resident_bytes);
    plain(&SYSTEM_MEMORY, now.available_bytes);
    plain(&THREADS, now.threads);
    tagged(&FAULTS, "minor", grown(before.minor_faults, now.minor_faults));
    tagged(&FAULTS, "major", grown(before.major_faults, now.major_faults));
    tagged(&SWITCHES, "voluntary", grown(before.voluntary_switches, now.voluntary_switches));
    tagged(&SWITCHES, "involuntary", grown(before.involuntary_switches, now.involuntary_switches));
    plain(&FILES, now.files);
}

fn plain(site: &'static CallSite, value: Option<impl record::MetricValue>) {
    if let (Some(on), Some(value)) = (record::on(site), value) {
        record::metric_args(on, value, ());
    }
}

fn tagged(site: &'static CallSite, tag: &'static str, value: Option<impl record::MetricValue>) {
    if let (Some(on), Some(value)) = (record::on(site), value) {
        record::metric_args(on, value, (Str::new(tag),));
    }
}

#[cfg(unix)]
mod source {
    use super::Reading;

    pub(super) fn read() -> Reading {
        let mut reading = Reading::default();
        usage(&mut reading);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        super::proc::read(&mut reading);
        reading
    }

    #[allow(clippy::useless_conversion, reason = "not useless on 32-bit targets")]
    fn usage(reading: &mut Reading) {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: `usage` is a valid place to write to.
        if unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) } != 0 {
            return;
        }
        // SAFETY: it succeeded, and any bytes are a `rusage`.
        let usage = unsafe { usage.assume_init() };
        let count = |count| u64::try_from(i64::from(count)).ok();
        let ns = |time: libc::timeval| {
            let (seconds, micros) = (i64::from(time.tv_sec), i64::from(time.tv_usec));
            u64::try_from(seconds * 1_000_000_000 + micros * 1_000).ok()
        };
        (reading.user_ns, reading.system_ns) = (ns(usage.ru_utime), ns(usage.ru_stime));
        (reading.minor_faults, reading.major_faults) = (count(usage.ru_minflt), count(usage.ru_majflt));
        (reading.voluntary_switches, reading.involuntary_switches) = (count(usage.ru_nvcsw), count(usage.ru_nivcsw));
    }
}

#[cfg(not(unix))]
mod source {
    pub(super) fn read() -> super::Reading {
        super::Reading::default()
    }
}

/// What Linux tells in `/proc` (proc(5)).
#[cfg(any(target_os = "linux", target_os = "android"))]
mod proc {
    use super::{MachineCpu, Reading};
    use std::fs::{read_dir, read_to_string};

    pub(super) fn read(reading: &mut Reading) {
        let text = |path| read_to_string(path).unwrap_or_default();
        // SAFETY: sysconf has no preconditions.
        let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok();
        if let Some((threads, pages)) = threads_and_pages(&text("/proc/self/stat")) {
            (reading.threads, reading.resident_bytes) = (Some(threads), page.map(|page| pages * page));
        }
        reading.machine = machine(&text("/proc/stat"));
        reading.available_bytes = available(&text("/proc/meminfo"));
        // Without the one that the directory itself is read by.
        reading.files = read_dir("/proc/self/fd").ok().map(|files| (files.count() as u64).saturating_sub(1));
    }

    /// Fields 20 and 24 of `/proc/self/stat`, counted from 1; the name in parentheses may hold anything.
    pub(super) fn threads_and_pages(stat: &str) -> Option<(u64, u64)> {
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let threads = fields.nth(17)?.parse().ok()?;
        let pages = fields.nth(3)?.parse().ok()?;
        Some((threads, pages))
    }

    /// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; what guests took is in the first two already.
    pub(super) fn machine(stat: &str) -> Option<MachineCpu> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let times: Vec<u64> = line.split_ascii_whitespace().take(8).map_while(|time| time.parse().ok()).collect();
        let idle = times.get(3)? + times.get(4)?;
        Some(MachineCpu { idle, all: times.iter().sum() })
    }

    pub(super) fn available(meminfo: &str) -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_proc_tells_is_read() {
        let stat =
            "7 (a) b) R 1 7 7 0 -1 4194304 119 0 3 0 5 6 0 0 20 0 12 0 645364 3133440 394 18446744073709551615 1";
        assert_eq!(proc::threads_and_pages(stat), Some((12, 394)));
        let machine = proc::machine("cpu  10 1 5 80 4 0 0 2 7 0\ncpu0 1 1 1 1\n").unwrap();
        assert_eq!(machine, MachineCpu { idle: 84, all: 102 });
        assert_eq!(proc::available("MemTotal:  10 kB\nMemAvailable:     8 kB\n"), Some(8 * 1024));
        for text in ["", "cpu", "1 (x", "MemAvailable: many kB", "cpu  1 2 x"] {
            assert_eq!(proc::threads_and_pages(text), None);
            assert_eq!((proc::machine(text), proc::available(text)), (None, None));
        }
    }

    #[test]
    fn shares_are_of_the_time_between_two_readings() {
        let second = Duration::from_secs(1);
        assert_eq!(share(Some(5), Some(500_000_005), second, 2), Some(0.25));
        assert_eq!(share(Some(5), Some(4), second, 2), Some(0.0));
        assert_eq!((share(None, Some(4), second, 2), share(Some(1), Some(4), Duration::ZERO, 2)), (None, None));
        let before = MachineCpu { idle: 80, all: 100 };
        assert_eq!(MachineCpu { idle: 110, all: 200 }.busy(before), Some(0.7));
        assert_eq!((MachineCpu { idle: 79, all: 101 }.busy(before), before.busy(before)), (Some(1.0), None));
    }
}
