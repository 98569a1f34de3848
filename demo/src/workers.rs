//! The job threads: one for physics, a few for the walkers' minds. Results come back in the order of the work, so the number of threads and their
//! timing change nothing.

use std::ops::Range;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rapier3d::prelude::Vector;

use crate::Error;
use crate::agents::{self, Agent, Decision, Scene};
use crate::navigation::{Grid, Scratch};
use crate::probe::{self, Sample};
use crate::world::{Step, World};
use framelake::span;

/// Walkers of one job: small enough that two workers end at about the same time, large enough that hand-over does not show.
const JOB_AGENTS: usize = 14;

/// What a frame's jobs look at. Shared, and only read.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) agents: Arc<Vec<Agent>>,
    pub(crate) world: Arc<RwLock<World>>,
    pub(crate) grid: Arc<Grid>,
    pub(crate) danger: Option<Vector>,
    pub(crate) frame: u64,
    pub(crate) seed: u64,
}

struct Job {
    snapshot: Snapshot,
    range: Range<usize>,
}

struct Answer {
    first: usize,
    decisions: Vec<Decision>,
    probe: Sample,
}

/// Threads that decide for walkers.
pub(crate) struct Minds {
    jobs: Option<Sender<Job>>,
    answers: Receiver<Answer>,
    threads: Vec<JoinHandle<()>>,
}

impl Minds {
    pub(crate) fn start(count: usize) -> Result<Self, Error> {
        let (jobs, waiting) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let mut threads = Vec::new();
        for index in 0..count {
            let (waiting, answer) = (Arc::clone(&waiting), answer.clone());
            threads.push(spawn(&format!("ai-{index}"), move || think_until_closed(&waiting, &answer))?);
        }
        Ok(Self { jobs: Some(jobs), answers, threads })
    }

    /// Hands the walkers out; [`Minds::collect`] waits for them. Returns how many jobs were made.
    pub(crate) fn dispatch(&self, snapshot: &Snapshot) -> usize {
        span!("dispatch_jobs");
        let count = snapshot.agents.len();
        let Some(jobs) = &self.jobs else { return 0 };
        let starts = (0..count).step_by(JOB_AGENTS);
        starts
            .filter(|start| {
                let range = *start..(start + JOB_AGENTS).min(count);
                jobs.send(Job { snapshot: snapshot.clone(), range }).is_ok()
            })
            .count()
    }

    /// The decisions of `jobs` jobs in the walkers' order, and what recording cost in them.
    pub(crate) fn collect(&self, jobs: usize) -> (Vec<Decision>, Sample) {
        span!("wait_for_jobs");
        let mut answers: Vec<Answer> = self.answers.iter().take(jobs).collect();
        answers.sort_by_key(|answer| answer.first);
        let probe = answers.iter().map(|answer| answer.probe).sum();
        (answers.into_iter().flat_map(|answer| answer.decisions).collect(), probe)
    }
}

impl Drop for Minds {
    fn drop(&mut self) {
        self.jobs = None;
        join(self.threads.drain(..));
    }
}

fn think_until_closed(waiting: &Mutex<Receiver<Job>>, answers: &Sender<Answer>) {
    let mut scratch = Scratch::default();
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { snapshot, range }) = next else { return };
        let first = range.start;
        let decisions = run(&snapshot, range, &mut scratch);
        // Given back before the answer, so that the main thread finds itself the only owner of the walkers.
        drop(snapshot);
        let probe = probe::time_spans();
        if answers.send(Answer { first, decisions, probe }).is_err() {
            return;
        }
    }
}

fn run(snapshot: &Snapshot, range: Range<usize>, scratch: &mut Scratch) -> Vec<Decision> {
    span!("ai_job");
    let world = snapshot.world.read().unwrap_or_else(PoisonError::into_inner);
    let scene = Scene {
        agents: &snapshot.agents,
        world: &world,
        grid: &snapshot.grid,
        danger: snapshot.danger,
        frame: snapshot.frame,
        seed: snapshot.seed,
    };
    range.map(|index| agents::decide(&scene, index, scratch)).collect()
}

/// The thread that steps the world while the main thread animates.
pub(crate) struct Physics {
    requests: Option<Sender<Arc<RwLock<World>>>>,
    results: Receiver<(Step, Duration)>,
    thread: Option<JoinHandle<()>>,
}

impl Physics {
    pub(crate) fn start() -> Result<Self, Error> {
        let (requests, waiting) = mpsc::channel::<Arc<RwLock<World>>>();
        let (result, results) = mpsc::channel();
        let thread = spawn("physics", move || {
            for world in waiting {
                let begin = Instant::now();
                let step = world.write().unwrap_or_else(PoisonError::into_inner).step();
                if result.send((step, begin.elapsed())).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { requests: Some(requests), results, thread: Some(thread) })
    }

    /// Begins a step; [`Physics::wait`] ends it.
    pub(crate) fn kick(&self, world: &Arc<RwLock<World>>) {
        if let Some(requests) = &self.requests {
            // A physics thread that is gone shows when the result is waited for.
            let _ = requests.send(Arc::clone(world));
        }
    }

    /// What the step did, and how long it took.
    pub(crate) fn wait(&self) -> Result<(Step, Duration), Error> {
        span!("wait_for_physics");
        self.results.recv().map_err(|_| Error::Thread { name: "physics" })
    }
}

impl Drop for Physics {
    fn drop(&mut self) {
        self.requests = None;
        join(self.thread.take());
    }
}

/// A named thread.
pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    thread::Builder::new().name(name.to_owned()).spawn(body).map_err(Error::Spawn)
}

/// Waits for threads whose channel is closed. A panic in one was printed already and ends the game by the missing answer.
pub(crate) fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        let _ = thread.join();
    }
}
