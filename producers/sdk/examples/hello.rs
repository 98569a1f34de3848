//! Three lines add Framelake to a program; here they are, with a loop that has something to record.
//!
//! `cargo run --example hello -p framelake`, with `framelake run` in another terminal.

use std::time::Duration;

fn main() -> Result<(), framelake::Error> {
    let _framelake = framelake::start("hello")?;
    framelake::info!("hello");
    for number in 0..300_u32 {
        framelake::frame!();
        let bodies = simulate(number);
        framelake::metric!("bodies", "1", bodies);
        if number.is_multiple_of(100) {
            framelake::warn!("frame {number} has {bodies} bodies");
        }
        std::thread::sleep(Duration::from_millis(16));
    }
    Ok(())
}

#[framelake::instrument]
fn simulate(number: u32) -> u32 {
    for _ in 0..10 {
        framelake::span!("agent");
        std::hint::black_box(number);
    }
    1_000 + number
}
