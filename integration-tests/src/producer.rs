//! An instrumented program as a process of its own, and what it says it emitted.

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// What the program does.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub seconds: u64,
    pub threads: u64,
    /// Span pairs that each thread records per frame of 1/60 s; logs and metrics come on top.
    pub spans_per_frame: u64,
}

/// What it says of its run; it writes this as JSON when it ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Emitted {
    pub process_id: String,
    pub streams: Vec<EmittedStream>,
    /// The 99.9th percentile of the time that one frame spent inside SDK calls, in microseconds.
    pub frame_us_p999: f64,
    /// The greatest resident memory of the process, in bytes.
    pub memory_bytes_max: u64,
    /// Records that never reached the server.
    pub undelivered: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EmittedStream {
    pub stream_id: String,
    pub kind: String,
    pub ordinals: u64,
    pub open: u64,
    pub dropped: u64,
}

/// The program under way.
#[derive(Debug)]
pub struct Producer {
    child: Child,
    report: PathBuf,
}

impl Producer {
    /// Starts it; it sends to `endpoint` (`http://…` or `kafka://…`).
    pub fn start(endpoint: &str, load: Load, directory: &Path) -> anyhow::Result<Self> {
        let report = directory.join(format!("emitted-{}.json", std::process::id()));
        let child = Command::new(program()?)
            .args(["--endpoint", endpoint])
            .args(["--seconds", &load.seconds.to_string()])
            .args(["--threads", &load.threads.to_string()])
            .args(["--spans-per-frame", &load.spans_per_frame.to_string()])
            .arg("--report")
            .arg(&report)
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start the producer")?;
        Ok(Self { child, report })
    }

    /// Waits for its end; what it emitted.
    pub fn ended(mut self) -> anyhow::Result<Emitted> {
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the producer ended with {status}");
        }
        Ok(serde_json::from_slice(&std::fs::read(&self.report)?)?)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The producer's binary stands beside the directory of the test's own.
fn program() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let program =
        test.ancestors().nth(2).context("the test's binary has no directory")?.join("framelake-test-producer");
    if !program.is_file() {
        bail!("{} is missing; build the whole package, not one test", program.display());
    }
    Ok(program)
}
