//! Wakes the background thread before its period is over.

use std::sync::atomic::{
    AtomicBool, AtomicPtr,
    Ordering::{AcqRel, Acquire, Release},
};
use std::thread::Thread;

/// The background thread; null when there is none. Leaked on replacement: a few bytes per start, and no lock for those who wake.
static WORKER: AtomicPtr<Thread> = AtomicPtr::new(std::ptr::null_mut());
static WOKEN: AtomicBool = AtomicBool::new(false);

/// Names the thread to wake.
pub(crate) fn set_worker(thread: Thread) {
    WORKER.store(Box::into_raw(Box::new(thread)), Release);
}

/// Wakes the background thread, once until it has seen it.
pub(crate) fn wake() {
    if WOKEN.swap(true, AcqRel) {
        return;
    }
    // SAFETY: never freed once set.
    if let Some(worker) = unsafe { WORKER.load(Acquire).as_ref() } {
        worker.unpark();
    }
}

/// Whether somebody woke it since the last call.
pub(crate) fn take() -> bool {
    WOKEN.swap(false, AcqRel)
}
