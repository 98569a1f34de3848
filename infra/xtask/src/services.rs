//! A real single-node Kafka, Postgres and S3 server on loopback, each with its own data directory and a free port.
//!
//! What runs is written to `.services/services.json`; only the processes named there are ever stopped.

mod kafka;
mod postgres;
mod s3;

use crate::{install, shell::root};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU16, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// What runs and how to reach it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Services {
    pids: Vec<u32>,
    kafka: String,
    postgres: String,
    s3: String,
}

pub(crate) const S3_ACCESS_KEY: &str = "framelake";
pub(crate) const S3_SECRET_KEY: &str = "framelake-secret";
pub(crate) const S3_BUCKET: &str = "framelake";

impl Services {
    /// The variables by which tests find them.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("FRAMELAKE_TEST_KAFKA", self.kafka.clone()),
            ("FRAMELAKE_TEST_POSTGRES", self.postgres.clone()),
            ("FRAMELAKE_TEST_S3", self.s3.clone()),
            ("FRAMELAKE_TEST_S3_BUCKET", S3_BUCKET.to_owned()),
            ("FRAMELAKE_TEST_S3_DIRECTORY", directory().join("s3/objects").display().to_string()),
            ("FRAMELAKE_TEST_S3_ACCESS_KEY_ID", S3_ACCESS_KEY.to_owned()),
            ("FRAMELAKE_TEST_S3_SECRET_ACCESS_KEY", S3_SECRET_KEY.to_owned()),
        ]
    }

    pub(crate) fn print(&self) {
        for (name, value) in self.variables() {
            println!("export {name}={value}");
        }
    }
}

fn directory() -> PathBuf {
    root().join(".services")
}

fn state_file() -> PathBuf {
    directory().join("services.json")
}

/// Starts all three, or returns those that run already.
pub(crate) fn up() -> anyhow::Result<Services> {
    if let Some(services) = running() {
        return Ok(services);
    }
    install::prerequisites()?;
    down()?;
    let directory = directory();
    fs::create_dir_all(&directory)?;
    let mut services = Services::default();
    let started = start(&directory, &mut services);
    // Also when one failed: what did start must be found by `down`.
    fs::write(state_file(), serde_json::to_vec_pretty(&services)?)?;
    if let Err(error) = started {
        down()?;
        return Err(error);
    }
    Ok(services)
}

fn start(directory: &Path, services: &mut Services) -> anyhow::Result<()> {
    let (pid, url) = postgres::start(&directory.join("postgres"))?;
    services.pids.push(pid);
    services.postgres = url;
    let (pid, url) = s3::start(&directory.join("s3"))?;
    services.pids.push(pid);
    services.s3 = url;
    let (pid, brokers) = kafka::start(&directory.join("kafka"))?;
    services.pids.push(pid);
    services.kafka = brokers;
    Ok(())
}

fn running() -> Option<Services> {
    let services: Services = serde_json::from_slice(&fs::read(state_file()).ok()?).ok()?;
    (services.pids.len() == 3 && services.pids.iter().all(|&pid| alive(pid))).then_some(services)
}

/// Stops what runs and deletes its data.
pub(crate) fn down() -> anyhow::Result<()> {
    let Ok(text) = fs::read(state_file()) else { return Ok(()) };
    let services: Services = serde_json::from_slice(&text).context("cannot read .services/services.json")?;
    for &pid in services.pids.iter().rev() {
        stop(pid);
    }
    fs::remove_dir_all(directory()).context("cannot delete .services")
}

fn stop(pid: u32) {
    let signal = |number| {
        // SAFETY: kill takes any numbers; the pid is one that `up` started and wrote down.
        unsafe { libc::kill(pid.cast_signed(), number) };
    };
    signal(libc::SIGTERM);
    let deadline = Instant::now() + Duration::from_secs(15);
    while alive(pid) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    if alive(pid) {
        signal(libc::SIGKILL);
    }
}

fn alive(pid: u32) -> bool {
    // A child of ours that ended stays as a zombie until it is waited for; its state says so.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
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

/// Waits until something listens on the port; an error with the end of its log when the process ends or time runs out.
fn wait_for_port(name: &str, pid: u32, port: u16, log: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(());
        }
        if !alive(pid) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let text = fs::read_to_string(log).unwrap_or_default();
    let tail: Vec<&str> = text.lines().rev().take(20).collect();
    bail!("{name} did not start; the end of its log:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"))
}
