//! `framelake recover`: sends what programs that are gone left on disk, without running them again.

use crate::{config::Config, server_http, status::size};
use anyhow::{Context, bail};
use framelake::{
    ProcessId, Recovered as Crashed,
    transport::{self, Endpoint, Recovered},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// What is to be sent, and where to.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) dir: PathBuf,
    pub(crate) endpoint: Option<String>,
    pub(crate) timeout: Duration,
}

/// Spools lie two levels below what all programs of a user share: program, endpoint.
const LEVELS: usize = 3;

pub(crate) async fn recover(config: &Config, options: Options) -> anyhow::Result<()> {
    let Options { dir, endpoint, timeout } = options;
    let endpoint = match endpoint {
        Some(endpoint) => endpoint,
        None => server_http::url(config, None).await.context("give --endpoint, or start a server to send to")?,
    };
    let endpoint: Endpoint = endpoint.parse()?;
    let dirs = spools(&dir, LEVELS).with_context(|| {
        format!("cannot read {}; give a directory of FRAMELAKE_SPOOL or FRAMELAKE_CRASH_SAFE, as the user who ran the programs", dir.display())
    })?;
    let mut sums = Recovered::default();
    let mut nothing = true;
    for dir in dirs {
        let (place, endpoint) = (dir.clone(), endpoint.clone());
        let (crashed, recovered) =
            tokio::task::spawn_blocking(move || recover_one(&place, &endpoint, timeout)).await??;
        // A directory may have a lock in it that is no spool's.
        if recovered != Recovered::default() || crashed != Crashed::default() {
            nothing = false;
            println!("{}: {}", dir.display(), shown(&crashed, &recovered));
        }
        sums.left_records += recovered.left_records;
        sums.lost_records += recovered.lost_records;
        sums.refused_records += recovered.refused_records;
        sums.errors += recovered.errors + crashed.errors + crashed.unknown;
    }
    if nothing {
        println!(
            "nothing to recover in {}: no program left records there or in the {} levels of directories below it",
            dir.display(),
            LEVELS - 1
        );
    }
    whole(&sums, &endpoint)
}

/// All that programs left in one directory: whatever else a crash leaves there is made into records here, before what is there is sent.
fn recover_one(dir: &Path, endpoint: &Endpoint, timeout: Duration) -> anyhow::Result<(Crashed, Recovered)> {
    // Into the spool that lies beside them.
    let crashed = framelake::recover(dir, dir)?;
    Ok((crashed, transport::recover(dir, transport::connect(endpoint)?, timeout)?))
}

/// `dir` where programs left something in it, or such directories below.
fn spools(dir: &Path, levels: usize) -> io::Result<Vec<PathBuf>> {
    let mut below = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        // Every program that leaves files there leaves its lock, or its buffers where it was crash-safe.
        if is_left(&path) {
            return Ok(vec![dir.to_owned()]);
        }
        // Not through links: they may lead back up.
        if path.is_dir() && !path.is_symlink() {
            below.push(path);
        }
    }
    below.sort();
    if levels == 1 {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for dir in below {
        found.extend(spools(&dir, levels - 1)?);
    }
    Ok(found)
}

/// Whether `path` is a file that every program leaves which leaves anything, and not somebody else's lock.
fn is_left(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let id = name.strip_suffix(".lock").or_else(|| name.strip_suffix(".crash"));
    id.is_some_and(|id| id.parse::<ProcessId>().is_ok())
}

fn shown(crashed: &Crashed, recovered: &Recovered) -> String {
    let Recovered { found_records, sent_records, sent_bytes, running_processes, torn_bytes, .. } = recovered;
    let mut text = format!("{found_records} records found, {sent_records} sent ({})", size(*sent_bytes));
    for (count, what) in [
        (recovered.refused_records, "refused"),
        (recovered.lost_records, "unreadable"),
        (recovered.left_records, "still there"),
    ] {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    if *torn_bytes > 0 {
        text += &format!("; {torn_bytes} bytes were being written when a program was killed");
    }
    if crashed.processes > 0 {
        text += &format!("; runs that had crashed: {}", crashed.processes);
    }
    if crashed.damaged > 0 {
        text += &format!("; damaged places, whose events are missing: {}", crashed.damaged);
    }
    // One that spools and is crash-safe has a lock of each sort.
    let running = crashed.running.max(*running_processes);
    if running > 0 {
        text += &format!("; programs that still run, and keep and send their own: {running}");
    }
    let left_alone = crashed.unknown + crashed.errors;
    if left_alone > 0 {
        text += &format!("; crashed runs that could not be read, and stay: {left_alone}");
    }
    text
}

/// An error unless all that was found is kept.
fn whole(sums: &Recovered, endpoint: &Endpoint) -> anyhow::Result<()> {
    if sums.left_records > 0 {
        bail!(
            "{} records are still there: {endpoint} did not take them in time; run this again, perhaps with a longer --timeout",
            sums.left_records
        );
    }
    if sums.refused_records > 0 {
        bail!(
            "{endpoint} refused {} records for good; `framelake sql \"SELECT * FROM dead_letters\"` may say why",
            sums.refused_records
        );
    }
    if sums.lost_records > 0 || sums.errors > 0 {
        bail!(
            "{} records and {} files could not be read; they may belong to another user, or to another version",
            sums.lost_records,
            sums.errors
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spools_are_found_where_they_are_and_below() {
        let root = tempfile::tempdir().unwrap();
        let spool = root.path().join("game/http___127.0.0.1_8650");
        fs::create_dir_all(&spool).unwrap();
        fs::create_dir_all(root.path().join("tool/empty")).unwrap();
        assert_eq!(spools(root.path(), LEVELS).unwrap(), Vec::<PathBuf>::new());
        fs::write(spool.join("0190163d-8694-739b-aea5-966c26f8ad91.lock"), "pid 1").unwrap();
        for dir in [root.path(), &root.path().join("game"), &spool] {
            assert_eq!(spools(dir, LEVELS).unwrap(), [spool.as_path()]);
        }
        assert!(spools(&root.path().join("nowhere"), LEVELS).is_err());
    }

    #[test]
    fn what_a_directory_held_is_said_for_each_sort() {
        let check = |crashed: Crashed, recovered: Recovered, expected: &str| {
            assert_eq!(shown(&crashed, &recovered), format!("0 records found, 0 sent (0 B){expected}"));
        };
        check(Crashed::default(), Recovered::default(), "");
        check(
            Crashed { running: 1, ..Crashed::default() },
            Recovered { running_processes: 1, ..Recovered::default() },
            "; programs that still run, and keep and send their own: 1",
        );
        check(
            Crashed { processes: 2, damaged: 1, ..Crashed::default() },
            Recovered::default(),
            "; runs that had crashed: 2; damaged places, whose events are missing: 1",
        );
        check(
            Crashed { unknown: 1, ..Crashed::default() },
            Recovered::default(),
            "; crashed runs that could not be read, and stay: 1",
        );
    }

    #[test]
    fn what_is_not_kept_is_an_error_that_says_what_to_do() {
        let endpoint = "http://127.0.0.1:8650".parse().unwrap();
        let check = |sums: Recovered, remedy: &str| {
            let message = whole(&sums, &endpoint).unwrap_err().to_string();
            assert!(message.contains(remedy), "{message}");
        };
        check(Recovered { left_records: 1, ..Recovered::default() }, "--timeout");
        check(Recovered { refused_records: 1, ..Recovered::default() }, "dead_letters");
        check(Recovered { errors: 1, ..Recovered::default() }, "another version");
        assert!(whole(&Recovered { found_records: 2, sent_records: 2, ..Recovered::default() }, &endpoint).is_ok());
    }
}
