//! Crash safety, the recording side: after each drain it is written down how far everything went, so that whoever finds the files of a killed
//! process ([`crate::recover`]) can go on from there. Nothing of this is on the hot path.
//!
//! # The files
//! All in one directory, all beginning with one id:
//! - `ID.crash`: the [mapping], with threads' buffers and chunks. Its lock says whether the process lives.
//! - `ID.names`: call sites and property sets, appended when they are registered, before any event carries their number.
//! - `ID.NUMBER.CLASS.blocks`: the [journal](framelake_transport::journal), blocks not known to have reached the server.
//! - `ID.NUMBER.state`: [`State`]s, each whole and framed with its checksum; of the newest file the last one that is whole holds.
//! - `ID.NUMBER.attached`: an [attachment](attached) that was handed over and not sealed when it was written.
//! - `ID.cut`: made by a recovery, see there.
//!
//! # Why nothing is lost, doubled or changed
//! With crash safety every drain seals everything it read, so a state lies between blocks. A drain *n* then does, in this order:
//! 1. sums that `counter!` and `histogram!` keep in the mapping are noted there as read, beside what was noted for state *n−1*, which stays; its blocks are
//!    appended to the journal;
//! 2. state *n* is appended to the state file: positions of readers, streams' sequences and what is open, and how far the journal counts;
//! 3. chunks that were read go back to the pool, threads may start theirs over, and files of attachments that were sealed are removed;
//! 4. the blocks are handed to the sender.
//!
//! The whole frame of 2 is the commit. A process killed before it is complete leaves state *n−1*: the journal counts as far as that says, so none of
//! drain *n*'s blocks is ever sent, and as 3 had not begun all events of drain *n* still lie in their chunks behind the positions of *n−1*: they are cut into
//! blocks once, by the recovery. A process killed after it leaves state *n*: drain *n*'s blocks are sent from the journal byte for byte, whether or not the
//! sender got as far; the lake recognises them by stream, sequence and checksum. What is cut begins behind the positions of *n*, with the next sequences. So
//! no (stream, sequence) ever stands for two contents, and each event is in exactly one block.
//!
//! A block that was lost in the program, as memory and spool had no room for it, may still stand in the journal. State *n* names such blocks, and they are not
//! sent again; only then are their rows counted. So each row is either there or counted. Of the spool's own files, which a kill finds with the oldest removed
//! and not yet counted, that does not hold: those blocks are missing in their streams' sequences, where the lake sees it.
//!
//! Where only spans of slow frames are kept ([`crate::sampling`]), none waits for its frame beyond a drain: what cannot be told by then is kept.
//!
//! Where 1 or 2 fail (a full disk), positions on disk become older than what will be sent. Then the mapping is marked [`BROKEN`](mapping::BROKEN) before 3, and
//! nothing is read beyond positions until a later drain is written down whole; the journal still counts as far as the last state says. Events of that time are
//! as safe as without crash safety.
//!
//! The order holds for a process that is killed: its stores to the mapping and its writes stay with the system, in their order. For a machine that stops it does
//! not: nothing is synced.
//!
//! # What is not in it
//! Threads beyond the slots of the mapping, those that recorded before the first crash-safe recording of the process, chunks that a full disk had no room for:
//! those are on the heap. So are what counters and histograms of such threads added up since the last drain, the sums beyond the
//! [places](crate::mapping::sums) of the mapping, and attachments that a full disk had no room for.

pub(crate) mod attached;
pub(crate) mod bytes;
pub(crate) mod names;
pub(crate) mod state;

use crate::buffer::LAYOUT;
use crate::chunk;
use crate::mapping::{self, Mapping};
use framelake_transport::journal::{self, Journal};
use framelake_transport::{Outgoing, Place};
use state::State;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A state file is given up for a new one beyond this: some hundred states. Tests go through several.
const STATE_FILE_BYTES_MAX: u64 = if cfg!(test) { 4 * 1024 } else { 1024 * 1024 };

/// What a crash-safe recording writes down.
#[derive(Debug)]
pub(crate) struct Crash {
    mapping: &'static Mapping,
    journal: Journal,
    states: States,
    /// Drains so far.
    drain: u64,
    errors: u64,
    complained: bool,
    #[cfg(all(test, not(loom)))]
    pub(crate) step: Option<fn(&str)>,
}

impl Crash {
    /// Prepares `dir`. Chunks come from the mapping from now on; nothing is to be recovered before [`Crash::commit`].
    pub(crate) fn open(dir: &Path, chunks: usize) -> io::Result<Self> {
        let mapping = mapping::open(dir, chunks, LAYOUT)?;
        // The first recording's directory, where there was one.
        let dir = mapping.dir();
        names::open(&dir.join(format!("{}.names", mapping.id())))?;
        chunk::use_mapping();
        attached::open();
        Ok(Self {
            mapping,
            journal: Journal::new(dir, mapping.id()),
            states: States { dir: dir.to_owned(), id: mapping.id().to_owned(), next_number: 1, open: None },
            drain: 0,
            errors: 0,
            complained: false,
            #[cfg(all(test, not(loom)))]
            step: test_step(),
        })
    }

    /// Which drain the next commit is of.
    pub(crate) fn drain(&self) -> u64 {
        self.drain
    }

    /// The blocks at `places` are not to be sent again: that is written down with the next commit.
    pub(crate) fn forget(&mut self, places: &[Place]) {
        self.journal.forget(places);
    }

    /// Writes down that everything went as far as `state` says, and that `blocks` were made meanwhile; says whether it is. Call it before chunks are given back
    /// and blocks are sent; where it fails, nothing is recovered beyond the last success, and both may still be done.
    pub(crate) fn commit(&mut self, mut state: State, blocks: &mut [Outgoing]) -> bool {
        self.step("drained");
        let written = self.journal.write(blocks).and_then(|marks| {
            self.step("journal written");
            state.marks = marks;
            state.gone = self.journal.gone();
            state.drain = self.drain;
            self.write(&state)
        });
        self.drain += 1;
        match &written {
            Ok(()) => {
                self.step("state written");
                if !self.mapping.is_live() {
                    self.mapping.set_state(mapping::LIVE);
                }
                // For those that a full disk had no room for: what is written to them is not in the mapping.
                chunk::use_mapping();
                self.complained = false;
            }
            Err(error) => {
                self.mapping.set_state(mapping::BROKEN);
                self.errors += 1;
                if !std::mem::replace(&mut self.complained, true) {
                    eprintln!(
                        "framelake: {} cannot be written: {error}; a crash now takes with it what was not sent, until that works again (free some room, or set \
                         FRAMELAKE_CRASH_SAFE to another directory, or to off)",
                        self.mapping.dir().display()
                    );
                }
            }
        }
        self.journal.trim();
        written.is_ok()
    }

    /// Times that a drain could not be written down.
    pub(crate) fn errors(&self) -> u64 {
        self.errors + names::errors() + attached::errors()
    }

    /// Bytes on disk beside the mapping.
    pub(crate) fn bytes(&self) -> u64 {
        self.journal.bytes() + self.states.open.as_ref().map_or(0, |open| open.bytes)
    }

    /// Recording ended in order. Blocks that are neither with the server nor in the spool stay for the next run.
    pub(crate) fn end(self, all_kept: bool) {
        attached::close();
        self.mapping.set_state(mapping::ENDED);
        if all_kept {
            self.journal.remove();
            self.states.remove();
            names::close();
            REMOVABLE.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }

    pub(crate) fn step(&self, _name: &str) {
        #[cfg(all(test, not(loom)))]
        if let Some(step) = self.step {
            step(_name);
        }
    }

    fn write(&mut self, state: &State) -> io::Result<()> {
        REMOVABLE.store(false, std::sync::atomic::Ordering::Relaxed);
        let mut frame = Vec::new();
        journal::push_frame(&mut frame, &state.encode());
        #[cfg(all(test, not(loom)))]
        if let Some(step) = self.step {
            return self.states.append(&frame, |_| step("state half written"));
        }
        self.states.append(&frame, |_| {})
    }
}

static REMOVABLE: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(true);

/// The process ends in order: its mapping goes, unless something is left to be recovered.
pub(crate) fn at_exit() {
    if REMOVABLE.load(std::sync::atomic::Ordering::Relaxed)
        && let Some(mapping) = mapping::current()
    {
        mapping.remove();
    }
}

/// This process was forked off one that records: it has nothing to do with those files. Nothing but stores and system calls.
pub(crate) fn forked() {
    names::forked();
    attached::close();
    if let Some(mapping) = mapping::current() {
        mapping.detach();
    }
}

/// The state files.
#[derive(Debug)]
struct States {
    dir: PathBuf,
    id: String,
    next_number: u64,
    open: Option<StateFile>,
}

#[derive(Debug)]
struct StateFile {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl States {
    /// Appends one frame, in two parts where a test looks at what is there in between. A new file is begun where the open one is long: the old one goes when
    /// the new one has a state.
    fn append(&mut self, frame: &[u8], between: impl FnOnce(&File)) -> io::Result<()> {
        let full = self.open.as_ref().is_none_or(|open| open.bytes + frame.len() as u64 > STATE_FILE_BYTES_MAX);
        let before = if full { self.open.take() } else { None };
        if full {
            let path = self.dir.join(format!("{}.{:08}.state", self.id, self.next_number));
            let mut file = create_new(&path)?;
            self.next_number += 1;
            file.write_all(&state::MAGIC)?;
            self.open = Some(StateFile { file, path, bytes: state::MAGIC.len() as u64 });
        }
        let open = self.open.as_mut().expect("it is open, or was just made");
        let written = if cfg!(test) {
            let (first, second) = frame.split_at(frame.len() / 2);
            open.file.write_all(first).and_then(|()| {
                between(&open.file);
                open.file.write_all(second)
            })
        } else {
            open.file.write_all(frame)
        };
        if let Err(error) = written {
            // Behind a frame that is not whole none would be found. A file that is no use goes, the one before is still there.
            if cut_back(&mut open.file, open.bytes).is_err() || before.is_some() {
                let _ = fs::remove_file(&open.path);
                self.open = before;
            }
            return Err(error);
        }
        open.bytes += frame.len() as u64;
        if let Some(before) = before {
            let _ = fs::remove_file(before.path);
        }
        Ok(())
    }

    fn remove(self) {
        if let Some(open) = self.open {
            let _ = fs::remove_file(open.path);
        }
    }
}

fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // What an earlier recording of this process left is of no use any more. Not to append: Windows does not let such a file be cut.
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Takes off what was written beyond `bytes`, and goes on there.
fn cut_back(file: &mut File, bytes: u64) -> io::Result<()> {
    file.set_len(bytes)?;
    file.seek(SeekFrom::Start(bytes)).map(|_| ())
}

#[cfg(all(test, not(loom)))]
mod tests;
#[cfg(all(test, not(loom)))]
use tests::test_step;
