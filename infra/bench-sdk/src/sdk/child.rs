//! A process that measures one subject, as its parent tells it line by line.

use crate::measure::{Task, Variant};
use anyhow::{Context, bail};
use framelake_bench_sdk::{Kind, Operation, Recorded, Running, Work, subjects, thread_cpu_ns};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::hint::{black_box, spin_loop};
use std::io::{self, BufRead};
use std::sync::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Acquire},
};
use std::time::Instant;

/// Operations in a run: few enough that what they record fits into every recorder's buffers.
const RUN: u32 = 2_000;
/// The same where nothing is recorded.
const LONG_RUN: u32 = 20_000;
/// The same where each is timed for itself. What takes a recorder's data away leaves it with cold caches, so that must be rare: some of 10,000 are not
/// among the 99.9 %.
const TIMED_RUN: u32 = 10_000;
/// The share of a run of two threads in which both must be running.
const OVERLAP_MIN: f64 = 0.8;

struct Child {
    running: Box<dyn Running>,
    recorded: Recorded,
    work: Work,
    /// What reading the two clocks takes of each run.
    clocks: Times,
}

/// Nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Times {
    cpu: f64,
    wall: f64,
}

/// Does what standard input says until it ends, then sees whether everything recorded arrived.
pub(crate) fn run(name: &str) -> anyhow::Result<()> {
    let subject = subjects::ALL.iter().find(|subject| subject.name == name);
    let subject = subject.with_context(|| format!("there is no subject `{name}`"))?;
    let running = (subject.start)()?;
    running.enter();
    let clocks = (0..1_000).map(|_| timed(|| ())).fold(Times { cpu: f64::MAX, wall: f64::MAX }, |least, times| Times {
        cpu: least.cpu.min(times.cpu),
        wall: least.wall.min(times.wall),
    });
    let mut child = Child { running, recorded: Recorded::default(), work: Work::default(), clocks };
    for line in io::stdin().lock().lines() {
        let line = line?;
        let Some(task) = Task::parse(&line) else { bail!("cannot understand `{line}`") };
        let operation = subject.operation(task.kind).with_context(|| format!("{name} has no {:?}", task.kind))?;
        println!("{}", child.measure(task, operation));
    }
    child.running.flush();
    child.running.finish(&child.recorded)
}

impl Child {
    fn measure(&mut self, task: Task, operation: Operation) -> String {
        let Task { variant, kind, runs } = task;
        let count = if kind.events() == (0, 0) { LONG_RUN } else { RUN };
        // The first run meets cold caches and call sites not registered yet.
        (operation.measured)(count);
        self.ran(kind, count);
        // Answers are a line.
        let mut answer = String::new();
        match variant {
            Variant::Alone => {
                for _ in 0..runs {
                    let times = timed(|| (operation.measured)(black_box(count)));
                    self.ran(kind, count);
                    self.tell(&mut answer, times, count);
                }
            }
            Variant::Pair => self.pair(&mut answer, task, operation, count),
            Variant::Single | Variant::Busy => {
                let count = TIMED_RUN;
                let mut ticks = vec![0; count as usize];
                let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
                for _ in 0..runs {
                    (operation.timed)(&mut ticks, (variant == Variant::Busy).then_some(&mut self.work));
                    self.ran(kind, count);
                    ticks.iter().for_each(|ticks| *counts.entry(*ticks).or_default() += 1);
                }
                for (ticks, count) in counts {
                    let _ = write!(answer, "{ticks}:{count} ");
                }
            }
        }
        answer
    }

    /// Two threads at once; what one of them takes. Runs in which one waited for a core while the other was done do not count.
    fn pair(&mut self, answer: &mut String, task: Task, operation: Operation, count: u32) {
        let Task { kind, runs, .. } = task;
        let meeting = Meeting::default();
        let running = &*self.running;
        let together = || {
            meeting.wait();
            let begin = Instant::now();
            let times = timed(|| (operation.measured)(black_box(count)));
            let end = Instant::now();
            meeting.wait();
            (times, begin, end)
        };
        let both = std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                running.enter();
                (operation.measured)(count);
                let runs: Vec<_> = (0..runs)
                    .map(|_| {
                        let run = together();
                        // The other one flushes.
                        meeting.wait();
                        run
                    })
                    .collect();
                running.leave();
                runs
            });
            let own = (0..runs)
                .map(|_| {
                    let run = together();
                    running.flush();
                    meeting.wait();
                    run
                })
                .collect::<Vec<_>>();
            own.into_iter().zip(other.join().expect("a thread that only measures"))
        });
        for ((own, own_begin, own_end), (other, other_begin, other_end)) in both {
            self.recorded.add(kind, u64::from(count));
            self.recorded.add(kind, u64::from(count));
            let overlap = own_end.min(other_end).saturating_duration_since(own_begin.max(other_begin));
            let whole = own_end.max(other_end) - own_begin.min(other_begin);
            if overlap.as_secs_f64() >= OVERLAP_MIN * whole.as_secs_f64() {
                self.tell(
                    answer,
                    Times { cpu: f64::midpoint(own.cpu, other.cpu), wall: own.wall.max(other.wall) },
                    count,
                );
            }
        }
        self.ran(kind, count);
    }

    fn ran(&mut self, kind: Kind, count: u32) {
        self.recorded.add(kind, u64::from(count));
        self.running.flush();
    }

    fn tell(&self, answer: &mut String, times: Times, count: u32) {
        let each = |ns: f64, clock: f64| (ns - clock).max(0.0) / f64::from(count);
        let _ = write!(answer, "{}:{} ", each(times.cpu, self.clocks.cpu), each(times.wall, self.clocks.wall));
    }
}

fn timed(act: impl FnOnce()) -> Times {
    let (wall, cpu) = (Instant::now(), thread_cpu_ns());
    act();
    let cpu = thread_cpu_ns() - cpu;
    Times { cpu: cpu as f64, wall: wall.elapsed().as_nanos() as f64 }
}

/// Where two threads wait for each other, awake, so that they go on at the same time.
#[derive(Default)]
struct Meeting(AtomicU32);

impl Meeting {
    fn wait(&self) {
        let arrived = self.0.fetch_add(1, AcqRel);
        let both = arrived - arrived % 2 + 2;
        while self.0.load(Acquire) < both {
            spin_loop();
        }
    }
}
