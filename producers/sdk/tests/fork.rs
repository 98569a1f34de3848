//! A child that was forked off a program that records.
#![cfg(unix)]

mod support;

use framelake::{Builder, Error};
use std::time::{Duration, Instant};
use support::Collector;

#[test]
fn a_forked_child_records_nothing_and_waits_for_nobody() {
    let lake = Collector::default();
    let guard = lake.start();
    framelake::info!("before");
    // SAFETY: the child calls nothing that needs another thread, and ends without unwinding into the test harness.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        framelake::info!("in the child");
        let refused = matches!(Builder::new().start(), Err(Error::Forked));
        let flushed = framelake::flush(Duration::from_secs(5));
        drop(guard);
        // SAFETY: ends the child, and runs no handler of the parent's.
        unsafe { libc::_exit(i32::from(!refused || flushed)) };
    }
    let begin = Instant::now();
    let mut status = -1;
    // SAFETY: `status` is a valid place to write to.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    // The parent's own timeout to shut down is longer.
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    framelake::info!("after");
    lake.check(&guard.shutdown().unwrap());
    let lines: Vec<_> = lake.lines().into_iter().map(|line| line.message).collect();
    assert_eq!(lines, ["before", "after"]);
}
