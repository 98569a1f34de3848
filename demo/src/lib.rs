//! The game that `framelake demo` watches: headless, deterministic for a seed, and instrumented as a game would be.
//!
//! 60 frames a second on several threads: the main thread's frame loop, physics ([rapier3d]) with thousands of boxes stacked to buildings that
//! balls bring down, walkers whose senses, decisions and paths are worked out by job threads, an asset thread that opens compressed buildings and
//! texture pages, and an audio mixer at its own rate. Buildings that collapse, and the replacements that stream in, make some frames really slow.
//!
//! It knows nothing of the server: it records with the `framelake` crate and sends to an address, as any program does.
//!
//! ```no_run
//! let options = framelake_demo::Options { seconds: 5, stop_at_end_of_input: false, ..Default::default() };
//! let report = framelake_demo::run(options)?;
//! println!("{} frames, p99 {:.1} ms", report.frames, report.frame_ms.p99);
//! # Ok::<(), framelake_demo::Error>(())
//! ```

// How a match is run, and what is said of it.
mod error;
mod frame_loop;
mod options;
mod probe;
mod report;
mod stop;
mod system;

// What happens in it: the script, then the systems in the order of a frame.
mod agents;
mod animation;
mod blueprint;
mod director;
mod navigation;
mod render;
mod simulation;
mod world;

// The threads beside the main one.
mod audio;
mod streaming;
mod workers;

mod random;

pub use error::Error;
pub use options::Options;
pub use report::{Probe, Report, Spread, Stream, Total};

use std::time::Duration;

use simulation::{Simulation, Size};

/// How long the last blocks may take to be acknowledged, also where the server is away for a moment.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// Plays a match, records it, and returns (and writes, where `options.report` says so) what was recorded. Blocks until the time is over, SIGINT or
/// SIGTERM arrives, or standard input ends; then sends what is still held. Prints nothing.
///
/// # Errors
/// The recorder or a thread cannot be started, a thread of the game panicked, the report cannot be written.
pub fn run(options: Options) -> Result<Report, Error> {
    run_with(options, framelake::Builder::new())
}

/// As [`run`], recorded as `recorder` says: for tests, and for other ways to a server. `options.endpoint` is set on top of it.
///
/// # Errors
/// As [`run`].
#[allow(clippy::needless_pass_by_value, reason = "a match is run once; what was asked for ends with it")]
pub fn run_with(options: Options, recorder: framelake::Builder) -> Result<Report, Error> {
    let stop = stop::watch(&options)?;
    let size = Size { agents: options.agents, minds: options.minds.max(1) };
    let recording = start_recording(&options, recorder)?;
    // The game's threads end with the simulation, before the recorder is shut down, so that no span is open then.
    let played = Simulation::start(options.seed, size)
        .and_then(|mut simulation| frame_loop::play(&options, &mut simulation, &stop))?;
    let recorded = recording.shutdown_within(SHUTDOWN_MAX);
    let report = Report::new(&options, &played, recorded.as_ref());
    if let Some(path) = &options.report {
        report.write(path)?;
    }
    Ok(report)
}

fn start_recording(options: &Options, recorder: framelake::Builder) -> Result<framelake::Guard, Error> {
    let recorder = recorder
        .app("framelake-demo")
        .version(env!("CARGO_PKG_VERSION"))
        .property("map", simulation::MAP)
        .property("seed", &options.seed.to_string());
    let recorder = if options.endpoint.is_empty() { recorder } else { recorder.endpoint(&options.endpoint) };
    Ok(recorder.start()?)
}
