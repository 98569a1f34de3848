//! Measures all subjects in turn, round by round, so that whatever else the machine does meets them all.

use anyhow::{Context, bail};
use framelake_bench_sdk::{Kind, Subject, subjects};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

/// How an operation is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variant {
    /// One thread, in a tight loop.
    Alone,
    /// Two threads at once.
    Pair,
    /// Each one timed for itself.
    Single,
    /// The same in a program that does other work.
    Busy,
}

impl Variant {
    const ALL: [Variant; 4] = [Variant::Alone, Variant::Pair, Variant::Single, Variant::Busy];

    fn kinds(self) -> &'static [Kind] {
        match self {
            Variant::Alone => &Kind::ALL,
            Variant::Pair => &[Kind::Span, Kind::AsyncSpan, Kind::StaticLog, Kind::Log3, Kind::MetricInteger],
            Variant::Single => &[Kind::Loop, Kind::Span],
            Variant::Busy => {
                &[Kind::Loop, Kind::Span, Kind::AsyncSpan, Kind::StaticLog, Kind::Log3, Kind::MetricInteger]
            }
        }
    }
}

/// What a child is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) variant: Variant,
    pub(crate) kind: Kind,
    pub(crate) runs: u32,
}

impl Task {
    /// Of three numbers: places in `Variant::ALL` and `Kind::ALL`, and the runs.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut numbers = line.split(' ').map(|number| number.parse::<u32>().ok());
        let mut next = || numbers.next().flatten();
        let variant = *Variant::ALL.get(next()? as usize)?;
        let kind = *Kind::ALL.get(next()? as usize)?;
        Some(Self { variant, kind, runs: next()? })
    }

    fn line(self) -> String {
        let variant = Variant::ALL.iter().position(|variant| *variant == self.variant).unwrap_or_default();
        let kind = Kind::ALL.iter().position(|kind| *kind == self.kind).unwrap_or_default();
        format!("{variant} {kind} {}", self.runs)
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) rounds: u32,
    /// Runs of an operation in a round.
    pub(crate) runs: u32,
}

impl Sizes {
    pub(crate) const FULL: Sizes = Sizes { rounds: 12, runs: 24 };
    pub(crate) const SMOKE: Sizes = Sizes { rounds: 1, runs: 2 };
}

/// All readings of one subject doing one thing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readings {
    /// Nanoseconds of CPU time per operation, a reading per run.
    pub(crate) cpu: Vec<f64>,
    /// The same by the clock on the wall.
    pub(crate) wall: Vec<f64>,
    /// How many single operations took so many ticks.
    pub(crate) ticks: BTreeMap<u32, u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Figures {
    readings: BTreeMap<(&'static str, Variant, Kind), Readings>,
}

impl Figures {
    /// The readings of the subject in `column` that has that kind: those that stand in one column differ in what they have.
    pub(crate) fn get(&self, column: &str, variant: Variant, kind: Kind) -> Option<&Readings> {
        let has = |subject: &&Subject| subject.column() == column && subject.operation(kind).is_some();
        let subject = subjects::ALL.iter().find(has)?;
        self.readings.get(&(subject.name, variant, kind))
    }

    /// Nanoseconds of CPU time, the least.
    pub(crate) fn least(&self, column: &str, variant: Variant, kind: Kind) -> Option<f64> {
        self.get(column, variant, kind).map(|readings| least(&readings.cpu)).filter(|least| least.is_finite())
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, Variant, Kind, &Readings)> {
        self.readings.iter().map(|((subject, variant, kind), readings)| (*subject, *variant, *kind, readings))
    }
}

pub(crate) fn least(readings: &[f64]) -> f64 {
    readings.iter().copied().fold(f64::INFINITY, f64::min)
}

pub(crate) fn median(readings: &[f64]) -> f64 {
    let mut sorted = readings.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The ticks that a share of all stayed within.
pub(crate) fn within(ticks: &BTreeMap<u32, u64>, share: f64) -> u32 {
    let all: u64 = ticks.values().sum();
    let mut seen = 0;
    for (ticks, count) in ticks {
        seen += count;
        if seen as f64 >= all as f64 * share {
            return *ticks;
        }
    }
    0
}

/// The mean of all but the longest hundredth, which interrupts and others on the core made.
pub(crate) fn mean_but_longest(ticks: &BTreeMap<u32, u64>) -> f64 {
    let limit = within(ticks, 0.99);
    let (mut sum, mut count) = (0.0, 0.0);
    for (ticks, times) in ticks.range(..=limit) {
        sum += f64::from(*ticks) * *times as f64;
        count += *times as f64;
    }
    sum / count
}

/// A subject's process.
struct Process {
    subject: &'static Subject,
    child: std::process::Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(subject: &'static Subject) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["child", subject.name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start a process for {}", subject.name))?;
        let input = child.stdin.take().context("a pipe was asked for")?;
        let output = BufReader::new(child.stdout.take().context("a pipe was asked for")?);
        Ok(Self { subject, child, input, output })
    }

    fn measure(&mut self, task: Task, readings: &mut Readings) -> anyhow::Result<()> {
        writeln!(self.input, "{}", task.line())?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        if answer.is_empty() {
            bail!("the process of {} ended while it measured {:?}", self.subject.name, task.kind);
        }
        for pair in answer.split_whitespace() {
            let (first, second) = pair.split_once(':').with_context(|| format!("a strange answer: {answer}"))?;
            match task.variant {
                Variant::Alone | Variant::Pair => {
                    readings.cpu.push(first.parse()?);
                    readings.wall.push(second.parse()?);
                }
                Variant::Single | Variant::Busy => {
                    *readings.ticks.entry(first.parse()?).or_default() += second.parse::<u64>()?;
                }
            }
        }
        Ok(())
    }

    /// Everything recorded must have arrived.
    fn end(mut self) -> anyhow::Result<()> {
        drop(self.input);
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        bail!("the process of {} ended with {status}: see above", self.subject.name)
    }
}

pub(crate) fn run(sizes: Sizes) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    for round in 0..sizes.rounds {
        eprintln!("round {} of {}", round + 1, sizes.rounds);
        // Anew in each round: which lines of a cache get in each other's way is decided where memory comes to lie.
        let mut processes = subjects::ALL.iter().map(Process::start).collect::<anyhow::Result<Vec<_>>>()?;
        for variant in Variant::ALL {
            let runs = match variant {
                Variant::Alone => sizes.runs,
                // Many do not count.
                Variant::Pair => 2 * sizes.runs,
                // Longer runs, and microseconds of other work for each.
                Variant::Single | Variant::Busy => sizes.runs.div_ceil(8),
            };
            for &kind in variant.kinds() {
                for process in processes.iter_mut().filter(|process| process.subject.operation(kind).is_some()) {
                    let readings = figures.readings.entry((process.subject.name, variant, kind)).or_default();
                    process.measure(Task { variant, kind, runs }, readings)?;
                }
            }
        }
        processes.into_iter().try_for_each(Process::end)?;
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_understood_as_it_was_told() {
        for variant in Variant::ALL {
            for kind in Kind::ALL {
                let told = Task { variant, kind, runs: 7 };
                let understood = Task::parse(&told.line()).unwrap();
                assert_eq!((understood.variant, understood.kind, understood.runs), (variant, kind, 7));
            }
        }
        assert!(Task::parse("0 99 1").is_none());
        assert!(Task::parse("0 0").is_none());
    }

    #[test]
    fn shares_and_means_are_of_counts() {
        let ticks = BTreeMap::from([(10, 990), (20, 9), (1_000, 1)]);
        assert_eq!((within(&ticks, 0.5), within(&ticks, 0.999), within(&ticks, 1.0)), (10, 20, 1_000));
        assert!((mean_but_longest(&ticks) - 10.0).abs() < 1e-9);
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((least(&[3.0, 1.0, 2.0]) - 1.0).abs() < 1e-9);
    }
}
