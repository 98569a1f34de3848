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

    /// Two threads at once; what one of them takes.
    fn pair(&mut self, answer: &mut String, task: Task, operation: Operation, count: u32) {
        let Task { kind, runs, .. } = task;
        let meeting = Meeting::default();
        let running = &*self.running;
        let together = || {
            meeting.wait();
            let times = timed(|| (operation.measured)(black_box(count)));
            meeting.wait();
            times
        };
        let both = std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                running.enter();
                (operation.measured)(count);
                let times: Vec<Times> = (0..runs)
                    .map(|_| {
                        let times = together();
                        // The other one flushes.
                        meeting.wait();
                        times
                    })
                    .collect();
                running.leave();
                times
            });
            let own = (0..runs)
                .map(|_| {
                    let times = together();
                    running.flush();
                    meeting.wait();
                    times
                })
                .collect::<Vec<_>>();
            own.into_iter().zip(other.join().expect("a thread that only measures"))
        });
        for (own, other) in both {
            self.tell(answer, Times { cpu: f64::midpoint(own.cpu, other.cpu), wall: own.wall.max(other.wall) }, count);
            self.recorded.add(kind, u64::from(count));
            self.recorded.add(kind, u64::from(count));
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
