//! The game as a separate process: this binary again, as any instrumented program would run.

use anyhow::{Context, bail};
use clap::ArgMatches;
use framelake_demo::Report;
use std::{path::PathBuf, process::Stdio, time::Duration};
use tokio::process::{Child, ChildStdin, Command};

/// A game under way.
pub(crate) struct Game {
    child: Child,
    /// While it is open the game plays on.
    stdin: Option<ChildStdin>,
    report: PathBuf,
}

/// How long the game may take to send what it holds once it was told to stop.
const STOP_MAX: Duration = Duration::from_secs(20);

impl Game {
    pub(crate) fn start(endpoint: &str, seconds: u64) -> anyhow::Result<Self> {
        let report = std::env::temp_dir().join(format!("framelake-demo-{}.json", std::process::id()));
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let mut child = Command::new(program)
            .arg("demo-game")
            .args(["--seconds", &seconds.to_string(), "--endpoint", endpoint])
            .arg("--report")
            .arg(&report)
            // The game sends here, whatever the environment says of other programs.
            .env_remove("FRAMELAKE_ENDPOINT")
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            // A Ctrl-C at the terminal is ours to pass on, so that the game ends while the server still takes in what it sends.
            .process_group(0)
            .spawn()
            .context("cannot start the game")?;
        let stdin = child.stdin.take();
        Ok(Self { child, stdin, report })
    }

    /// Tells the game to stop: closes its standard input.
    pub(crate) fn stop(&mut self) {
        drop(self.stdin.take());
    }

    /// Returns when the game has ended; an error when it failed.
    pub(crate) async fn wait(&mut self) -> anyhow::Result<()> {
        let status = self.child.wait().await.context("cannot wait for the game")?;
        if status.success() {
            return Ok(());
        }
        bail!("the game ended with {status}")
    }

    /// Waits for the end, and reads what the game says of its run.
    pub(crate) async fn ended(mut self) -> anyhow::Result<Report> {
        tokio::time::timeout(STOP_MAX, self.wait()).await.context("the game did not stop")??;
        let text = std::fs::read(&self.report)
            .with_context(|| format!("the game left no report in {}", self.report.display()))?;
        let _ = std::fs::remove_file(&self.report);
        serde_json::from_slice(&text).context("cannot read the game's report")
    }
}

/// The process that is the game.
pub(crate) fn play(matches: &ArgMatches) -> anyhow::Result<()> {
    let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    let options = framelake_demo::Options {
        seconds: matches.get_one("seconds").copied().unwrap_or(15),
        endpoint: text("endpoint"),
        report: Some(PathBuf::from(text("report"))),
        ..framelake_demo::Options::default()
    };
    framelake_demo::run(options)?;
    Ok(())
}
