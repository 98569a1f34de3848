//! An allocator that records every allocation: also those of the SDK.

mod support;

use framelake::{Builder, span};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt;
use std::time::Duration;
use support::Collector;

struct Recording;

thread_local! {
    static RECORDS: Cell<bool> = const { Cell::new(false) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Recording {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if RECORDS.get() {
            ALLOCATIONS.set(ALLOCATIONS.get() + 1);
            framelake::metric!("allocated", "By", layout.size());
        }
        // SAFETY: as promised to us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised to us.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Recording = Recording;

/// Records while it is formatted, so that what was formatted so far makes way to the heap.
struct Chatty(u32);

impl fmt::Display for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{:0>100}", self.0)?;
        span!("display");
        if self.0 > 0 {
            framelake::info!("inside {}", Chatty(self.0 - 1));
        }
        f.write_str(">")
    }
}

#[test]
fn lines_are_whole_though_the_allocator_records_while_they_make_way() {
    const LINES: u64 = 2_000;
    let lake = Collector::default();
    // No drain in the midst of it: what each finds to be unattributed is a measurement, too.
    let guard = lake.start_with(Builder::new().drain_period(Duration::from_secs(60)));
    let record = || {
        RECORDS.set(true);
        // Not by the SDK: its call site is known from here on.
        drop(std::hint::black_box(Box::new(1)));
        for _ in 0..LINES {
            framelake::info!("before {} after", Chatty(1));
        }
        RECORDS.set(false);
        ALLOCATIONS.get()
    };
    let allocations = std::thread::spawn(record).join().unwrap();
    let report = guard.shutdown().unwrap();
    let expected = [format!("before <{:0>100}> after", 1), format!("inside <{:0>100}>", 0)];
    let messages = lake.messages();
    assert_eq!(messages.len() as u64, 2 * LINES);
    assert!(messages.iter().all(|message| expected.contains(message)), "{messages:?}");
    // While a line makes way there is no room for what the allocator records.
    let metrics = report.stats.metrics;
    let unattributed = report.stats.unattributed;
    // The end of the recording says how many those are, where there are any.
    assert_eq!(metrics.emitted - u64::from(unattributed > 0) + unattributed, allocations);
    assert!(metrics.events > 0 && metrics.dropped >= 2 * LINES, "{metrics:?}");
}
