//! The main thread: 60 frames a second by the clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::probe::{self, Sample};
use crate::simulation::{FrameFacts, Simulation};
use crate::system;
use crate::{Error, Options};
use framelake::{frame, info, instrument, metric, span, warn};

/// 1/60 s.
pub(crate) const FRAME: Duration = Duration::from_nanos(16_666_667);
/// Resident memory is read from the operating system, so not in every frame.
const MEMORY_FRAMES: u64 = 15;

/// What the run was like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Played {
    /// Work time of each frame, without the wait for the next tick.
    pub(crate) work: Vec<Duration>,
    /// Ticks that passed while a frame was at work.
    pub(crate) skipped: u64,
    pub(crate) elapsed: Duration,
    /// Time in timed recording calls, frame by frame, over all threads.
    pub(crate) probes: Vec<Sample>,
    pub(crate) digest: u64,
}

/// Plays until the time is over or `stop` is set.
pub(crate) fn play(options: &Options, simulation: &mut Simulation, stop: &AtomicBool) -> Result<Played, Error> {
    let duration = Duration::from_secs(options.seconds);
    let begin = Instant::now();
    let mut played = Played::default();
    let mut due = begin;
    let mut memory = 0;
    while begin.elapsed() < duration && !stop.load(Ordering::Relaxed) {
        let number = played.work.len() as u64;
        frame!();
        let frame_begin = Instant::now();
        if number.is_multiple_of(MEMORY_FRAMES) {
            memory = system::resident_bytes();
        }
        let facts = {
            span!("frame");
            simulation.advance()?
        };
        let work = frame_begin.elapsed();
        let probe = facts.probe + report_frame(simulation, &facts, work, memory);
        warn_if_slow(number, work, &facts);
        if number.is_multiple_of(60) {
            info!(
                "{} frames, {} skipped, {} awake bodies, {} drawn",
                number, played.skipped, facts.step.awake, facts.drawn.visible
            );
        }
        played.work.push(work);
        played.probes.push(probe);
        due += FRAME;
        let now = Instant::now();
        if let Some(late) = now.checked_duration_since(due) {
            // Late frames are given up, not caught up: catching up would make the next ones late as well.
            let ticks = (late.as_nanos() / FRAME.as_nanos()) as u32;
            played.skipped += u64::from(ticks);
            due += FRAME * ticks;
        }
        wait_for_tick(due);
    }
    played.elapsed = begin.elapsed();
    played.digest = simulation.digest();
    Ok(played)
}

#[instrument]
fn wait_for_tick(due: Instant) {
    thread::sleep(due.saturating_duration_since(Instant::now()));
}

/// The frame's metrics; returns what recording them cost, the probe's spans included.
#[instrument]
fn report_frame(simulation: &Simulation, facts: &FrameFacts, work: Duration, memory: u64) -> Sample {
    let bodies = simulation.bodies() as u64;
    let projectiles = simulation.projectiles() as u64;
    let agents = simulation.agent_count() as u64;
    let properties = simulation.properties();
    let milliseconds = work.as_secs_f64() * 1e3;
    let physics_ms = facts.physics_time.as_secs_f64() * 1e3;
    let metrics = || {
        metric!("frame_time", "ms", milliseconds, properties);
        metric!("physics_time", "ms", physics_ms, properties);
        metric!("bodies", "1", bodies, properties);
        metric!("awake_bodies", "1", facts.step.awake as u64, properties);
        metric!("contacts", "1", facts.step.contacts as u64, properties);
        metric!("projectiles", "1", projectiles, properties);
        metric!("agents", "1", agents, properties);
        metric!("visible_instances", "1", facts.drawn.visible as u64, properties);
        metric!("render_list", "By", facts.drawn.bytes as u64, properties);
        metric!("resident_memory", "By", memory, properties);
    };
    probe::time(10, metrics) + probe::time_spans()
}

fn warn_if_slow(number: u64, work: Duration, facts: &FrameFacts) {
    if work > FRAME {
        warn!(
            "frame {} took {:.1} ms, budget {:.1} ms: physics {:.1} ms, {} awake bodies, {} contacts",
            number,
            work.as_secs_f64() * 1e3,
            FRAME.as_secs_f64() * 1e3,
            facts.physics_time.as_secs_f64() * 1e3,
            facts.step.awake,
            facts.step.contacts
        );
    }
}
