//! The clocks that measure.

/// The processor's counter: as cheap as a clock gets.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[must_use]
pub fn counter() -> u64 {
    // SAFETY: every x86-64 processor has rdtsc.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The processor's counter: as cheap as a clock gets.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
#[must_use]
pub fn counter() -> u64 {
    let ticks: u64;
    // SAFETY: the virtual counter is readable from user space on every system with std.
    unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}

/// CPU time of the calling thread: what others take from the core is not in it.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}
