//! A panic is recorded and sent, and the hook before ours still runs.

mod support;

use framelake::{Builder, span};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::Collector;

static PREVIOUS_RAN: AtomicBool = AtomicBool::new(false);

struct Panics;

impl std::fmt::Display for Panics {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("in the midst")
    }
}

#[test]
fn what_was_recorded_before_a_panic_is_sent_before_the_program_goes_on() {
    std::panic::set_hook(Box::new(|_| PREVIOUS_RAN.store(true, Ordering::SeqCst)));
    let lake = Collector::default();
    let guard =
        Builder::new().drain_period(Duration::from_secs(60)).deliver_by(Box::new(lake.clone())).start().unwrap();
    let result = std::thread::spawn(|| {
        span!("doomed");
        framelake::info!("the last step");
        panic!("a wall");
    })
    .join();
    assert!(result.is_err() && PREVIOUS_RAN.load(Ordering::SeqCst));
    // No drain is due for a minute: the hook did it.
    let messages = lake.messages();
    assert_eq!(messages[0], "the last step");
    assert!(messages[1].starts_with("panic: a wall, at ") && messages[1].contains("panic.rs:"), "{}", messages[1]);
    assert_eq!(lake.lines()[1].site.level, 1);

    // In the midst of a line, whose beginning is lost with it.
    let result = std::thread::spawn(|| framelake::info!("half a line {}", Panics)).join();
    assert!(result.is_err());
    let messages = lake.messages();
    assert!(messages.len() == 3 && messages[2].starts_with("panic: in the midst"), "{messages:?}");

    let unwound = std::panic::catch_unwind(move || {
        let _guard = guard;
        panic!("the end");
    });
    assert!(unwound.is_err());
    let last = lake.processes().pop().unwrap();
    assert!(last.exit_reason.as_ref().unwrap().starts_with("panic: the end"), "{last:?}");
}
