//! The real server as a process of its own, on a data directory of its own.

use crate::{cpu_of, memory_peak_of};
use anyhow::{Context, bail};
use std::{
    fs::File,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A server of all roles, with the defaults of every setting but the ports and the data directory.
#[derive(Debug)]
pub struct Server {
    directory: TempDir,
    child: Child,
    http: SocketAddr,
    flight: SocketAddr,
}

/// How long a server may take until it is ready: opening and migrating its stores.
const START_MAX: Duration = Duration::from_secs(30);

impl Server {
    pub fn start() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let (http, flight) = (free_address()?, free_address()?);
        let child = spawn(directory.path(), http, flight)?;
        let mut server = Self { directory, child, http, flight };
        server.await_ready()?;
        Ok(server)
    }

    /// Stops it and starts it again on the same data, so that it has nothing in its memory.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.stop()?;
        self.child = spawn(self.directory.path(), self.http, self.flight)?;
        self.await_ready()
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        // SAFETY: the pid is of a child that has not been waited for, so it is still that child's.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGTERM) };
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the server ended with {status}: {}", self.log());
        }
        Ok(())
    }

    fn await_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_MAX;
        while !is_ready(self.http) {
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("the server did not start: {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Where producers send to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Where FlightSQL listens.
    #[must_use]
    pub fn flight_url(&self) -> String {
        format!("grpc://{}", self.flight)
    }

    pub fn cpu(&self) -> anyhow::Result<f64> {
        cpu_of(self.child.id())
    }

    pub fn memory_peak(&self) -> anyhow::Result<u64> {
        memory_peak_of(self.child.id())
    }

    /// Waits until what it does in the background is done: until it takes less than a 25th of a core for a second.
    pub fn await_idle(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(120);
        let mut before = self.cpu()?;
        while Instant::now() < deadline {
            std::thread::sleep(Duration::from_secs(1));
            let now = self.cpu()?;
            if now - before < 0.04 {
                return Ok(());
            }
            before = now;
        }
        bail!("the server is still busy after two minutes: {}", self.log())
    }

    /// Every file in its data directory whose name ends in `extension`.
    pub fn files(&self, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut directories = vec![self.data()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory)? {
                let path = entry?.path();
                if path.is_dir() {
                    directories.push(path);
                } else if path.extension().is_some_and(|found| found == extension) {
                    found.push(path);
                }
            }
        }
        Ok(found)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The end of what it logged.
    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(directory: &Path, http: SocketAddr, flight: SocketAddr) -> anyhow::Result<Child> {
    let program = std::env::current_exe()?.with_file_name("framelake");
    let log = File::options().create(true).append(true).open(directory.join("log"))?;
    Command::new(&program)
        .arg("run")
        .arg("--data-dir")
        .arg(directory.join("data"))
        .args(["--http-listen", &http.to_string(), "--flight-listen", &flight.to_string()])
        .env("FRAMELAKE_LOG_FILTER", "warn")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}; `cargo xtask bench pipeline` builds it", program.display()))
}

/// Whether it says that all its roles run.
fn is_ready(http: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(http) else { return false };
    let mut answer = String::new();
    stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok()
        && stream.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
