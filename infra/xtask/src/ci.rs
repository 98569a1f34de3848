//! Everything that must pass before a change lands, in the order in which a mistake shows soonest.

use crate::{
    dependencies, instructions, interop, off, python, services,
    shell::{Checked, cargo, root, target},
    unsafety,
};
use anyhow::{Context, bail};
use serde::Deserialize;
use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

/// One profile for tests and the demo, so that dependencies are built once.
const PROFILE: [&str; 2] = ["--profile", "quick"];

/// The SDK's features that record what a program says by other crates.
const TAKEN_IN: &str = "framelake/log,framelake/metrics,framelake/tokio,framelake/tracing";

/// The SDK's features that people turn on one by one, and none. Not `kafka`, which builds a library in C.
const ALONE: [&str; 7] = ["", "log", "metrics", "off", "tls", "tokio", "tracing"];

struct Steps {
    times: Vec<(&'static str, Duration)>,
}

impl Steps {
    fn step<T>(&mut self, name: &'static str, act: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        println!("\n=== {name}");
        let start = Instant::now();
        let result = act().with_context(|| format!("step failed: {name}"))?;
        self.times.push((name, start.elapsed()));
        Ok(result)
    }
}

pub(crate) fn run() -> anyhow::Result<()> {
    let mut steps = Steps { times: Vec::new() };
    let result = all(&mut steps);
    services::down()?;
    println!();
    for (name, time) in &steps.times {
        println!("{:>6.0} s  {name}", time.as_secs_f64());
    }
    result
}

fn all(steps: &mut Steps) -> anyhow::Result<()> {
    let services = steps.step("servers: Kafka, Postgres, S3", services::up)?;
    let python = steps.step("the stock Python driver", python::interpreter)?;
    steps.step("format", || cargo("fmt").args(["--all", "--check"]).checked())?;
    steps.step("dependency rules", dependencies::check)?;
    steps.step("where unsafe stands", unsafety::check)?;
    steps.step("the block format, read by a decoder written from its document", || {
        Command::new(&python).arg(root().join("schemas/golden/decode.py")).checked()
    })?;
    steps.step("the program", || {
        cargo("build").args(PROFILE).args(["--package", "framelake-server", "--bin", "framelake"]).checked()
    })?;
    let program = program()?;
    steps.step("tests: unit, contract, whole flow", || {
        cargo("test")
            .args(PROFILE)
            .args(["--workspace", "--no-fail-fast"])
            .envs(services.variables())
            .env("FRAMELAKE_TEST_PROGRAM", &program)
            .env("FRAMELAKE_TEST_PYTHON", &python)
            .env("FRAMELAKE_TEST_REQUIRED", "1")
            .checked()
    })?;
    // No other package of the workspace asks for TLS, so the step before leaves these out.
    steps.step("tests: TLS", || {
        cargo("test").args(PROFILE).args(["--package", "framelake-transport", "--features", "tls"]).checked()
    })?;
    // Nor does one ask for these. The tests that need none of them run once more with what these bring.
    steps.step("tests: what the SDK takes in of other crates", || {
        cargo("test").args(PROFILE).args(["--package", "framelake", "--features", TAKEN_IN]).checked()
    })?;
    steps.step("tests: Bevy, a service of axum, what tokio tells behind its flag", interop::check)?;
    steps.step("instructions of the SDK's hot path", || instructions::run(false, None))?;
    steps.step("nothing is left of the SDK that is off", off::check)?;
    steps.step("models of the hand-off between threads", models)?;
    steps.step("the SDK's bench, for a moment: nothing dropped", || crate::bench_sdk(&["--smoke".to_owned()]))?;
    steps.step("lints", || {
        let clippy =
            |what: &[&str]| cargo("clippy").args(PROFILE).args(what).args(["--", "--deny", "warnings"]).checked();
        clippy(&["--workspace", "--all-targets"])?;
        clippy(&["--package", "framelake", "--all-targets", "--features", TAKEN_IN])?;
        ALONE.iter().try_for_each(|feature| clippy(&["--package", "framelake", "--features", feature]))?;
        clippy(&["--package", "framelake", "--no-default-features"])
    })?;
    steps.step("documentation", || {
        cargo("doc")
            .args(PROFILE)
            .args(["--no-deps", "--package", "framelake", "--package", "framelake-wire", "--features", TAKEN_IN])
            .env("RUSTDOCFLAGS", "--deny warnings")
            .checked()
    })?;
    steps.step("the demo builds no dependency again", dependencies_are_fresh)?;
    steps.step("the demo, its counts checked", || demo(&program))
}

/// The SDK's hand-off from a thread to the background thread in every order that the memory model allows. In a directory of its own: the flag builds
/// every dependency again.
fn models() -> anyhow::Result<()> {
    cargo("test")
        .args(["--release", "--package", "framelake", "--lib", "loom_tests"])
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_TARGET_DIR", target().join("loom"))
        .checked()
}

/// The program that the tests run; built just before.
fn program() -> anyhow::Result<PathBuf> {
    let program = target().join("quick/framelake");
    if program.is_file() {
        return Ok(program);
    }
    bail!("{} was not built", program.display())
}

#[derive(Deserialize)]
struct Artifact {
    reason: String,
    #[serde(default)]
    package_id: String,
    #[serde(default)]
    fresh: bool,
}

/// `cargo demo` after the tests must not build a dependency again: its features would differ from those the tests built.
fn dependencies_are_fresh() -> anyhow::Result<()> {
    let text = cargo("build")
        .args(PROFILE)
        .args(["--package", "framelake-server", "--bin", "framelake", "--message-format", "json"])
        .output_text()?;
    let mut rebuilt = Vec::new();
    for line in text.lines() {
        let Ok(artifact) = serde_json::from_str::<Artifact>(line) else { continue };
        if artifact.reason == "compiler-artifact" && artifact.package_id.starts_with("registry+") && !artifact.fresh {
            rebuilt.push(artifact.package_id);
        }
    }
    if rebuilt.is_empty() {
        return Ok(());
    }
    bail!("built again, so their features differ between tests and demo: {}", rebuilt.join(", "))
}

#[derive(Debug, Deserialize)]
struct Counts {
    emitted: u64,
    visible: u64,
    dropped: u64,
    streams_differing: u64,
    frames: u64,
}

fn demo(program: &PathBuf) -> anyhow::Result<()> {
    let directory = root().join(".services/demo");
    fs::create_dir_all(&directory)?;
    let counts_file = directory.join("counts.json");
    let data = directory.join("data");
    let run = || {
        Command::new(program)
            .args(["demo", "--seconds", "5", "--http-listen", "127.0.0.1:0", "--flight-listen", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(&data)
            .arg("--counts")
            .arg(&counts_file)
            .checked()
    };
    let mut frames_before = 0;
    // The second run adds to the same data.
    for _ in 0..2 {
        run()?;
        let counts: Counts = serde_json::from_slice(&fs::read(&counts_file)?)?;
        if counts.emitted == 0 || counts.emitted != counts.visible + counts.dropped || counts.dropped != 0 {
            bail!("emitted, visible and dropped disagree: {counts:?}");
        }
        if counts.streams_differing != 0 || counts.frames <= frames_before {
            bail!("streams differ or frames are missing: {counts:?}");
        }
        frames_before = counts.frames;
    }
    fs::remove_dir_all(&directory)?;
    Ok(())
}
