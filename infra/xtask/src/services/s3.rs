//! An S3 server over a directory: versitygw.

use super::{S3_ACCESS_KEY, S3_BUCKET, S3_SECRET_KEY, free_port, wait_for_port};
use crate::install;
use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

/// Starts it with one bucket; its pid and URL.
pub(super) fn start(directory: &Path) -> anyhow::Result<(u32, String)> {
    let program = install::versitygw()?;
    let objects = directory.join("objects");
    // A bucket is a directory below the root.
    fs::create_dir_all(objects.join(S3_BUCKET))?;
    let port = free_port()?;
    let log_path = directory.join("s3.log");
    let log = File::create(&log_path)?;
    let child = Command::new(program)
        .args(["--port", &format!("127.0.0.1:{port}"), "--access", S3_ACCESS_KEY, "--secret", S3_SECRET_KEY, "posix"])
        .arg(&objects)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    wait_for_port("the S3 server", child.id(), port, &log_path)?;
    Ok((child.id(), format!("http://127.0.0.1:{port}")))
}
