//! How much memory the game holds.

/// Resident bytes of this process; 0 where the operating system does not say.
#[cfg(target_os = "linux")]
pub(crate) fn resident_bytes() -> u64 {
    crate::trace::span!("read_memory");
    // The second number is in pages; 4 KiB on every Linux we run on but some 64-bit ARM, where this reads low.
    const PAGE_BYTES: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE_BYTES
}

/// Resident bytes of this process; 0 where the operating system does not say.
#[cfg(not(target_os = "linux"))]
pub(crate) fn resident_bytes() -> u64 {
    0
}
