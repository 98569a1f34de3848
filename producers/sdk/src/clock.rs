//! Ticks: what an event is stamped with. Read in a few nanoseconds here, made into time elsewhere.

use framelake_wire::TimeSample;
use std::sync::atomic::{
    AtomicU32,
    Ordering::{Relaxed, Release},
};
use std::time::{SystemTime, UNIX_EPOCH};

/// The state in which events are not recorded.
pub(crate) const OFF: u32 = 0;
/// Events are stamped by the processor's counter.
pub(crate) const COUNTER: u32 = 0b10;
/// Events are stamped by the operating system's monotonic clock.
pub(crate) const MONOTONIC: u32 = 0b11;

const CLOCK_BITS: u32 = 2;
const CLOCK_MASK: u32 = (1 << CLOCK_BITS) - 1;
/// Tells the clocks apart: one bit, looked at in each event.
const IS_MONOTONIC: u32 = COUNTER ^ MONOTONIC;

/// What each event looks at first, side by side.
struct Recording {
    /// Whether events are recorded, by which clock, and since when what was found out about call sites holds: [`OFF`], or the clock and above it a
    /// generation. One load answers all.
    state: AtomicU32,
    /// Lines up to this level may be recorded; 0 while nothing is. Most lines that are not are told by this alone.
    level: AtomicU32,
}

static RECORDING: Recording = Recording { state: AtomicU32::new(OFF), level: AtomicU32::new(0) };
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Records by `clock` from now on, lines up to `level`; call sites find out anew whether they are to be recorded.
pub(crate) fn start_recording(clock: u32, level: u32) {
    RECORDING.state.store(next_generation() | clock, Release);
    RECORDING.level.store(level, Relaxed);
}

/// Call sites find out anew whether they are to be recorded, if any are, and lines up to `level` may be.
pub(crate) fn renew(level: u32) {
    let generation = next_generation();
    let renewed = |state| (state != OFF).then_some(generation | state & CLOCK_MASK);
    // Where recording stops meanwhile it stays off.
    if RECORDING.state.fetch_update(Release, Relaxed, renewed).is_ok() {
        RECORDING.level.store(level, Relaxed);
    }
}

/// Nothing is recorded from now on.
pub(crate) fn stop_recording() {
    RECORDING.level.store(0, Relaxed);
    RECORDING.state.store(OFF, Release);
}

/// Whether lines of this level may be recorded.
#[inline(always)]
pub(crate) fn records_level(level: u32) -> bool {
    !cfg!(feature = "off") && level <= RECORDING.level.load(Relaxed)
}

/// Those of one generation are not taken for those of another before a billion more went by.
fn next_generation() -> u32 {
    (GENERATION.fetch_add(1, Relaxed) + 1) << CLOCK_BITS
}

/// Tries per sample; the tightest is kept. A try costs about 50 ns, and one in a thousand is interrupted.
const TRIES: usize = 8;

/// The clock to record with on this machine.
pub(crate) fn choose() -> u32 {
    // Miri has no counter.
    if !cfg!(miri) && counter_is_steady() { COUNTER } else { MONOTONIC }
}

/// The name of a clock in block headers.
pub(crate) fn domain(clock: u32) -> &'static str {
    match clock {
        COUNTER if cfg!(target_arch = "x86_64") => "tsc",
        COUNTER => "cntvct",
        _ => "monotonic",
    }
}

/// The ticks now of the clock that `state` (or a clock alone) says.
#[inline(always)]
pub(crate) fn now(state: u32) -> u64 {
    if state & IS_MONOTONIC == 0 { counter() } else { monotonic_ns().cast_unsigned() }
}

/// The state: [`OFF`] when events are not recorded.
#[inline(always)]
pub(crate) fn recording() -> u32 {
    if cfg!(feature = "off") { OFF } else { RECORDING.state.load(Relaxed) }
}

/// All clocks at one instant.
pub(crate) fn sample(clock: u32) -> TimeSample {
    let mut tightest = u64::MAX;
    let mut best = TimeSample::default();
    for _ in 0..TRIES {
        let before = now(clock);
        let monotonic_ns = monotonic_ns();
        let after = now(clock);
        let width = after.wrapping_sub(before);
        if width < tightest {
            tightest = width;
            // The counter's ticks lie around the reading; the monotonic clock is its own reading.
            let ticks = if clock == COUNTER { before.wrapping_add(width / 2) } else { monotonic_ns.cast_unsigned() };
            best = TimeSample { ticks, monotonic_ns, wall_ns: wall_ns() };
        }
    }
    best
}

/// The wall clock, in nanoseconds since 1970.
pub(crate) fn wall_ns() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    }
}

/// How long this machine has been suspended since it was started: what the boot clock counts and the monotonic one does not. `None` where the system
/// has no such two clocks.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn suspended_ns() -> Option<i64> {
    let mut tightest = i64::MAX;
    let mut best = 0;
    for _ in 0..TRIES {
        let before = clock_ns(libc::CLOCK_MONOTONIC);
        let boot = clock_ns(libc::CLOCK_BOOTTIME);
        let width = clock_ns(libc::CLOCK_MONOTONIC) - before;
        if width < tightest {
            tightest = width;
            best = boot - before - width / 2;
        }
        // Far below what counts as a suspend: one try, but for an interruption.
        if width < 1_000_000 {
            break;
        }
    }
    Some(best)
}

/// How long this machine has been suspended; not told here.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn suspended_ns() -> Option<i64> {
    None
}

#[cfg(unix)]
#[cold]
#[inline(never)]
fn monotonic_ns() -> i64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

#[cfg(unix)]
fn clock_ns(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write to, and the clocks asked for exist on every system they are asked on.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    // Seconds and nanoseconds are narrower than 64 bits on some targets.
    #[allow(clippy::useless_conversion, reason = "not useless on 32-bit targets")]
    let (seconds, nanos) = (i64::from(time.tv_sec), i64::from(time.tv_nsec));
    seconds * 1_000_000_000 + nanos
}

#[cfg(not(unix))]
#[cold]
#[inline(never)]
fn monotonic_ns() -> i64 {
    use std::{sync::OnceLock, time::Instant};
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    i64::try_from(ORIGIN.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn counter() -> u64 {
    // SAFETY: every x86-64 processor has rdtsc, and no operating system we run on forbids it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn counter() -> u64 {
    let ticks: u64;
    // SAFETY: the virtual counter is readable from user space on every system with std.
    unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline(always)]
fn counter() -> u64 {
    monotonic_ns().cast_unsigned()
}

/// Whether the counter runs at one rate on all cores, asleep or not.
#[cfg(target_arch = "x86_64")]
fn counter_is_steady() -> bool {
    use core::arch::x86_64::__cpuid;
    const POWER_LEAF: u32 = 0x8000_0007;
    const INVARIANT_TSC: u32 = 1 << 8;
    #[allow(unused_unsafe, reason = "safe in newer compilers")]
    // SAFETY: every x86-64 processor has cpuid with the extended leaves.
    let invariant = unsafe { __cpuid(0x8000_0000).eax >= POWER_LEAF && __cpuid(POWER_LEAF).edx & INVARIANT_TSC != 0 };
    // Some virtual machines hide the bit; the kernel, which watches the counter, then knows better.
    invariant
        || std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource")
            .is_ok_and(|name| name.trim() == "tsc")
}

#[cfg(target_arch = "aarch64")]
fn counter_is_steady() -> bool {
    // The architecture requires it.
    true
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn counter_is_steady() -> bool {
    false
}

/// CPU time of the calling thread; 0 where the system does not tell.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(crate) fn thread_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID).cast_unsigned()
}

/// CPU time of the calling thread; 0 where the system does not tell.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(crate) fn thread_cpu_ns() -> u64 {
    0
}
