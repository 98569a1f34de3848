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
    /// The least step of the clock that events are stamped with, in nanoseconds, where it can be told.
    pub clock_step_ns: Option<f64>,
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
            clock_step_ns: clock_step_ns(),
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

/// Readings differ by multiples of the step, so it is their greatest common divisor.
#[cfg(target_arch = "x86_64")]
fn clock_step_ns() -> Option<f64> {
    // SAFETY: every x86_64 processor has the instruction.
    let read = || unsafe { core::arch::x86_64::_rdtsc() };
    let (start, first) = (Instant::now(), read());
    let mut step = 0;
    let mut before = first;
    while start.elapsed() < Duration::from_millis(100) {
        let now = read();
        step = common_divisor(step, now.saturating_sub(before));
        before = now;
    }
    let ns_per_tick = start.elapsed().as_nanos() as f64 / (read() - first) as f64;
    Some(step as f64 * ns_per_tick)
}

#[cfg(not(target_arch = "x86_64"))]
fn clock_step_ns() -> Option<f64> {
    None
}

#[cfg(target_arch = "x86_64")]
fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
