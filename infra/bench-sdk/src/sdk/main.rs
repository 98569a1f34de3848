//! What an event costs the program, beside others' SDKs and the least that could do it; and the bytes it becomes. `cargo xtask bench sdk`.
//!
//! Every subject is a process of its own (this binary again, `sdk child …`), and all are measured in turn. Nothing may be dropped meanwhile: each process
//! fails unless all that it recorded arrived. No time is asserted.

mod bars;
mod bytes;
mod child;
#[path = "../../../bench/src/machine.rs"]
#[allow(unreachable_pub, reason = "public where it comes from")]
mod machine;
mod measure;
mod report;

use clap::{Parser, Subcommand};
use machine::Machine;
use measure::Sizes;
use std::path::Path;

#[derive(Parser)]
#[command(about = "Measures what an event costs the program that records it, and how many bytes it becomes")]
struct Cli {
    /// Little of everything: only to see that it runs and that nothing is dropped
    #[arg(long)]
    smoke: bool,
    /// Write infra/bench/results/sdk.md
    #[arg(long, conflicts_with = "smoke")]
    write: bool,
    /// Only the bytes
    #[arg(long, conflicts_with = "write")]
    bytes: bool,
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// One subject's process
    #[command(hide = true)]
    Child { subject: String },
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let Some(Task::Child { subject }) = cli.task {
        return child::run(&subject);
    }
    if cli.bytes {
        print!("{}", report::bytes(&bytes::figures()));
        return Ok(());
    }
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/results");
    let instructions = report::Instructions::read(&results.join("instructions.toml"))?;
    let machine = Machine::here();
    let load_before = Machine::load();
    let ns_per_tick = report::ns_per_tick();
    let figures = measure::run(if cli.smoke { Sizes::SMOKE } else { Sizes::FULL })?;
    eprintln!("encoding");
    let bytes = bytes::figures();
    let load = [load_before, Machine::load()];
    let report = report::Report { machine, load, smoke: cli.smoke, ns_per_tick, figures, instructions, bytes };
    println!("{report}");
    if cli.write {
        let file = results.join("sdk.md");
        std::fs::write(&file, report.to_string())?;
        eprintln!("written: {}", file.display());
    }
    Ok(())
}
