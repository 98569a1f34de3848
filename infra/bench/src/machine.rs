//! What there is to know of the machine: figures mean little without it.

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

/// How finely a clock advances.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The most frequent difference of two readings soon after one another, in nanoseconds.
    pub step_ns: f64,
    /// The share of differences, 0 to 1, that are a multiple of it within a tick: nearly all, where the clock advances in such steps.
    pub multiples: f64,
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
    const PAIRS: u64 = 1_000_000;
    // SAFETY: every x86_64 processor has the instruction.
    let read = || unsafe { core::arch::x86_64::_rdtsc() };
    let (start, first) = (Instant::now(), read());
    // By difference; interrupts take thousands of ticks.
    let mut counts = [0_u64; 512];
    for pair in 0..PAIRS {
        let before = read();
        // Times of every length, or the instruction's own would look like a step.
        for turn in 0..pair % 37 {
            std::hint::black_box(turn);
        }
        let difference = read().saturating_sub(before);
        if let Some(count) = usize::try_from(difference).ok().and_then(|difference| counts.get_mut(difference)) {
            *count += 1;
        }
    }
    std::thread::sleep(Duration::from_millis(50));
    let ns_per_tick = start.elapsed().as_nanos() as f64 / (read() - first) as f64;
    let step = (1..counts.len()).max_by_key(|&difference| counts[difference])?;
    // Within a step some processors add a tick to each reading.
    let is_multiple = |difference: usize| (difference + 1) % step <= 2;
    let multiples: u64 = (0..counts.len()).filter(|&difference| is_multiple(difference)).map(|at| counts[at]).sum();
    let all: u64 = counts.iter().sum();
    Some(Clock { step_ns: step as f64 * ns_per_tick, multiples: multiples as f64 / all as f64 })
}

#[cfg(not(target_arch = "x86_64"))]
fn clock() -> Option<Clock> {
    None
}
