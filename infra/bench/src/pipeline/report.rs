//! The result, for people: a table per part, with Micromegas's figure and how many times better ours is beside it.

use framelake_bench::{Clock, Machine};
use std::fmt::{self, Display};

/// A part of the result.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    title: &'static str,
    how: String,
    rows: Vec<Row>,
    notes: Vec<String>,
}

#[derive(Clone, Debug)]
struct Row {
    what: String,
    ours: String,
    micromegas: String,
    times_better: String,
}

impl Section {
    pub(crate) fn new(title: &'static str, how: String) -> Self {
        Self { title, how, rows: Vec::new(), notes: Vec::new() }
    }

    /// A figure that Micromegas has none for.
    pub(crate) fn figure(&mut self, what: impl Into<String>, unit: &str, value: f64) {
        self.push(what.into(), with_unit(value, unit), String::new(), String::new());
    }

    pub(crate) fn count(&mut self, what: &str, value: u64) {
        self.push(what.to_owned(), count(value), String::new(), String::new());
    }

    /// A figure of which more is better.
    pub(crate) fn more(&mut self, what: impl Into<String>, unit: &str, value: f64, micromegas: f64) {
        self.push(what.into(), with_unit(value, unit), with_unit(micromegas, unit), times(value / micromegas));
    }

    /// A figure of which less is better.
    pub(crate) fn less(&mut self, what: impl Into<String>, unit: &str, value: f64, micromegas: f64) {
        self.push(what.into(), with_unit(value, unit), with_unit(micromegas, unit), times(micromegas / value));
    }

    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    fn push(&mut self, what: String, ours: String, micromegas: String, times_better: String) {
        self.rows.push(Row { what, ours, micromegas, times_better });
    }
}

impl Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n{}\n", self.title, self.how)?;
        let width = |of: fn(&Row) -> &String, least: usize| {
            self.rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0).max(least)
        };
        let (what, ours) = (width(|row| &row.what, 0), width(|row| &row.ours, 9));
        let (theirs, times) = (width(|row| &row.micromegas, 10), width(|row| &row.times_better, 12));
        writeln!(
            f,
            "| {:what$} | {:>ours$} | {:>theirs$} | {:>times$} |",
            "", "Framelake", "Micromegas", "times better"
        )?;
        let line = |width: usize| "-".repeat(width);
        writeln!(f, "|-{}-|-{}:|-{}:|-{}:|", line(what), line(ours), line(theirs), line(times))?;
        for row in &self.rows {
            let Row { what: name, ours: value, micromegas, times_better } = row;
            writeln!(f, "| {name:what$} | {value:>ours$} | {micromegas:>theirs$} | {times_better:>times$} |")?;
        }
        for note in &self.notes {
            writeln!(f, "\n{note}")?;
        }
        Ok(())
    }
}

/// The whole result.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    machine: Machine,
    smoke: bool,
    load: (String, Option<String>),
    sections: Vec<Section>,
}

impl Report {
    pub(crate) fn new(machine: Machine, smoke: bool) -> Self {
        Self { machine, smoke, load: (Machine::load(), None), sections: Vec::new() }
    }

    pub(crate) fn push(&mut self, section: Section) {
        self.sections.push(section);
    }

    /// Everything is measured.
    pub(crate) fn end(&mut self) {
        self.load.1 = Some(Machine::load());
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cpu, cores, memory_gib, kernel, commit, profile, clock } = &self.machine;
        writeln!(f, "# From macro to SQL\n")?;
        if self.smoke {
            writeln!(f, "**A smoke run: only its counts mean anything.**\n")?;
        }
        let release = if profile == "release" { "--release " } else { "" };
        writeln!(f, "- Command: `cargo xtask bench {release}pipeline --write`")?;
        writeln!(f, "- Commit: {commit}; profile `{profile}`")?;
        writeln!(f, "- Machine: {cpu}, {cores} cores, {memory_gib:.0} GiB of memory, Linux {kernel}")?;
        let end = self.load.1.as_ref().map(|load| format!(", {load} at the end")).unwrap_or_default();
        writeln!(f, "- Load averages (1, 5, 15 minutes): {} at the start{end}", self.load.0)?;
        if let Some(Clock { step_ns, multiples }) = clock {
            let multiples = 100.0 * multiples;
            writeln!(
                f,
                "- Clock: two readings mostly differ by {step_ns:.1} ns, {multiples:.0} % of all by a multiple of that"
            )?;
        }
        writeln!(f, "\n{HOW_TO_READ}")?;
        for section in &self.sections {
            writeln!(f, "\n{section}")?;
        }
        Ok(())
    }
}

const HOW_TO_READ: &str = "\
Micromegas's figures were measured earlier on a machine of 2 cores, not in this run; they stand only where there is one for the same thing. Server, programs
and the client that asks run on the same cores and take them from each other. The server runs with its defaults, everything embedded: log and catalog in
SQLite with durable commits, objects in a directory. CPU seconds are user and system time of a whole process; peak memory is its resident maximum.

Where nearly all readings differ by multiples (see Clock above), the processor's counter advances in steps of that length. Durations then carry less
entropy than with a finer counter, and bytes per event are lower: each halving of the step costs up to a bit per event. The names and the nesting of the spans here
repeat, as those of a game loop do; more varied ones take more.

Every part checks its counts and fails where they disagree: emitted = visible + dropped for each stream, and each ordinal exactly once where nothing was
dropped. No part asserts a time.";

/// Digits in groups of three.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

/// Three digits that count.
fn with_unit(value: f64, unit: &str) -> String {
    let number = match value.abs() {
        1000.0.. => count(value.round() as u64),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    };
    format!("{number} {unit}").trim_end().to_owned()
}

fn times(ratio: f64) -> String {
    match ratio {
        10.0.. => format!("{ratio:.0}"),
        _ => format!("{ratio:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_show_three_digits_that_count() {
        let shown = [1.0 / 3.0, 2.0 / 3.0 * 10.0, 25.34, 123.4, 2049.6].map(|value| with_unit(value, "s"));
        assert_eq!(shown, ["0.333 s", "6.67 s", "25.3 s", "123 s", "2,050 s"]);
        assert_eq!([7, 1_000, 12_345_678].map(count), ["7", "1,000", "12,345,678"]);
    }

    #[test]
    fn better_is_more_of_one_and_less_of_the_other() {
        let mut section = Section::new("Both", "So.".into());
        section.more("rate", "M/s", 2.0, 0.5);
        section.less("cost", "s", 0.5, 2.0);
        assert!(section.rows.iter().all(|row| row.times_better == "4.0"), "{section}");
    }
}
