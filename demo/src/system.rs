//! What the operating system says of this process.

/// Bytes of a page: 4 KiB on Linux but for some 64-bit ARM, where memory reads low.
#[cfg(target_os = "linux")]
const PAGE_BYTES: u64 = 4096;
/// Ticks of `/proc` times per second, on every Linux.
#[cfg(target_os = "linux")]
const TICKS_PER_SECOND: f64 = 100.0;

/// Resident bytes; 0 where the operating system does not say.
#[cfg(target_os = "linux")]
pub(crate) fn resident_bytes() -> u64 {
    framelake::span!("read_memory");
    // The second number: resident pages.
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE_BYTES
}

/// CPU time used so far, of all threads; 0 where the operating system does not say.
#[cfg(target_os = "linux")]
pub(crate) fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in parentheses may hold anything; user and system time are the 12th and 13th number behind it.
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 =
        behind_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_SECOND
}

/// Resident bytes; 0 where the operating system does not say.
#[cfg(not(target_os = "linux"))]
pub(crate) fn resident_bytes() -> u64 {
    0
}

/// CPU time used so far, of all threads; 0 where the operating system does not say.
#[cfg(not(target_os = "linux"))]
pub(crate) fn cpu_seconds() -> f64 {
    0.0
}
