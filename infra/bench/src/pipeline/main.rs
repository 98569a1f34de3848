//! The whole flow, from macro to SQL: what it takes in, what it loses, what it costs, how long it takes. Asserts counts, never seconds.
//!
//! The server and every instrumented program are processes of their own; programs are this binary again (`pipeline produce …`).

mod blocks;
mod cost;
mod flood;
mod load;
mod paced;
mod produced;
mod read;
mod report;
mod sizes;

use clap::{Parser, Subcommand};
use framelake_bench::Machine;
use report::Report;
use sizes::Sizes;
use std::path::{Path, PathBuf};

#[derive(Parser)]
#[command(about = "Measures the whole flow, from macro to SQL")]
struct Cli {
    /// A second or two for each part: only to see that the counts agree
    #[arg(long)]
    smoke: bool,
    /// Write infra/bench/results/pipeline.md
    #[arg(long, conflicts_with_all = ["smoke", "only"])]
    write: bool,
    /// Only these parts: flood, cost, paced, read, blocks
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// An instrumented program; prints what it emitted and what that cost, as JSON
    #[command(hide = true)]
    Produce(load::Options),
}

type Part = fn(&Sizes) -> anyhow::Result<report::Section>;

const PARTS: [(&str, Part); 5] =
    [("flood", flood::run), ("cost", cost::run), ("paced", paced::run), ("read", read::run), ("blocks", blocks::run)];

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let Some(Task::Produce(options)) = cli.task {
        return load::produce(&options);
    }
    let sizes = if cli.smoke { Sizes::SMOKE } else { Sizes::FULL };
    let mut report = Report::new(Machine::here(), cli.smoke);
    println!("{report}");
    for (name, part) in PARTS {
        if cli.only.is_empty() || cli.only.iter().any(|only| only == name) {
            eprintln!("measuring: {name}");
            let section = part(&sizes)?;
            println!("\n{section}");
            report.push(section);
        }
    }
    report.end();
    if cli.write {
        let file = result_file();
        std::fs::create_dir_all(file.with_file_name(""))?;
        std::fs::write(&file, report.to_string())?;
        eprintln!("written: {}", file.display());
    }
    Ok(())
}

fn result_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results/pipeline.md")
}
