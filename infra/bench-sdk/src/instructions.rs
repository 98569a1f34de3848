//! Does every operation a number of times, for callgrind to count instructions. `cargo xtask instructions` runs it twice: the difference is the
//! operations' alone.

use anyhow::{Context, bail};
use framelake_bench_sdk::subjects::{FLOOR, FRAMELAKE, FRAMELAKE_OFF, clock_domains};
use framelake_bench_sdk::{Recorded, Running, Subject};

/// Operations in a run: what they store fits into the chunks made ready, so that none is allocated.
const RUN: u32 = 1_000;

fn main() -> anyhow::Result<()> {
    let runs = std::env::args().nth(1).context("how many runs of 1,000 operations each? give a number")?.parse()?;
    // Before the one that records starts.
    play(&FRAMELAKE_OFF, runs)?;
    play(&FLOOR, runs)?;
    play(&FRAMELAKE, runs)?;
    let domains = clock_domains();
    if cfg!(target_arch = "x86_64") && !domains.iter().eq(["tsc"]) {
        bail!("events were stamped by {domains:?}, so the counts are not those of the processor's counter");
    }
    Ok(())
}

fn play(subject: &Subject, runs: u32) -> anyhow::Result<()> {
    let running: Box<dyn Running> = (subject.start)()?;
    running.enter();
    let mut recorded = Recorded::default();
    for (kind, operation) in subject.operations {
        for _ in 0..runs {
            (operation.measured)(RUN);
            running.flush();
            recorded.add(*kind, u64::from(RUN));
        }
    }
    running.finish(&recorded)
}
