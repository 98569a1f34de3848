//! The result, for people.

use crate::bars::{self, short};
use crate::bytes;
use crate::machine::{Clock, Machine};
use crate::measure::{Figures, Variant, least, median, within};
use anyhow::Context;
use framelake_bench_sdk::{Kind, counter, subjects};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// The whole result.
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// At the start and at the end.
    pub(crate) load: [String; 2],
    pub(crate) smoke: bool,
    pub(crate) ns_per_tick: f64,
    pub(crate) figures: Figures,
    pub(crate) instructions: Instructions,
    pub(crate) bytes: Vec<bytes::Figure>,
}

/// The committed counts.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Instructions {
    #[serde(default)]
    operation: BTreeMap<String, Count>,
}

#[derive(Debug, Deserialize)]
struct Count {
    instructions: f64,
}

impl Instructions {
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("cannot read {}; `cargo xtask instructions --write` makes it", file.display()))?;
        Ok(toml::from_str(&text)?)
    }

    pub(crate) fn of(&self, subject: &str, operation: &str) -> Option<f64> {
        self.operation.get(&format!("{subject}::{operation}")).map(|count| count.instructions)
    }
}

/// How long a tick of the processor's counter is.
pub(crate) fn ns_per_tick() -> f64 {
    let (start, first) = (Instant::now(), counter());
    std::thread::sleep(Duration::from_millis(200));
    start.elapsed().as_nanos() as f64 / (counter() - first) as f64
}

/// Columns of the tables, as subjects name them and as people do.
const COLUMNS: [(&str, &str); 8] = [
    ("floor", "floor"),
    ("framelake", "Framelake"),
    ("micromegas", "Micromegas"),
    ("bridge", "tracing into Framelake"),
    ("tracing", "tracing"),
    ("fastrace", "fastrace"),
    ("puffin", "puffin"),
    ("tracy", "tracy-client"),
];

/// A Markdown table; the first column is left-aligned.
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new<T: Into<String>>(head: impl IntoIterator<Item = T>) -> Self {
        Self { rows: vec![head.into_iter().map(Into::into).collect()] }
    }

    fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows[0].len();
        let length = |cell: &String| cell.chars().count();
        let width = |column: usize| self.rows.iter().map(|row| length(&row[column])).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (index, row) in self.rows.iter().enumerate() {
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                if column == 0 { write!(f, "| {cell:width$} |")? } else { write!(f, " {cell:>width$} |")? }
            }
            writeln!(f)?;
            if index == 0 {
                for (column, &width) in widths.iter().enumerate() {
                    let line = "-".repeat(width);
                    if column == 0 { write!(f, "|-{line}-|")? } else { write!(f, "-{line}:|")? }
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

fn ns(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), ns)
}

impl Report {
    fn head(&self) -> String {
        let Machine { cpu, cores, memory_gib, kernel, commit, profile, clock } = &self.machine;
        let [start, end] = &self.load;
        let smoke = if self.smoke { "**A smoke run: its figures mean nothing.**\n\n" } else { "" };
        let clock = clock.map(|Clock { step_ns, multiples }| {
            let multiples = 100.0 * multiples;
            format!("\n- Clock: two readings mostly differ by {step_ns:.1} ns, {multiples:.0} % of all by a multiple of that")
        });
        format!(
            "# What an event costs the program\n\n{smoke}- Command: `cargo xtask bench sdk --write`\n- Commit: {commit}; profile `{profile}` (the workspace's: `lto = \"off\"`)\n\
             - Machine: {cpu}, {cores} cores, {memory_gib:.0} GiB of memory, Linux {kernel}\n\
             - Load averages (1, 5, 15 minutes): {start} at the start, {end} at the end{}\n",
            clock.unwrap_or_default()
        )
    }

    fn bars(&self) -> String {
        let mut table = Table::new(["", "required", "found", "met", "the floor"]);
        let bars = bars::bars(self);
        let met = bars.iter().filter(|bar| bar.found.as_ref().is_some_and(|found| found.met)).count();
        for bar in &bars {
            let (found, met) = match &bar.found {
                Some(found) => (found.text.clone(), if found.met { "yes" } else { "**no**" }),
                None => ("not measured".to_owned(), "–"),
            };
            let floor = bar.floor.clone().unwrap_or_default();
            table.row([bar.what.clone(), bar.required.clone(), found, met.to_owned(), floor]);
        }
        format!(
            "{met} of {} are met. Where the floor itself is beyond a bar, this machine cannot meet it.\n\n{table}",
            bars.len()
        )
    }

    fn alone(&self) -> String {
        let head = [""].into_iter().chain(COLUMNS.map(|(_, title)| title)).chain(["× floor", "× Micromegas"]);
        let mut table = Table::new(head);
        for kind in Kind::ALL {
            let figures = COLUMNS.map(|(column, _)| self.figures.least(column, Variant::Alone, kind));
            let [floor, ours, micromegas, ..] = figures;
            let ratio = |other: Option<f64>| {
                ours.zip(other).map_or_else(|| "–".to_owned(), |(ours, other)| short(ours / other))
            };
            let cells = [kind.title().to_owned()].into_iter().chain(figures.map(shown));
            table.row(cells.chain([ratio(floor), ratio(micromegas)]));
        }
        table.to_string()
    }

    fn pair(&self) -> String {
        let mut table = Table::new([""].into_iter().chain(COLUMNS.map(|(_, title)| title)));
        for kind in Kind::ALL {
            let figures = COLUMNS.map(|(column, _)| {
                let pair = self.figures.least(column, Variant::Pair, kind)?;
                let alone = self.figures.least(column, Variant::Alone, kind)?;
                Some(format!("{} ({:.2} ×)", ns(pair), pair / alone))
            });
            if figures.iter().all(Option::is_none) {
                continue;
            }
            let figures = figures.map(|figure| figure.unwrap_or_else(|| "–".to_owned()));
            table.row([kind.title().to_owned()].into_iter().chain(figures));
        }
        table.to_string()
    }

    fn single(&self) -> String {
        let mut table = Table::new(["", "half within", "99 %", "99.9 %", "99.99 %"]);
        let mut row = |title: String, column: &str, kind: Kind| {
            let Some(readings) = self.figures.get(column, Variant::Single, kind) else { return };
            let shares = [0.5, 0.99, 0.999, 0.9999];
            let figures = shares.map(|share| ns(f64::from(within(&readings.ticks, share)) * self.ns_per_tick));
            table.row([title].into_iter().chain(figures));
        };
        row("nothing: the clock, read twice".to_owned(), "floor", Kind::Loop);
        for (column, title) in COLUMNS {
            row(title.to_owned(), column, Kind::Span);
        }
        table.to_string()
    }

    fn busy_table(&self) -> String {
        let mut table = Table::new([""].into_iter().chain(COLUMNS.map(|(_, title)| title)));
        for kind in [Kind::Span, Kind::AsyncSpan, Kind::StaticLog, Kind::Log3, Kind::MetricInteger] {
            let figures = COLUMNS.map(|(column, _)| shown(self.busy(column, kind)));
            table.row([kind.title().to_owned()].into_iter().chain(figures));
        }
        table.to_string()
    }

    fn every_reading(&self) -> String {
        let mut table = Table::new(["", "subject", "CPU, least", "CPU, median", "wall, least", "wall, median"]);
        for variant in [Variant::Alone, Variant::Pair] {
            for kind in Kind::ALL {
                for subject in subjects::ALL {
                    let readings = self
                        .figures
                        .all()
                        .find(|(name, of, which, _)| (*name, *of, *which) == (subject.name, variant, kind));
                    let Some((_, _, _, readings)) = readings else { continue };
                    let both = if variant == Variant::Pair { "two threads: " } else { "" };
                    let figures =
                        [least(&readings.cpu), median(&readings.cpu), least(&readings.wall), median(&readings.wall)];
                    let cells = [format!("{both}{}", kind.title()), subject.name.to_owned()];
                    table.row(cells.into_iter().chain(figures.map(|figure| format!("{figure:.2}"))));
                }
            }
        }
        table.to_string()
    }

    fn instructions_table(&self) -> String {
        let mut table = Table::new(["", "floor", "Framelake"]);
        let mut names: Vec<&str> =
            self.instructions.operation.keys().filter_map(|name| name.split_once("::")).map(|(_, name)| name).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let count = |subject| shown(self.instructions.of(subject, name));
            table.row([format!("`{name}`"), count("floor"), count("framelake")]);
        }
        table.to_string()
    }
}

/// Micromegas's bytes per event and nanoseconds to encode one, from the issue that set the bars: row structs and LZ4 at level 10.
const MICROMEGAS: [(&str, f64, f64); 6] = [
    (bytes::SPANS, 6.4, 1_860.0),
    (bytes::TIGHT_SPANS, 5.4, 2_000.0),
    (bytes::STATIC_LOGS, 6.5, 1_700.0),
    (bytes::ARGUMENT_LOGS, 17.0, 7_300.0),
    (bytes::WALK, 9.8, 3_100.0),
    (bytes::NOISE, 14.1, 1_860.0),
];

/// The table of bytes.
pub(crate) fn bytes(figures: &[bytes::Figure]) -> String {
    let mut table = Table::new([
        "",
        "events",
        "B/event",
        "encode, ns/event",
        "Micromegas, B/event",
        "encode, ns/event",
        "decode, M rows/s",
        "check, M events/s",
        "to Arrow, M events/s",
        "whole rows, M/s",
    ]);
    for figure in figures {
        let theirs = MICROMEGAS.iter().find(|(stream, _, _)| *stream == figure.stream);
        table.row([
            figure.stream.to_owned(),
            figure.events.to_string(),
            format!("{:.3}", figure.bytes_per_event),
            ns(figure.encode_ns),
            shown(theirs.map(|theirs| theirs.1)),
            shown(theirs.map(|theirs| theirs.2)),
            ns(figure.decode_rows_per_s / 1e6),
            ns(figure.check_events_per_s / 1e6),
            shown(figure.arrow_events_per_s.map(|rate| rate / 1e6)),
            shown(figure.arrow_rows_per_s.map(|rate| rate / 1e6)),
        ]);
    }
    table.to_string()
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{HOW_TO_READ}\n", self.head())?;
        writeln!(f, "## Against the bars\n\n{}\n", self.bars())?;
        writeln!(
            f,
            "## One thread, a tight loop\n\nNanoseconds of CPU time per operation, the least of all runs.\n\n{}\n",
            self.alone()
        )?;
        writeln!(f, "## Two threads at once\n\n{PAIR}\n\n{}\n", self.pair())?;
        writeln!(f, "## A single span\n\n{SINGLE}\n\n{}\n", self.single())?;
        writeln!(f, "## In a program that does other work\n\n{BUSY}\n\n{}\n", self.busy_table())?;
        writeln!(f, "## Instructions\n\n{INSTRUCTIONS}\n\n{}\n", self.instructions_table())?;
        writeln!(f, "## Bytes\n\n{BYTES}\n\n{}\n", bytes(&self.bytes))?;
        write!(f, "## Every reading\n\nNanoseconds per operation.\n\n{}", self.every_reading())
    }
}

const HOW_TO_READ: &str = "\
Every subject is a process of its own, anew in each round; all are measured in turn. A run is 2,000 operations (20,000 where nothing is recorded), and what it recorded is taken
away before the next, unmeasured. Nothing was dropped: each process fails unless all that it recorded arrived, where the crate lets that be told (not tracing and tracy-client). Times have the
loop around the operation in them, not the reading of the clocks around the run.

The floor reads the processor's counter and stores the event's bytes in the thread's own buffer, published for another thread; it has no call site and no switch.
Micromegas has its dispatch and a sink that drops blocks; tracing's spans are those of its Registry, its events those of the fmt subscriber with a writer that drops them;
Tracing into Framelake is the same with Framelake's subscriber in place of both.
fastrace's reporter and puffin's sink drop what comes; tracy-client has no profiler connected. Spans of fastrace and puffin are below one that the run begins.
tracy-client's lines with arguments are formatted by the caller, since it takes text only.
";

const PAIR: &str = "The mean of the CPU time that each of two threads takes of one operation, the least of all runs in which both ran at once for 80 % of the time, and how many times one thread's that is.";

const SINGLE: &str = "Each span is timed for itself by the processor's counter, in nanoseconds; the clock's own cost is in it, and in the first row alone. The counter's steps are as long as the machine's clock says above.";

const BUSY: &str = "\
Between any two events the program touches 32 KiB of 1 MiB in an order that prefetchers do not foresee, and branches on what it finds. Each event is timed for itself by the
processor's counter; the mean of all but the longest hundredth, less the same of nothing. In nanoseconds.";

const INSTRUCTIONS: &str =
    "Counted by callgrind, with the loop (`empty`) in each; committed in `instructions.toml`, where CI compares them.";

const BYTES: &str = "\
Whole blocks as sent, of made-up events: 100 names, call trees up to 12 deep, log-normal times between events. Large streams are several blocks where one would be full. A line's three
arguments are integers, 53 bytes as text. To Arrow: from the block to the columns that a query of one kind of event asks for (times, name, level or value), and whole rows, which
are all columns of the view, messages and maps of arguments included. Micromegas's figures are not of this run: they are those of the issue that set the bars (row structs, LZ4 at level 10).";
