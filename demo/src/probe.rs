//! What recording costs the game, measured where the game runs: some calls are timed on its threads in every frame.

use std::iter::Sum;
use std::ops::Add;
use std::time::Instant;

use framelake::span;

/// Span pairs timed at once.
const PAIRS: u64 = 4;

/// Time spent in timed calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timed {
    pub(crate) nanoseconds: u64,
    pub(crate) events: u64,
}

/// Timed calls, told apart by whether the scheduler gave the processor to somebody else in the middle of them: that time is not recording's.
/// Time waited for a lock or a system call is, and counts as undisturbed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) undisturbed: Timed,
    pub(crate) preempted: Timed,
}

impl Sample {
    /// Both kinds.
    pub(crate) fn all(&self) -> Timed {
        self.undisturbed + self.preempted
    }
}

impl Add for Timed {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { nanoseconds: self.nanoseconds + other.nanoseconds, events: self.events + other.events }
    }
}

impl Add for Sample {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { undisturbed: self.undisturbed + other.undisturbed, preempted: self.preempted + other.preempted }
    }
}

impl Sum for Sample {
    fn sum<I: Iterator<Item = Self>>(samples: I) -> Self {
        samples.fold(Self::default(), Self::add)
    }
}

/// Times `calls`, which record `events` events and do nothing else.
pub(crate) fn time(events: u64, calls: impl FnOnce()) -> Sample {
    let preemptions_before = preemptions();
    let begin = Instant::now();
    calls();
    let timed = Timed { nanoseconds: begin.elapsed().as_nanos() as u64, events };
    if preemptions() == preemptions_before {
        Sample { undisturbed: timed, ..Sample::default() }
    } else {
        Sample { preempted: timed, ..Sample::default() }
    }
}

/// Times [`PAIRS`] spans on the thread that calls.
pub(crate) fn time_spans() -> Sample {
    time(2 * PAIRS, || {
        for _ in 0..PAIRS {
            span!("probe");
        }
    })
}

/// How often the scheduler took the processor from the calling thread; always 0 where the operating system does not tell.
#[cfg(target_os = "linux")]
fn preemptions() -> i64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is valid for writes of a whole `rusage`, and all zero bits are a valid one, so it may be read even if the call fails.
    unsafe {
        libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
        usage.assume_init().ru_nivcsw
    }
}

#[cfg(not(target_os = "linux"))]
fn preemptions() -> i64 {
    0
}
