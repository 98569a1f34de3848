//! Set-up, servers for tests, CI. Links no workspace crate, so that it builds in seconds and never waits for DataFusion.

mod ci;
mod dependencies;
mod install;
mod instructions;
mod interop;
mod off;
mod python;
mod services;
mod shell;
mod unsafety;

use clap::{Parser, Subcommand};
use shell::Checked;
use std::process::Command;

#[derive(Parser)]
#[command(about = "Set-up, servers for tests, CI")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that must pass before a change lands
    Ci,
    /// A real Kafka, Postgres and S3 server on loopback, with their data below .services/
    Services {
        #[command(subcommand)]
        action: Action,
    },
    /// Only `ARCHITECTURE.md`'s dependency rules, and where `unsafe` stands
    Dependencies,
    /// That nothing is left of the SDK with its feature `off`
    Off,
    /// Only the tests with Bevy, a service of axum, and what tokio tells behind its flag
    Interop,
    /// Instructions per operation of the SDK, compared with infra/bench/results/instructions.toml
    Instructions {
        /// Write the counts there
        #[arg(long)]
        write: bool,
        /// Why a count rose
        #[arg(long, requires = "write")]
        note: Option<String>,
    },
    /// Benchmarks; results go to infra/bench/results/
    Bench {
        /// Build in the profile `release`: some 20 minutes the first time, for figures to be published. `sdk` always is: it takes a minute
        #[arg(long)]
        release: bool,
        /// `pipeline` or `sdk`
        name: String,
        /// Passed on to the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

#[derive(Subcommand)]
enum Action {
    /// Install what is missing, start all three, print the variables that tests read
    Up,
    /// Stop them and delete their data
    Down,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().task {
        Task::Ci => ci::run(),
        Task::Services { action: Action::Up } => services::up().map(|services| services.print()),
        Task::Services { action: Action::Down } => services::down(),
        Task::Dependencies => dependencies::check().and_then(|()| unsafety::check()),
        Task::Off => off::check(),
        Task::Interop => interop::check(),
        Task::Instructions { write, note } => instructions::run(write, note.as_deref()),
        Task::Bench { name, arguments, .. } if name == "sdk" => bench_sdk(&arguments),
        Task::Bench { release, name, arguments } => bench(release, &name, &arguments),
    }
}

/// Benchmarks start the program beside them. Both are built in one go, so that they have their dependencies in common.
fn bench(release: bool, name: &str, arguments: &[String]) -> anyhow::Result<()> {
    let profile = if release { "release" } else { "quick" };
    shell::cargo("build")
        .args(["--profile", profile, "--package", "framelake-server", "--bin", "framelake"])
        .args(["--package", "framelake-bench", "--bin", name])
        .checked()?;
    Command::new(shell::target().join(profile).join(name)).args(arguments).current_dir(shell::root()).checked()
}

/// What an event costs is measured in a program of its own, without the server and all that it links.
fn bench_sdk(arguments: &[String]) -> anyhow::Result<()> {
    // Arrow takes minutes to build, and says nothing of what a smoke test asks.
    let features = if arguments.iter().any(|argument| argument == "--smoke") { "timing" } else { "arrow" };
    shell::cargo("build")
        .args(["--release", "--package", "framelake-bench-sdk", "--features", features, "--bin", "sdk"])
        .checked()?;
    Command::new(shell::target().join("release/sdk")).args(arguments).current_dir(shell::root()).checked()
}
