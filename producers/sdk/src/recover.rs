//! Brings to the spool what a killed process left in the files of a crash-safe recording ([`crate::crash`] says what those are).
//!
//! Of a process that is gone, in this order, holding its lock:
//! 1. what lies in its chunks behind the last state is cut into blocks, and these are written to `ID.cut`, which is there whole or not at all. A recovery
//!    that is killed later and begun anew finds it and cuts nothing a second time, so no block ever gets other bytes;
//! 2. the journal's blocks and those of `ID.cut` are put into the spool, from where the next run, or [`framelake_transport::recover`], sends them. Done twice
//!    that sends the same bytes twice, which the lake recognises;
//! 3. the files are removed, the mapping first: without it the others stand for nothing.

mod cut;
mod image;
#[cfg(all(test, not(loom)))]
pub(crate) mod test_support;

use crate::clock;
use crate::crash::state::{self, State};
use crate::crash::{attached, names};
use crate::mapping::{ENDED, LIVE};
use crate::{Error, Result};
use cut::{Cut, Left, cut};
use framelake_transport::journal::{self, next_frame};
use framelake_transport::{Hold, Outgoing};
use framelake_wire::{ProcessId, Record, StreamKind, Topic};
use image::{Image, Kind};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What became of the files of crash-safe recordings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Processes that were killed, and of which all that could be read is in the spool now.
    pub processes: u64,
    /// Blocks that they had sealed and that were not known to have reached the server.
    pub sealed_blocks: u64,
    /// Blocks made of what their threads had recorded since.
    pub cut_blocks: u64,
    /// The events in those.
    pub cut_events: u64,
    /// Places where something could not be read: part of a journal, a chunk that was not in the file, a name that was not written down.
    pub damaged: u64,
    /// Processes that still run, and keep their files.
    pub running: u64,
    /// Files of another version, which stay.
    pub unknown: u64,
    /// Processes whose files could not be read, or for which the spool had no room; they stay and are tried again.
    pub errors: u64,
}

/// Puts into the spool `spool` what killed processes left in `dir`, the directory of crash-safe recordings; those that run are left alone. [`start`](crate::start)
/// does so for its own directory; this is for programs that are not started again. What is in the spool is sent by the next program that uses it, or by
/// [`transport::recover`](framelake_transport::recover).
///
/// # Errors
/// `dir` cannot be read. What is wrong with single files is counted.
pub fn recover(dir: &Path, spool: &Path) -> Result<Recovered> {
    recover_all(dir, spool).map_err(|source| Error::Recover { dir: dir.to_owned(), source })
}

fn recover_all(dir: &Path, spool: &Path) -> io::Result<Recovered> {
    let mut recovered = Recovered::default();
    let all = names_in(dir)?;
    // Other programs' files are none of ours: a directory may be named by mistake.
    let ids = all.iter().filter_map(|name| name.strip_suffix(".crash"));
    let mut ids: Vec<&str> = ids.filter(|id| id.parse::<ProcessId>().is_ok()).collect();
    // Ids are version 7 UUIDs, so their order is that of the runs.
    ids.sort_unstable();
    for id in &ids {
        match recover_one(dir, id, spool, &mut recovered) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                recovered.errors += 1;
                eprintln!("framelake: what a crash left in {}/{id}.crash stays there: {error}", dir.display());
            }
        }
    }
    remove_orphans(dir, &all, &ids);
    Ok(recovered)
}

fn recover_one(dir: &Path, id: &str, spool: &Path, recovered: &mut Recovered) -> io::Result<()> {
    let path = dir.join(format!("{id}.crash"));
    let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
    if file.try_lock().is_err() {
        recovered.running += 1;
        return Ok(());
    }
    // Somebody else may have recovered and removed it since it was listed.
    if !path.try_exists()? {
        return Ok(());
    }
    let mut first = Vec::new();
    file.by_ref().take(crate::mapping::PAGE as u64).read_to_end(&mut first)?;
    let left = match image::kind(&first) {
        Kind::Unknown => {
            recovered.unknown += 1;
            return Ok(());
        }
        Kind::Unfinished => None,
        Kind::Mapping(state) => match newest_state(dir, id)? {
            Newest::State(newest) => Some((state, newest)),
            Newest::Unknown => {
                recovered.unknown += 1;
                return Ok(());
            }
            Newest::None => {
                recovered.damaged += u64::from(state != ENDED);
                None
            }
        },
    };
    if let Some((state, newest)) = left {
        let records = records(dir, id, state, &newest, &first, &mut file, recovered)?;
        if !records.is_empty() {
            journal::deposit(spool, &records)?;
        }
        recovered.processes += u64::from(state != ENDED);
    }
    fs::remove_file(&path)?;
    remove_files(dir, id);
    // With the lock.
    drop(file);
    Ok(())
}

/// All records of the process that are to be sent.
fn records(
    dir: &Path,
    id: &str,
    state: u32,
    newest: &State,
    first: &[u8],
    file: &mut File,
    recovered: &mut Recovered,
) -> io::Result<Vec<Outgoing>> {
    let found = journal::read(dir, id, newest.marks, &newest.gone)?;
    recovered.damaged += found.damaged;
    recovered.sealed_blocks += found.records.len() as u64;
    let mut records = found.records;
    let path = dir.join(format!("{id}.cut"));
    if let Some(cut) = journal::read_file(&path)? {
        // How dear they are is not in the file.
        records.extend(cut.into_iter().map(|record| Outgoing { is_attachment: is_attachment(&record), ..record }));
        return Ok(records);
    }
    let mut bytes = first.to_vec();
    // What lies behind positions counts only where those are the last; in all other cases the process alone is said to have ended.
    let image = if state == LIVE {
        file.read_to_end(&mut bytes)?;
        let image = Image::new(&bytes);
        recovered.damaged += u64::from(image.is_none());
        image
    } else {
        None
    };
    let names = names::read(&fs::read(dir.join(format!("{id}.names"))).unwrap_or_default());
    let attached = if image.is_some() { attached::find(dir, id, newest.attached)? } else { Vec::new() };
    let written_ns = last_written(dir, id)?;
    let left = Left { image: image.as_ref(), state: newest, found: &names, attached: &attached, written_ns };
    let Cut { records: blocks, process, events, damaged } = cut(&left, measured);
    recovered.damaged += damaged;
    recovered.cut_blocks += blocks.len() as u64;
    recovered.cut_events += events;
    let process = process.map(|process| Outgoing {
        topic: Topic::Processes,
        is_attachment: false,
        process_id: process.process_id,
        bytes: process.encode(),
        rows: None,
        hold: Hold::default(),
    });
    let cut: Vec<Outgoing> = process.into_iter().chain(blocks).collect();
    journal::write_file(&path, &cut)?;
    records.extend(cut);
    Ok(records)
}

/// When the files of the process were last written, in nanoseconds of UTC: whoever copied them wrote them too.
fn last_written(dir: &Path, id: &str) -> io::Result<i64> {
    let mut last = 0;
    for name in names_in(dir)?.iter().filter(|name| name.starts_with(id)) {
        let written = fs::metadata(dir.join(name)).and_then(|metadata| metadata.modified());
        // Where the system does not know, nothing is older than now.
        let written = written.unwrap_or_else(|_| SystemTime::now()).duration_since(UNIX_EPOCH).unwrap_or_default();
        last = last.max(i64::try_from(written.as_nanos()).unwrap_or(i64::MAX));
    }
    Ok(last)
}

fn is_attachment(record: &Outgoing) -> bool {
    record.topic == Topic::Logs
        && matches!(Record::decode(&record.bytes), Ok(Record::Block(block)) if block.header.kind == StreamKind::ATTACHMENT)
}

enum Newest {
    None,
    Unknown,
    State(Box<State>),
}

/// The last state that is whole.
fn newest_state(dir: &Path, id: &str) -> io::Result<Newest> {
    let mut numbers: Vec<(u64, PathBuf)> = Vec::new();
    for name in names_in(dir)? {
        let number =
            name.strip_prefix(id).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".state")?.parse().ok());
        if let Some(number) = number {
            numbers.push((number, dir.join(&name)));
        }
    }
    numbers.sort();
    for (_, path) in numbers.iter().rev() {
        let bytes = fs::read(path)?;
        let Some(mut rest) = bytes.strip_prefix(&state::MAGIC[..]) else {
            if bytes.len() >= state::MAGIC.len() {
                return Ok(Newest::Unknown);
            }
            continue;
        };
        let mut last = None;
        while let Some(frame) = next_frame(&mut rest) {
            last = Some(frame);
        }
        // A file that has none yet was begun by a drain that was not written down.
        if let Some(frame) = last {
            return Ok(State::decode(frame).map_or(Newest::Unknown, |state| Newest::State(Box::new(state))));
        }
    }
    Ok(Newest::None)
}

/// Ticks per nanosecond of the clock of that name, measured here for 10 ms. For a process that was killed before it had measured them itself.
fn measured(domain: &str) -> f64 {
    let clock = clock::choose();
    if clock::domain(clock) != domain || domain == clock::domain(clock::MONOTONIC) {
        return 1.0;
    }
    let begin = clock::sample(clock);
    let until = Instant::now() + Duration::from_millis(10);
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(2));
    }
    let end = clock::sample(clock);
    let (ticks, elapsed) = (end.ticks.wrapping_sub(begin.ticks), end.monotonic_ns - begin.monotonic_ns);
    if ticks > 0 && elapsed > 0 { ticks as f64 / elapsed as f64 } else { 1.0 }
}

fn names_in(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

/// The id of the process whose file that is, and what it is.
fn id_of(name: &str) -> Option<&str> {
    const KINDS: [&str; 6] = ["names", "state", "blocks", "attached", "cut", "unfinished"];
    let (id, rest) = name.split_once('.').filter(|(id, _)| id.parse::<ProcessId>().is_ok())?;
    KINDS.contains(&rest.rsplit('.').next()?).then_some(id)
}

fn remove_files(dir: &Path, id: &str) {
    for name in names_in(dir).unwrap_or_default() {
        if id_of(&name) == Some(id) {
            let _ = fs::remove_file(dir.join(name));
        }
    }
}

/// Removes files whose mapping is gone: a recovery was killed while it removed them. A process makes its mapping before all others.
fn remove_orphans(dir: &Path, all: &[String], ids: &[&str]) {
    for name in all {
        if let Some(id) = id_of(name)
            && !ids.contains(&id)
            && !dir.join(format!("{id}.crash")).exists()
        {
            let _ = fs::remove_file(dir.join(name));
        }
    }
}
