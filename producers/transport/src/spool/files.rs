//! Whose files lie in a spool's directory. Every process that spools has a file `ID.lock`, locked as long as it lives, and files `ID.NUMBER.CLASS.spool`.
//!
//! The operating system lets go of a lock when its process ends, in whatever way, so a file whose lock can be had belongs to nobody: a pid that
//! was given out again deceives nobody. Ids are never used twice.

use crate::queue::CLASSES;
use framelake_wire::ProcessId;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The names of the classes in those of files.
pub(crate) const CLASS_NAMES: [&str; CLASSES] = ["processes", "logs", "attachments", "metrics", "spans"];

/// The right to files of one id, as long as this is held.
#[derive(Debug)]
pub(super) struct Owner {
    id: String,
    path: PathBuf,
    /// Locked until closed.
    _lock: File,
}

/// A file found.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) class: usize,
    pub(super) number: u64,
    pub(super) path: PathBuf,
}

impl Owner {
    /// A new owner in `dir`, which is made where it is not there.
    pub(super) fn create(dir: &Path) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        // What programs log is not for everybody who shares the machine.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir)?;
        loop {
            let id = ProcessId::now_v7().to_string();
            let path = dir.join(format!("{id}.lock"));
            let mut lock = create_new(&path)?;
            // Between the two, somebody who looks for files of the dead may take this for one, and remove it: then another id.
            let locked = match lock.try_lock() {
                Ok(()) => path.try_exists()?,
                Err(TryLockError::WouldBlock) => false,
                Err(TryLockError::Error(error)) => {
                    let _ = fs::remove_file(&path);
                    return Err(error);
                }
            };
            if locked {
                // For people; nothing reads it.
                let _ = writeln!(lock, "pid {}", std::process::id());
                return Ok(Self { id, path, _lock: lock });
            }
        }
    }

    /// The path of this owner's file `number`.
    pub(super) fn segment_path(&self, class: usize, number: u64) -> PathBuf {
        self.path.with_file_name(format!("{}.{number:08}.{}.spool", self.id, CLASS_NAMES[class]))
    }

    /// Whether others can see the lock.
    pub(super) fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// Removes the lock's file. Only once none of the owner's other files is left.
    pub(super) fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A file that was not there before, for its owner alone.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What a look for files of the dead found.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Those whose process is gone, the oldest first, with their files in order.
    pub(super) owners: Vec<(Owner, Vec<Found>)>,
    /// Owners that live, or whose lock could not be tried.
    pub(super) busy: u64,
}

/// Takes over the files in `dir` of processes that are gone. A directory that is not there is empty.
pub(super) fn take_over(dir: &Path) -> io::Result<Taken> {
    let mut taken = Taken::default();
    let names_then = names(dir)?;
    // Other programs' locks are none of ours: a directory may be named by mistake.
    let ids = names_then.iter().filter_map(|name| name.strip_suffix(".lock"));
    let mut ids: Vec<&str> = ids.filter(|id| id.parse::<ProcessId>().is_ok()).collect();
    // Ids are version 7 UUIDs, so their order is that of the runs.
    ids.sort_unstable();
    for id in ids {
        let path = dir.join(format!("{id}.lock"));
        let lock = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(_) => {
                taken.busy += 1;
                continue;
            }
        };
        if lock.try_lock().is_err() {
            taken.busy += 1;
            continue;
        }
        // Somebody else may have taken it over and removed it since it was listed.
        if !path.try_exists()? {
            continue;
        }
        // Listed with the lock held: nobody adds or removes any more.
        let mut found: Vec<Found> = names(dir)?.iter().filter_map(|name| found(dir, id, name)).collect();
        found.sort();
        taken.owners.push((Owner { id: id.to_owned(), path, _lock: lock }, found));
    }
    Ok(taken)
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

/// The file `name`, where it is one of the owner `id`.
fn found(dir: &Path, id: &str, name: &str) -> Option<Found> {
    let rest = name.strip_prefix(id)?.strip_prefix('.')?.strip_suffix(".spool")?;
    let (number, class) = rest.split_once('.')?;
    let class = CLASS_NAMES.iter().position(|known| *known == class)?;
    Some(Found { class, number: number.parse().ok()?, path: dir.join(name) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_living_are_left_and_those_of_the_dead_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let alive = Owner::create(dir.path()).unwrap();
        let dead = Owner::create(dir.path()).unwrap();
        for (class, number) in [(4, 1), (1, 2), (4, 0)] {
            create_new(&dead.segment_path(class, number)).unwrap();
        }
        create_new(&alive.segment_path(4, 0)).unwrap();
        let other = dir.path().join("server.lock");
        create_new(&other).unwrap();
        let id = dead.id.clone();
        drop(dead);

        let taken = take_over(dir.path()).unwrap();
        assert_eq!((taken.owners.len(), taken.busy), (1, 1));
        let (owner, found) = &taken.owners[0];
        assert_eq!(owner.id, id);
        assert_eq!(found.iter().map(|found| (found.class, found.number)).collect::<Vec<_>>(), [(1, 2), (4, 0), (4, 1)]);

        let again = take_over(dir.path()).unwrap();
        assert_eq!((again.owners.len(), again.busy), (0, 2));
        assert!(other.exists());
        assert!(take_over(&dir.path().join("nowhere")).unwrap().owners.is_empty());
    }
}
