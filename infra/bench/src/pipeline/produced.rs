//! What a program emitted and what that cost, and whether SQL sees it.

use crate::load::Load;
use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use framelake_bench::{Asking, Server};
use serde::Deserialize;
use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

/// What a program says of itself when it ends.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Produced {
    pub(crate) started_unix_ns: i64,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) memory_peak: u64,
    report: Reported,
}

#[derive(Clone, Debug, Deserialize)]
struct Reported {
    process_id: String,
    undelivered_rows: u64,
    streams: Vec<Stream>,
}

#[derive(Clone, Debug, Deserialize)]
struct Stream {
    stream_id: String,
    kind: String,
    ordinals: u64,
    dropped: u64,
    open: u64,
}

/// A program that runs.
pub(crate) struct Producing(Child);

impl Producing {
    pub(crate) fn start(server: &Server, load: Load, length: Duration, rate: u64) -> anyhow::Result<Self> {
        Ok(Self(command(&server.endpoint(), load, length, rate)?.spawn()?))
    }

    pub(crate) fn ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.0.try_wait()?.is_some())
    }

    pub(crate) fn finish(self) -> anyhow::Result<Produced> {
        let output = self.0.wait_with_output()?;
        ensure!(output.status.success(), "the program ended with {}", output.status);
        let produced: Produced = serde_json::from_slice(&output.stdout)?;
        ensure!(produced.report.undelivered_rows == 0, "not all was delivered: {produced:?}");
        Ok(produced)
    }
}

/// CPU seconds of the same program with recording off: its own work, and the loop that paces it.
pub(crate) fn cpu_without_recording(load: Load, length: Duration, rate: u64) -> anyhow::Result<f64> {
    let output = command("off", load, length, rate)?.output()?;
    let produced: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    ensure!(produced["report"].is_null(), "it recorded: {produced}");
    produced["cpu_seconds"].as_f64().context("the program does not say what CPU time it took")
}

/// This program, as an instrumented one.
fn command(endpoint: &str, load: Load, length: Duration, rate: u64) -> anyhow::Result<Command> {
    let load = load.to_possible_value().context("the load has no name")?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["produce", "--load", load.get_name(), "--endpoint", endpoint])
        .args(["--seconds", &length.as_secs_f64().to_string(), "--rate", &rate.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    Ok(command)
}

impl Produced {
    /// The rest of a WHERE clause.
    pub(crate) fn of_process(&self) -> String {
        format!("process_id = '{}'", self.report.process_id)
    }

    /// Rows emitted, those dropped among them.
    pub(crate) fn emitted(&self) -> u64 {
        self.report.streams.iter().map(|stream| stream.ordinals - stream.open).sum()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.report.streams.iter().map(|stream| stream.dropped).sum()
    }

    /// Rows that SQL must see.
    pub(crate) fn visible(&self) -> u64 {
        self.emitted() - self.dropped()
    }

    /// Events recorded of those: a span's begin and end are two.
    pub(crate) fn visible_events(&self) -> u64 {
        let events = |stream: &Stream| (stream.ordinals - stream.open - stream.dropped) * events_per_row(&stream.kind);
        self.report.streams.iter().map(events).sum()
    }

    /// Events recorded or dropped.
    pub(crate) fn emitted_events(&self) -> u64 {
        let events = |stream: &Stream| (stream.ordinals - stream.open) * events_per_row(&stream.kind);
        self.report.streams.iter().map(events).sum()
    }

    /// Waits until the catalog has all of it: from then on a query sees it.
    pub(crate) fn await_visible(&self, asking: &mut Asking) -> anyhow::Result<()> {
        let sql = format!("SELECT sum(row_count) FROM streams WHERE {}", self.of_process());
        asking.await_number(&sql, self.visible())
    }

    /// Bytes of its blocks' records in segments.
    pub(crate) fn bytes_stored(&self, asking: &mut Asking) -> anyhow::Result<u64> {
        let sql = format!("SELECT sum(byte_length) FROM blocks WHERE {}", self.of_process());
        Ok(asking.row(&sql)?[0].cast_unsigned())
    }

    pub(crate) fn check_nothing_lost(&self) -> anyhow::Result<()> {
        ensure!(self.dropped() == 0, "{} rows were lost at a pace that should lose none", self.dropped());
        Ok(())
    }

    /// Reads it all: emitted = visible + dropped in every stream, and where nothing was dropped, each ordinal exactly once.
    pub(crate) fn check_rows(&self, asking: &mut Asking) -> anyhow::Result<()> {
        for stream in &self.report.streams {
            let table = match stream.kind.as_str() {
                "log" => "log_entries",
                "metric" => "measures",
                "span" => "thread_spans",
                other => bail!("no load records a stream of kind {other}"),
            };
            let sql = format!(
                "SELECT count(*), min(ordinal), max(ordinal), sum(ordinal) FROM {table} WHERE stream_id = '{}'",
                stream.stream_id
            );
            let [rows, least, greatest, sum]: [i64; 4] =
                asking.row(&sql)?.try_into().map_err(|row| anyhow::anyhow!("{sql} answered {row:?}"))?;
            let last = stream.ordinals.cast_signed() - 1;
            let counted = rows + stream.dropped.cast_signed() + stream.open.cast_signed() == last + 1;
            // As many different ordinals as there are from 0 on have a sum that no other choice with one missing and one twice shares by chance.
            let each_once = stream.dropped > 0 || (least == 0 && greatest == last && sum == last * (last + 1) / 2);
            ensure!(counted && each_once, "of {stream:?} SQL sees {rows} rows, ordinals {least} to {greatest}");
        }
        Ok(())
    }
}

fn events_per_row(kind: &str) -> u64 {
    if kind == "span" { 2 } else { 1 }
}
