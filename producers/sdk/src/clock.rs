//! Ticks: what an event is stamped with. Read in a few nanoseconds here, made into time elsewhere.

use framelake_wire::TimeSample;
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicBool, AtomicU32,
    Ordering::{Relaxed, Release},
};
use std::time::{SystemTime, UNIX_EPOCH};

/// The state in which events are not recorded.
pub(crate) const OFF: u32 = 0;
/// No state has this bit: a call site that is not recorded keeps the state with it.
pub(crate) const LEFT_OUT: u32 = 0b001;
/// Events are stamped by the processor's counter.
pub(crate) const COUNTER: u32 = 0b010;
/// Events are stamped by the operating system's monotonic clock.
pub(crate) const MONOTONIC: u32 = 0b110;

/// Tells the clocks apart.
const IS_MONOTONIC: u32 = COUNTER ^ MONOTONIC;
const CLOCK_MASK: u32 = COUNTER | MONOTONIC;
const GENERATION_SHIFT: u32 = 3;
const LEVEL_SHIFT: u32 = 29;
const GENERATION_MASK: u32 = (1 << LEVEL_SHIFT) - (1 << GENERATION_SHIFT);

/// What each event looks at first: [`OFF`], or by which clock events are recorded, since when what was found out about call sites holds (a generation), and
/// in the highest three bits up to which level lines may be. One load answers all.
static RECORDING: AtomicU32 = AtomicU32::new(OFF);
static GENERATION: AtomicU32 = AtomicU32::new(0);
/// Whether the last clock was the processor's counter: then there are quick ways that know no other (see [`crate::buffer`]).
static IS_BY_COUNTER: AtomicBool = AtomicBool::new(false);

/// Records by `clock` from now on, lines up to `level`; call sites find out anew whether they are to be recorded.
pub(crate) fn start_recording(clock: u32, level: u32) {
    IS_BY_COUNTER.store(clock == COUNTER, Relaxed);
    RECORDING.store(next_generation() | clock | level << LEVEL_SHIFT, Release);
}

/// Call sites find out anew whether they are to be recorded, if any are, and lines up to `level` may be.
pub(crate) fn renew(level: u32) {
    let generation = next_generation();
    let renewed = |state| (state != OFF).then_some(generation | state & CLOCK_MASK | level << LEVEL_SHIFT);
    // Where recording stops meanwhile it stays off.
    let _ = RECORDING.fetch_update(Release, Relaxed, renewed);
}

/// Nothing is recorded from now on.
pub(crate) fn stop_recording() {
    RECORDING.store(OFF, Release);
}

/// The state: [`OFF`] when events are not recorded.
#[inline(always)]
pub(crate) fn recording() -> u32 {
    if cfg!(feature = "off") { OFF } else { RECORDING.load(Relaxed) }
}

/// Whether lines of this level may be recorded.
#[cfg(feature = "log")]
#[inline(always)]
pub(crate) fn records_level(level: u32) -> bool {
    has_level(recording(), level)
}

/// Whether lines of this level, one at least, may be recorded in `state`.
#[inline(always)]
pub(crate) fn has_level(state: u32, level: u32) -> bool {
    // The level is in the highest bits: one comparison, and none with `OFF`.
    state >= level << LEVEL_SHIFT
}

/// Whether events are stamped by the processor's counter.
pub(crate) fn is_by_counter() -> bool {
    IS_BY_COUNTER.load(Relaxed)
}

/// The ticks now of the clock that events are stamped by, or were last: also where recording has stopped meanwhile.
pub(crate) fn now_as_last() -> u64 {
    now(if is_by_counter() { COUNTER } else { MONOTONIC })
}

/// Those of one generation are not taken for those of another before 67 million more went by.
fn next_generation() -> u32 {
    (GENERATION.fetch_add(1, Relaxed) + 1) << GENERATION_SHIFT & GENERATION_MASK
}

/// Tries per sample; the tightest is kept. A try costs about 50 ns, and one in a thousand is interrupted.
const TRIES: usize = 8;

/// The clock to record with on this machine. A process keeps to what was found first: its threads stamp events by the counter without asking again.
pub(crate) fn choose() -> u32 {
    static CHOSEN: OnceLock<u32> = OnceLock::new();
    *CHOSEN.get_or_init(|| if counter_is_steady() { COUNTER } else { MONOTONIC })
}

/// The name of a clock in block headers.
pub(crate) fn domain(clock: u32) -> &'static str {
    match clock {
        COUNTER if cfg!(all(target_arch = "x86_64", not(miri))) => "tsc",
        COUNTER if cfg!(all(target_arch = "aarch64", not(miri))) => "cntvct",
        _ => "monotonic",
    }
}

/// The ticks now of the clock that `state` (or a clock alone) says.
#[inline(always)]
pub(crate) fn now(state: u32) -> u64 {
    if state & IS_MONOTONIC == 0 { counter() } else { monotonic_ns().cast_unsigned() }
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

/// Whether [`counter`] is the processor's, a matter of a few nanoseconds.
pub(crate) const HAS_COUNTER: bool = cfg!(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)));

/// The processor's counter now: of use where no other clock stamps events ([`is_by_counter`]).
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
pub(crate) fn counter() -> u64 {
    // SAFETY: every x86-64 processor has rdtsc, and no operating system we run on forbids it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The processor's counter now: of use where no other clock stamps events ([`is_by_counter`]).
#[cfg(all(target_arch = "aarch64", not(miri)))]
#[inline(always)]
pub(crate) fn counter() -> u64 {
    let ticks: u64;
    // SAFETY: the virtual counter is readable from user space on every system with std.
    unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}

/// Where there is no counter that we know, and under Miri, the system's clock stands for it.
#[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[inline(always)]
pub(crate) fn counter() -> u64 {
    monotonic_ns().cast_unsigned()
}

/// Whether the counter runs at one rate on all cores, asleep or not.
#[cfg(all(target_arch = "x86_64", not(miri)))]
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

#[cfg(any(miri, not(target_arch = "x86_64")))]
fn counter_is_steady() -> bool {
    // The architecture requires it of aarch64; elsewhere it is the system's clock.
    true
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
