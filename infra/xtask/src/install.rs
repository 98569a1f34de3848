//! Installing what tests need, by package name. What cannot be installed is named before anything is built.

use crate::shell::{Checked, cache, on_path};
use anyhow::{Context, anyhow, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const KAFKA: &str = "4.3.0";
const VERSITYGW: &str = "v1.8.0";
/// The least Go that builds versitygw.
const GO_MINOR_MIN: u32 = 24;
const POSTGRES_BIN: &str = "/usr/lib/postgresql/15/bin";

/// Programs that come from Debian packages: program (or file), package.
const DEBIAN: &[(&str, &str)] = &[
    ("java", "openjdk-17-jre-headless"),
    ("mvn", "maven"),
    ("kcat", "kcat"),
    ("cc", "gcc"),
    ("make", "make"),
    ("/usr/lib/postgresql/15/bin/initdb", "postgresql-15"),
];

/// Installs the missing Debian packages, and fails with a list of what is missing and how to get it.
pub(crate) fn prerequisites() -> anyhow::Result<()> {
    packages(DEBIAN)?;
    match go_minor() {
        Some(minor) if minor >= GO_MINOR_MIN => {}
        found => bail!(
            "the S3 server for tests is built with Go 1.{GO_MINOR_MIN} or later, found {}; put a current `go` on the PATH (Debian 12's is too old)",
            found.map_or("none".to_owned(), |minor| format!("1.{minor}"))
        ),
    }
    if !on_path("python3") {
        bail!(
            "python3 (3.10 or later, with venv) is needed to try the stock FlightSQL driver; install it and run this again"
        );
    }
    Ok(())
}

/// Installs the Debian packages whose program (or file) is missing: program, package.
pub(crate) fn packages(wanted: &[(&str, &str)]) -> anyhow::Result<()> {
    let missing: Vec<&str> =
        wanted.iter().filter(|(program, _)| !present(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    apt(&missing).map_err(|error| {
        anyhow!(
            "these Debian packages are needed and could not be installed: {}; install them and run this again ({error:#})",
            missing.join(" ")
        )
    })
}

fn present(program: &str) -> bool {
    if program.starts_with('/') { Path::new(program).is_file() } else { on_path(program) }
}

fn apt(packages: &[&str]) -> anyhow::Result<()> {
    // SAFETY: geteuid has no preconditions and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    let apt_get = |arguments: &[&str]| {
        let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
        if !root {
            command.args(["-n", "apt-get"]);
        }
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").output_text()
    };
    apt_get(&["update"])?;
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend_from_slice(packages);
    apt_get(&install).map(drop)
}

fn go_minor() -> Option<u32> {
    let text = Command::new("go").args(["env", "GOVERSION"]).output_text().ok()?;
    text.trim().strip_prefix("go1.")?.split('.').next()?.parse().ok()
}

/// Directory of Postgres's own programs.
pub(crate) fn postgres_bin() -> PathBuf {
    PathBuf::from(POSTGRES_BIN)
}

/// Kafka's jars, from Maven; the directory to put on the class path.
pub(crate) fn kafka() -> anyhow::Result<PathBuf> {
    let directory = cache()?.join(format!("kafka-{KAFKA}"));
    let complete = directory.join("complete");
    if complete.is_file() {
        return Ok(directory.join("libs"));
    }
    println!("fetching Apache Kafka {KAFKA}");
    fs::create_dir_all(&directory)?;
    let dependency = |artifact: &str| {
        format!(
            "<dependency><groupId>org.apache.kafka</groupId><artifactId>{artifact}</artifactId><version>{KAFKA}</version></dependency>"
        )
    };
    fs::write(
        directory.join("pom.xml"),
        format!(
            "<project><modelVersion>4.0.0</modelVersion><groupId>framelake</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>\
             <dependencies>{}{}</dependencies></project>",
            dependency("kafka_2.13"),
            dependency("kafka-tools")
        ),
    )?;
    Command::new("mvn")
        .args(["--batch-mode", "--quiet", "dependency:copy-dependencies", "-DoutputDirectory=libs"])
        .current_dir(&directory)
        .output_text()
        .context("Kafka's jars could not be fetched with Maven")?;
    fs::write(complete, "")?;
    Ok(directory.join("libs"))
}

/// The S3 server, built from its Go module; the program's path.
pub(crate) fn versitygw() -> anyhow::Result<PathBuf> {
    let directory = cache()?.join(format!("versitygw-{VERSITYGW}"));
    let program = directory.join("versitygw");
    if program.is_file() {
        return Ok(program);
    }
    println!("building versitygw {VERSITYGW}");
    fs::create_dir_all(&directory)?;
    Command::new("go")
        .args(["install", &format!("github.com/versity/versitygw/cmd/versitygw@{VERSITYGW}")])
        .env("GOBIN", &directory)
        .output_text()
        .context("the S3 server could not be built")?;
    Ok(program)
}
