//! The binary as a process that can be killed and started again on the same ports and data.

use crate::Deployment;
use anyhow::{Context, bail};
use std::{
    fs::File,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// A server of all roles.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    deployment: Deployment,
    data_dir: PathBuf,
    http_port: u16,
    flight_port: u16,
    child: Option<Child>,
}

/// How long a server may take until it listens: opening and migrating its stores.
const START_MAX: Duration = Duration::from_secs(30);

impl Server {
    /// Starts one with its data below `directory`.
    pub fn start(program: &str, deployment: Deployment, directory: &Path) -> anyhow::Result<Self> {
        let mut server = Self {
            program: program.into(),
            deployment,
            data_dir: directory.join("data"),
            http_port: free_port()?,
            flight_port: free_port()?,
            child: None,
        };
        server.start_again()?;
        Ok(server)
    }

    /// Starts it again after [`Server::kill`] or [`Server::stop`].
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(self.data_dir.with_extension("log"))?;
        let child = self
            .command("run")
            .env("FRAMELAKE_LOG_FILTER", "info,sqlx=warn,datafusion=warn")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        self.child = Some(child);
        let deadline = Instant::now() + START_MAX;
        for port in [self.http_port, self.flight_port] {
            while !answers(port, port == self.http_port) {
                let ended =
                    self.child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|status| status.is_some()));
                if ended || Instant::now() > deadline {
                    bail!("the server did not start: {}", self.log());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// SIGKILL: nothing of it runs any more when this returns.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// SIGTERM, and its exit must be clean.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        // SAFETY: the pid is of a child that has not been waited for, so it is still that child's.
        unsafe { libc::kill(child.id().cast_signed(), libc::SIGTERM) };
        let status = child.wait()?;
        if !status.success() {
            bail!("the server ended with {status}: {}", self.log());
        }
        Ok(())
    }

    /// Asks with `framelake sql`; the rows as JSON objects.
    pub fn sql(&self, query: &str) -> anyhow::Result<Vec<serde_json::Value>> {
        let output = self.command("sql").args([query, "--format", "json"]).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            bail!("{query}: {}", String::from_utf8_lossy(&output.stderr));
        }
        String::from_utf8(output.stdout)?
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| Ok(serde_json::from_str(line)?))
            .collect()
    }

    /// The only value of a query.
    pub fn number(&self, query: &str) -> anyhow::Result<i64> {
        let rows = self.sql(query)?;
        let value = rows.first().and_then(|row| row.as_object()).and_then(|row| row.values().next());
        value.and_then(serde_json::Value::as_i64).with_context(|| format!("{query} answered {rows:?}"))
    }

    /// A command of the same configuration.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(name)
            .envs(self.deployment.variables(&self.data_dir))
            .env("FRAMELAKE_HTTP_LISTEN", format!("127.0.0.1:{}", self.http_port))
            .env("FRAMELAKE_FLIGHT_LISTEN", format!("127.0.0.1:{}", self.flight_port));
        command
    }

    #[must_use]
    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    #[must_use]
    pub fn flight_uri(&self) -> String {
        format!("grpc://127.0.0.1:{}", self.flight_port)
    }

    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The end of what it logged.
    #[must_use]
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.data_dir.with_extension("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Whether a server is there; over HTTP it must also say that it is ready, which it does once all roles run.
fn answers(port: u16, http: bool) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    if !http {
        return true;
    }
    let mut answer = String::new();
    stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok()
        && stream.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// A port of loopback that nobody listens on now, below those that the system gives to outgoing connections: a server that is killed and started again
/// must find its port free.
fn free_port() -> anyhow::Result<u16> {
    // Others look for ports at the same time: each process begins elsewhere.
    let first = u16::try_from(std::process::id() % 10_000)? + 20_000;
    (0..2_000)
        .map(|_| first + NEXT_PORT.fetch_add(1, Relaxed) % 2_000)
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .context("no free port between 20000 and 32000")
}
