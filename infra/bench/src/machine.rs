//! What there is to know of the machine: figures mean little without it.

use crate::Sample;
use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

/// Where and of what the figures are.
#[derive(Clone, Debug)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: f64,
    pub kernel: String,
    pub commit: String,
    pub profile: String,
    /// The clock that events are stamped with, where it can be told.
    pub clock: Option<Clock>,
}

/// What two readings in a row say of a clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// How much they differ where they do: the median, in nanoseconds.
    pub step_ns: f64,
    /// Where they do not: the share of pairs, 0 to 1. None, where the clock advances with every cycle.
    pub equal: f64,
}

impl Machine {
    #[must_use]
    pub fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let after = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let kib: f64 =
            after(&meminfo, "MemTotal").split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0.0);
        let profile = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.file_name()?.to_owned()));
        Self {
            cpu: after(&cpuinfo, "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: kib / 1024.0 / 1024.0,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            commit: commit(),
            profile: profile.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            clock: clock(),
        }
    }

    /// The load averages of the last 1, 5 and 15 minutes: whatever else ran took from the figures.
    #[must_use]
    pub fn load() -> String {
        let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
    }
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=10", "HEAD"]) else { return "unknown".to_owned() };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    if changed { format!("{commit} with uncommitted changes") } else { commit }
}

#[cfg(target_arch = "x86_64")]
fn clock() -> Option<Clock> {
    const PAIRS: usize = 1_000_000;
    // SAFETY: every x86_64 processor has the instruction.
    let read = || unsafe { core::arch::x86_64::_rdtsc() };
    let (start, first) = (Instant::now(), read());
    let mut steps = Vec::with_capacity(PAIRS);
    for _ in 0..PAIRS {
        let before = read();
        steps.push(read().saturating_sub(before));
    }
    std::thread::sleep(Duration::from_millis(50));
    let ns_per_tick = start.elapsed().as_nanos() as f64 / (read() - first) as f64;
    let different = Sample::new(steps.iter().filter(|&&step| step > 0).map(|&step| step as f64).chain([0.0]).collect());
    Some(Clock {
        step_ns: different.median() * ns_per_tick,
        equal: steps.iter().filter(|&&step| step == 0).count() as f64 / PAIRS as f64,
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn clock() -> Option<Clock> {
    None
}
