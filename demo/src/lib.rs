//! The game that `framelake demo` watches.
#![allow(missing_docs)]

mod error;
mod frame_loop;
mod memory;
mod probe;
mod random;
mod trace;

mod agents;
mod animation;
mod audio;
mod blueprint;
mod director;
mod navigation;
mod render;
mod simulation;
mod streaming;
mod workers;
mod world;

pub use error::Error;

#[derive(Clone, Debug)]
pub struct Options {
    pub duration: std::time::Duration,
    pub seed: u64,
}

pub fn run(options: &Options) -> Result<(), Error> {
    let stop = std::sync::atomic::AtomicBool::new(false);
    let mut simulation = simulation::Simulation::start(options.seed, simulation::Size { agents: 112, minds: 2 })?;
    let mut played = frame_loop::play(options, &mut simulation, &stop)?;
    let n = played.work.len();
    if std::env::var_os("DUMP").is_some() {
        for (i, w) in played.work.iter().enumerate() {
            println!("{i} {:.2}", w.as_secs_f64() * 1e3);
        }
    }
    played.work.sort();
    let at = |q: f64| played.work[((n - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
    println!(
        "frames {n} skipped {} elapsed {:?} p50 {:.2} p95 {:.2} p99 {:.2} max {:.2} slow {} digest {:x} events/s {:.0}",
        played.skipped,
        played.elapsed,
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0),
        played.work.iter().filter(|w| **w > frame_loop::FRAME).count(),
        played.digest,
        trace::EVENTS.load(std::sync::atomic::Ordering::Relaxed) as f64 / played.elapsed.as_secs_f64()
    );
    Ok(())
}
