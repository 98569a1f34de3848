//! The data directory belongs to one process: a locked file names it, and says where it listens.

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Who holds a data directory and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    /// Where FlightSQL listens; `None` when the process listens nowhere (a `framelake sql` at work).
    pub(crate) flight: Option<SocketAddr>,
    /// Where the gateway listens.
    pub(crate) http: Option<SocketAddr>,
}

/// A data directory that this process holds. The lock goes with the value, or with the process however it ends.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    lock: File,
}

const LOCK_FILE: &str = "framelake.lock";

impl DataDir {
    /// Makes the directory where it is missing and takes its lock.
    ///
    /// # Errors
    /// Not writable, or another process holds it (the message names its pid).
    pub(crate) fn hold(path: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(path).with_context(|| {
            format!("cannot make the data directory {}; give another with --data-dir", path.display())
        })?;
        let lock_path = path.join(LOCK_FILE);
        let lock =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock_path).with_context(
                || format!("the data directory {} is not writable; give another with --data-dir", path.display()),
            )?;
        match lock.try_lock() {
            Ok(()) => {
                let mut held = Self { path: path.to_owned(), lock };
                held.announce(None, None)?;
                Ok(held)
            }
            Err(TryLockError::WouldBlock) => {
                let who = read_holder(&lock_path).map_or("another process".to_owned(), |holder| match holder.flight {
                    Some(flight) => format!("process {} (FlightSQL on {flight})", holder.pid),
                    None => format!("process {}", holder.pid),
                });
                bail!(
                    "the data directory {} is in use by {who}; ask it with `framelake sql`, stop it, or give another directory with --data-dir",
                    path.display()
                )
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", lock_path.display()))
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes into the lock file who this is and where it listens.
    pub(crate) fn announce(&mut self, flight: Option<SocketAddr>, http: Option<SocketAddr>) -> anyhow::Result<()> {
        let text = serde_json::to_vec(&Holder { pid: std::process::id(), flight, http })?;
        self.lock.set_len(0)?;
        self.lock.rewind()?;
        self.lock.write_all(&text)?;
        self.lock.flush().context("cannot write the lock file")
    }
}

/// Who holds the directory now; `None` when nobody does.
pub(crate) fn holder(path: &Path) -> Option<Holder> {
    let lock_path = path.join(LOCK_FILE);
    let lock = File::open(&lock_path).ok()?;
    match lock.try_lock_shared() {
        Ok(()) => None,
        Err(_) => read_holder(&lock_path),
    }
}

fn read_holder(lock_path: &Path) -> Option<Holder> {
    let mut text = String::new();
    File::open(lock_path).ok()?.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_directory_names_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let mut held = DataDir::hold(dir.path()).unwrap();
        held.announce(Some("127.0.0.1:8651".parse().unwrap()), None).unwrap();
        let error = DataDir::hold(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()) && error.contains("--data-dir"), "{error}");
        assert_eq!(holder(dir.path()).unwrap().flight.unwrap().port(), 8651);
        drop(held);
        assert_eq!(holder(dir.path()), None);
        DataDir::hold(dir.path()).unwrap();
    }

    #[test]
    fn a_path_that_cannot_be_a_directory_is_a_clear_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = format!("{:#}", DataDir::hold(&file.path().join("data")).unwrap_err());
        assert!(error.contains("cannot make the data directory") && error.contains("--data-dir"), "{error}");
    }
}
