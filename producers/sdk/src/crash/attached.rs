//! Attachments of a crash-safe recording: each lies in a file of its own from before `attach` returns until it was sealed and that is written down.
//!
//! A file gets its name, `ID.NUMBER.attached`, when it is whole; the numbers are the order in which attachments are sealed. So a state need say no more than up
//! to which number that was done.

use super::bytes::{Bytes, put, put_bytes, put_short};
use super::create_new;
use crate::mapping;
use framelake_transport::journal::{next_frame, push_frame};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// What such files begin with.
pub(crate) const MAGIC: [u8; 8] = *b"FLATTCH1";
/// Bytes of an attachment behind one checksum: no second copy of a large one is made.
const PIECE_BYTES: usize = 256 * 1024;

static IS_OPEN: AtomicBool = AtomicBool::new(false);
static ERRORS: AtomicU64 = AtomicU64::new(0);
/// Numbers for files that are being written.
static UNFINISHED: AtomicU64 = AtomicU64::new(0);

/// Attachments are written down from now on.
pub(crate) fn open() {
    IS_OPEN.store(true, Release);
}

/// They are not any more. Nothing but a store.
pub(crate) fn close() {
    IS_OPEN.store(false, Release);
}

/// Whether they are.
pub(crate) fn is_open() -> bool {
    IS_OPEN.load(Acquire)
}

/// Times that one could not be written.
pub(crate) fn errors() -> u64 {
    ERRORS.load(Relaxed)
}

/// What is written of an attachment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attached<B> {
    /// Its number in the run.
    pub(crate) number: u64,
    /// Its call site's number plus one.
    pub(crate) site: u32,
    /// Name and number of the thread that handed it over.
    pub(crate) thread: (String, u64),
    pub(crate) ticks: u64,
    pub(crate) name: Box<str>,
    pub(crate) media_type: Box<str>,
    pub(crate) bytes: B,
}

/// A file that is whole and has no number yet. Dropped, it is removed.
pub(crate) struct Written(PathBuf);

/// A file with its number.
#[derive(Debug)]
pub(crate) struct Kept(PathBuf);

/// Writes `attachment` to a file; `None` where recording is not crash-safe, or the disk does not take it, which is counted.
pub(crate) fn write(attachment: &Attached<Box<[u8]>>) -> Option<Written> {
    let mapping = mapping::current().filter(|_| is_open())?;
    let number = UNFINISHED.fetch_add(1, Relaxed);
    let file = Written(mapping.dir().join(format!("{}.{number:08}.unfinished", mapping.id())));
    match write_to(&file.0, attachment) {
        Ok(()) => Some(file),
        Err(_) => {
            ERRORS.fetch_add(1, Relaxed);
            None
        }
    }
}

fn write_to(path: &Path, attachment: &Attached<Box<[u8]>>) -> io::Result<()> {
    let mut file = create_new(path)?;
    let mut head = Vec::new();
    put(&mut head, attachment.number);
    put_short(&mut head, attachment.site);
    put_bytes(&mut head, attachment.thread.0.as_bytes());
    put(&mut head, attachment.thread.1);
    put(&mut head, attachment.ticks);
    put_bytes(&mut head, attachment.name.as_bytes());
    put_bytes(&mut head, attachment.media_type.as_bytes());
    put(&mut head, attachment.bytes.len() as u64);
    let mut buffer = MAGIC.to_vec();
    push_frame(&mut buffer, &head);
    for piece in attachment.bytes.chunks(PIECE_BYTES) {
        push_frame(&mut buffer, piece);
        file.write_all(&buffer)?;
        buffer.clear();
    }
    file.write_all(&buffer)
}

impl Written {
    /// Makes it the file `number`; `None`, and counted, where that cannot be done.
    pub(crate) fn keep(self, number: u64) -> Option<Kept> {
        let mapping = mapping::current()?;
        let path = mapping.dir().join(format!("{}.{number:08}.attached", mapping.id()));
        match fs::rename(&self.0, &path) {
            Ok(()) => Some(Kept(path)),
            Err(_) => {
                ERRORS.fetch_add(1, Relaxed);
                None
            }
        }
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        // Not there any more once it has its number.
        let _ = fs::remove_file(&self.0);
    }
}

impl Kept {
    /// It is sealed, and that is written down.
    pub(crate) fn remove(self) {
        // One that cannot be removed has a number that says so.
        let _ = fs::remove_file(self.0);
    }
}

/// A file that was found: its number and, where it is whole, what it holds.
#[derive(Debug)]
pub(crate) struct Found {
    number: u64,
    /// What an attachment in a file that is not whole takes about.
    pub(crate) file_bytes: usize,
    pub(crate) attachment: Option<Attached<Vec<u8>>>,
}

/// The files of `id` in `dir` from number `from` on, in their order.
pub(crate) fn find(dir: &Path, id: &str, from: u64) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let number = name.strip_prefix(id).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".attached"));
        let Some(number) = number.and_then(|number| number.parse().ok()).filter(|number| *number >= from) else {
            continue;
        };
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut File::open(entry.path())?, &mut bytes)?;
        found.push(Found { number, file_bytes: bytes.len(), attachment: read(&bytes) });
    }
    found.sort_by_key(|found| found.number);
    Ok(found)
}

#[cfg(all(test, not(loom)))]
impl Found {
    pub(crate) fn of(file_bytes: usize, attachment: Option<Attached<Vec<u8>>>) -> Self {
        Self { number: 0, file_bytes, attachment }
    }
}

fn read(bytes: &[u8]) -> Option<Attached<Vec<u8>>> {
    let mut rest = bytes.strip_prefix(&MAGIC[..])?;
    let mut head = Bytes(next_frame(&mut rest)?);
    let mut attachment = Attached {
        number: head.number()?,
        site: head.short()?,
        thread: (head.text()?, head.number()?),
        ticks: head.number()?,
        name: head.text()?.into(),
        media_type: head.text()?.into(),
        bytes: Vec::new(),
    };
    let length = head.number()?;
    while let Some(piece) = next_frame(&mut rest) {
        attachment.bytes.extend_from_slice(piece);
    }
    (rest.is_empty() && attachment.bytes.len() as u64 == length).then_some(attachment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_is_read_as_it_was_written_and_a_part_of_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        for bytes in [0, 1, PIECE_BYTES, 2 * PIECE_BYTES + 1] {
            let written = Attached {
                number: 1,
                site: 2,
                thread: ("main".into(), 3),
                ticks: 4,
                name: "frame 569.png".into(),
                media_type: "image/png".into(),
                bytes: vec![5; bytes].into_boxed_slice(),
            };
            write_to(&dir.path().join("id.00000007.attached"), &written).unwrap();
            assert!(find(dir.path(), "id", 8).unwrap().is_empty());
            let found = find(dir.path(), "id", 7).unwrap();
            let read_back = found[0].attachment.as_ref().unwrap();
            assert_eq!((&read_back.name, read_back.ticks), (&written.name, 4));
            assert_eq!((read_back.thread.clone(), &read_back.bytes[..]), (written.thread, &written.bytes[..]));
            let whole = fs::read(dir.path().join("id.00000007.attached")).unwrap();
            for length in (0..whole.len().min(100)).chain([whole.len() - 1]) {
                assert_eq!(read(&whole[..length]), None, "{length} of {}", whole.len());
            }
        }
    }
}
