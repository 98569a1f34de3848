//! The hot path allocates nothing.

mod support;

use framelake::{PropertySet, span};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::Collector;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as promised to us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised to us.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn record_all(index: u32, properties: PropertySet) {
    framelake::frame!();
    span!("outer");
    framelake::info!("static");
    framelake::warn!("with {} and {:?} and {:.2}", index, "text", 1.5);
    framelake::metric!("integer", "1", index);
    framelake::metric!("float", "1", 0.5, properties);
    span!("inner");
}

#[test]
fn events_allocate_nothing_once_their_thread_and_call_sites_are_known() {
    let lake = Collector::default();
    let guard = lake.start();
    let properties = PropertySet::new([("map", "castle")]);
    record_all(0, properties);
    let before = ALLOCATIONS.get();
    // 5,000 × about 230 B goes through all 16 chunks that are made ready.
    for index in 0..4_000 {
        record_all(index, properties);
    }
    let allocated = ALLOCATIONS.get() - before;
    lake.check(&guard.shutdown().unwrap());
    assert_eq!(allocated, 0);
    assert_eq!(lake.lines().len(), 2 * 4_001);
}
