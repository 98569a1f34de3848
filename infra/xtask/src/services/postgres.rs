//! PostgreSQL 15. It refuses to run as root, so for root it runs as its own user.

use super::{free_port, wait_for_port};
use crate::{
    install,
    shell::{Checked, root},
};
use anyhow::Context;
use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Starts it; its pid and URL.
pub(super) fn start(directory: &Path) -> anyhow::Result<(u32, String)> {
    let bin = install::postgres_bin();
    let port = free_port()?;
    // SAFETY: geteuid has no preconditions and cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    let data = if is_root { data_for_postgres_user()? } else { directory.join("data") };
    fs::create_dir_all(directory)?;
    let program = |name: &str| {
        let path = bin.join(name);
        if is_root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path).current_dir("/");
            command
        } else {
            Command::new(path)
        }
    };
    program("initdb")
        .args(["--username=framelake", "--auth=trust", "--encoding=UTF8", "--locale=C", "--pgdata"])
        .arg(&data)
        .output_text()?;
    let log_path = directory.join("postgres.log");
    let log = File::create(&log_path)?;
    let child = program("postgres")
        .arg("-D")
        .arg(&data)
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    wait_for_port("Postgres", child.id(), port, &log_path)?;
    Ok((child.id(), format!("postgres://framelake@127.0.0.1:{port}/postgres")))
}

/// A directory that the user `postgres` may write although the checkout may be unreadable to it; a new one at each start, the old ones of this
/// checkout removed.
fn data_for_postgres_user() -> anyhow::Result<PathBuf> {
    let mut name = String::from("framelake-postgres");
    for part in root().components().skip(1) {
        name.push('-');
        name.push_str(&part.as_os_str().to_string_lossy());
    }
    let directory = std::env::temp_dir().join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("cannot delete {}", directory.display()))?;
    }
    fs::create_dir_all(&directory)?;
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
    Command::new("chown").arg("postgres:postgres").arg(&directory).output_text()?;
    Ok(directory)
}
