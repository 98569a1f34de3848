//! Blocks on disk beside those in memory, so that the next run can send what a killed program had not sent.
//!
//! A [`Journal`] has files by class, as the [spool](crate::spool) does, in the same layout: `ID.NUMBER.CLASS.blocks`. Records are appended before they are
//! sent; a file goes when all its records reached their end, which their [`Hold`] tells. Within a class that happens about in order, so what lies on disk
//! is bounded by what the sender holds in memory and a file of each class.
//!
//! What counts is up to the owner: [`Journal::write`] returns [`Marks`], and whoever recovers the files passes the last ones that were noted down elsewhere.
//! Records beyond them were never handed to the sender. Beside them the owner notes which records are [gone](Journal::gone): those are not sent again, as
//! somebody counted them as lost, or they lie in the spool, from where they may yet be. Not synced: what was written outlives the program, not the machine.

use crate::queue::{ATTACHMENTS, CLASSES, class};
use crate::spool::files::{CLASS_NAMES, create_new};
use crate::spool::segment::{self, Next};
use crate::spool::{self, Spool};
use crate::{Hold, Outgoing, Place};
use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// Small: a file goes as a whole, and in each class one is kept for its youngest record.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// A file without records on their way is given up for a new one when it has so many bytes: seldom enough that making files costs nothing.
const FILE_BYTES_MIN: u64 = 128 * 1024;

/// How far the files of a journal count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks([Mark; CLASSES]);

/// In one class: files below `number` count whole, `number` up to `bytes`, those above not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    number: u64,
    bytes: u64,
}

impl Marks {
    /// Bytes of [`Marks::to_bytes`].
    pub const BYTES: usize = CLASSES * 16;

    /// The marks, to be noted down.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (mark, out) in self.0.iter().zip(bytes.chunks_exact_mut(16)) {
            out[..8].copy_from_slice(&mark.number.to_le_bytes());
            out[8..].copy_from_slice(&mark.bytes.to_le_bytes());
        }
        bytes
    }

    /// The marks that [`Marks::to_bytes`] wrote.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let (numbers, _) = bytes.as_chunks::<8>();
        let number = |index: usize| u64::from_le_bytes(numbers[index]);
        Self(std::array::from_fn(|class| Mark { number: number(2 * class), bytes: number(2 * class + 1) }))
    }
}

/// The files of one program.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    id: String,
    classes: [VecDeque<Part>; CLASSES],
    next_number: u64,
    marks: Marks,
}

/// A file.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    /// `None` when it is not written to any more.
    file: Option<File>,
    number: u64,
    bytes: u64,
    records: u32,
    /// Each record in it that is on its way has one.
    hold: Hold,
    /// Records in it that are not to be sent any more.
    gone: BTreeSet<u32>,
}

impl Journal {
    /// A journal in `dir`, which is there, under a name that nobody else has. Touches nothing yet.
    #[must_use]
    pub fn new(dir: &Path, id: &str) -> Self {
        let classes = Default::default();
        Self { dir: dir.to_owned(), id: id.to_owned(), classes, next_number: 1, marks: Marks::default() }
    }

    /// Appends `records` and gives them what tells their end. Where it fails those of some classes may be written, and none counts before they are noted.
    ///
    /// # Errors
    /// The disk does not take them.
    pub fn write(&mut self, records: &mut [Outgoing]) -> io::Result<Marks> {
        for class_to_write in 0..CLASSES {
            let mut buffer = Vec::new();
            for record in records.iter().filter(|record| class(record) == class_to_write) {
                segment::push(&mut buffer, record);
            }
            if buffer.is_empty() {
                continue;
            }
            let part = self.part(class_to_write)?;
            part.append(&buffer)?;
            for record in records.iter_mut().filter(|record| class(record) == class_to_write) {
                record.hold = part.hold.share(Place { number: part.number, index: part.records });
                part.records += 1;
            }
            self.marks.0[class_to_write] = Mark { number: part.number, bytes: part.bytes };
        }
        Ok(self.marks)
    }

    /// The records at `places` are not to be sent any more. That counts once [`Journal::gone`] is noted.
    pub fn forget(&mut self, places: &[Place]) {
        for place in places {
            // In a file that went there is nothing left to be sent.
            let part = self.classes.iter_mut().flatten().find(|part| part.number == place.number);
            if let Some(part) = part {
                part.gone.insert(place.index);
            }
        }
    }

    /// Records that are not to be sent any more, of the files that there are.
    #[must_use]
    pub fn gone(&self) -> Vec<Place> {
        let parts = self.classes.iter().flatten();
        parts.flat_map(|part| part.gone.iter().map(|index| Place { number: part.number, index: *index })).collect()
    }

    /// Removes the files whose records all reached their end.
    pub fn trim(&mut self) {
        for parts in &mut self.classes {
            if let Some(last) = parts.back_mut()
                && last.bytes >= FILE_BYTES_MIN
                && last.hold.is_alone()
            {
                last.file = None;
            }
            // Not the first ones alone: while the server is away one batch stays in flight, and those behind it are shed or go to the spool.
            parts.retain(|part| {
                let is_done = part.file.is_none() && part.hold.is_alone();
                // One that cannot be removed is kept in mind, with what is gone of it.
                !(is_done && is_removed(&part.path))
            });
        }
    }

    /// Bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.classes.iter().flatten().map(|part| part.bytes).sum()
    }

    /// Removes all files.
    pub fn remove(self) {
        for part in self.classes.iter().flatten() {
            let _ = fs::remove_file(&part.path);
        }
    }

    /// The file to append to.
    fn part(&mut self, class: usize) -> io::Result<&mut Part> {
        let parts = &mut self.classes[class];
        let goes_on = parts.back().is_some_and(|last| last.file.is_some() && last.bytes < FILE_BYTES_MAX);
        if !goes_on {
            if let Some(last) = parts.back_mut() {
                last.file = None;
            }
            let number = self.next_number;
            let path = self.dir.join(format!("{}.{number:08}.{}.blocks", self.id, CLASS_NAMES[class]));
            let mut file = create_new(&path)?;
            if let Err(error) = file.write_all(&segment::MAGIC) {
                let _ = fs::remove_file(&path);
                return Err(error);
            }
            self.next_number += 1;
            let bytes = segment::MAGIC.len() as u64;
            let (hold, gone) = (Hold::new(), BTreeSet::new());
            parts.push_back(Part { path, file: Some(file), number, bytes, records: 0, hold, gone });
        }
        Ok(parts.back_mut().expect("it goes on, or was just made"))
    }
}

fn is_removed(path: &Path) -> bool {
    fs::remove_file(path).map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |()| true)
}

impl Part {
    fn append(&mut self, buffer: &[u8]) -> io::Result<()> {
        let file = self.file.as_mut().expect("it is the one to append to");
        if let Err(error) = file.write_all(buffer) {
            // Nothing may stand between two records; where it cannot be cut off another file goes on.
            if file.set_len(self.bytes).is_err() {
                self.file = None;
            }
            return Err(error);
        }
        self.bytes += buffer.len() as u64;
        Ok(())
    }
}

/// What was found of a journal.
#[derive(Debug, Default)]
pub struct Found {
    /// The records that count, by class, the oldest of each first.
    pub records: Vec<Outgoing>,
    /// Files of which less can be read than counts.
    pub damaged: u64,
}

/// Reads what counts of the journal `id` in `dir`, but for what is `gone`.
///
/// # Errors
/// The directory cannot be read. What is wrong with single files is counted.
pub fn read(dir: &Path, id: &str, marks: Marks, gone: &[Place]) -> io::Result<Found> {
    let gone: BTreeSet<Place> = gone.iter().copied().collect();
    let mut parts = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Some((number, class)) = number_and_class(&name, id) else { continue };
        let Mark { number: last, bytes } = marks.0[class];
        if number <= last {
            parts.push((class, number, entry.path(), if number < last { u64::MAX } else { bytes }));
        }
    }
    parts.sort();
    let mut found = Found::default();
    for (class, number, path, bytes_max) in parts {
        let mut records = Vec::new();
        if !matches!(read_part(&path, bytes_max, &mut records), Ok(true)) {
            found.damaged += 1;
        }
        let left = (0..).zip(records).filter(|(index, _)| !gone.contains(&Place { number, index: *index }));
        found.records.extend(left.map(|(_, record)| Outgoing { is_attachment: class == ATTACHMENTS, ..record }));
    }
    Ok(found)
}

/// Reads the records of a file up to `bytes_max`; `false` when they end before.
fn read_part(path: &Path, bytes_max: u64, records: &mut Vec<Outgoing>) -> io::Result<bool> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut left = length.min(bytes_max);
    let mut input = BufReader::new(file);
    let mut magic = [0; segment::MAGIC.len()];
    if left < magic.len() as u64 {
        return Ok(false);
    }
    input.read_exact(&mut magic)?;
    left -= magic.len() as u64;
    if magic != segment::MAGIC {
        return Ok(false);
    }
    loop {
        match segment::next(&mut input, left)? {
            Next::Record(record) => {
                left -= segment::record_bytes(&record);
                records.push(record);
            }
            Next::End => return Ok(bytes_max == u64::MAX || length >= bytes_max),
            Next::Torn => return Ok(false),
        }
    }
}

fn number_and_class(name: &str, id: &str) -> Option<(u64, usize)> {
    let rest = name.strip_prefix(id)?.strip_prefix('.')?.strip_suffix(".blocks")?;
    let (number, class) = rest.split_once('.')?;
    let class = CLASS_NAMES.iter().position(|known| *known == class)?;
    Some((number.parse().ok()?, class))
}

/// Writes `records` to the file `path`, which is there whole or not at all.
///
/// # Errors
/// The disk does not take them.
pub fn write_file(path: &Path, records: &[Outgoing]) -> io::Result<()> {
    let mut buffer = segment::MAGIC.to_vec();
    for record in records {
        segment::push(&mut buffer, record);
    }
    let unfinished = path.with_extension("unfinished");
    let _ = fs::remove_file(&unfinished);
    create_new(&unfinished)?.write_all(&buffer)?;
    fs::rename(&unfinished, path)
}

/// Reads what [`write_file`] wrote; `None` where it is not there, or is not what was written.
///
/// # Errors
/// It cannot be read.
pub fn read_file(path: &Path) -> io::Result<Option<Vec<Outgoing>>> {
    let mut records = Vec::new();
    match read_part(path, u64::MAX, &mut records) {
        Ok(whole) => Ok(whole.then_some(records)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts `records` into the spool `dir`, as a program would that ends before it could send them: the next one that uses the directory does, or
/// [`recover`](fn@crate::recover). After an error some may be there; putting them in once more does no harm.
///
/// # Errors
/// The disk does not take them.
pub fn deposit(dir: &Path, records: &[Outgoing]) -> io::Result<()> {
    let mut spool = Spool::new(spool::Options { dir: dir.to_owned(), bytes_max: u64::MAX });
    for class_to_write in 0..CLASSES {
        let lot: Vec<Outgoing> = records.iter().filter(|record| class(record) == class_to_write).cloned().collect();
        if let Some(error) = spool.write(class_to_write, &lot).error {
            return Err(error);
        }
    }
    Ok(())
}

/// Appends `content` to `buffer` with its length and its checksum, so that [`next_frame`] finds out whether it is whole.
///
/// # Panics
/// A content of 4 GiB.
pub fn push_frame(buffer: &mut Vec<u8>, content: &[u8]) {
    let length = u32::try_from(content.len()).expect("less than 4 GiB");
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(&crc32c::crc32c(content).to_le_bytes());
    buffer.extend_from_slice(content);
}

/// Takes the next content off the front of `bytes`; `None` where none is whole.
#[must_use]
pub fn next_frame<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let (content, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    if crc32c::crc32c(content) != u32::from_le_bytes(*checksum) {
        return None;
    }
    *bytes = rest;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rows;
    use framelake_wire::{ProcessId, StreamId, Topic};

    fn record(topic: Topic, number: u8, bytes: usize) -> Outgoing {
        let rows = Some(Rows { stream_id: StreamId::from_bytes([2; 16]), count: 1 });
        Outgoing {
            topic,
            is_attachment: false,
            process_id: ProcessId::from_bytes([1; 16]),
            bytes: vec![number; bytes],
            rows,
            hold: Hold::default(),
        }
    }

    fn numbers(found: &Found) -> Vec<u8> {
        found.records.iter().map(|record| record.bytes[0]).collect()
    }

    #[test]
    fn what_was_not_noted_does_not_count_and_what_was_sent_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::new(dir.path(), "id");
        let mut first = [record(Topic::Spans, 1, 600_000), record(Topic::Logs, 2, 10)];
        let noted = journal.write(&mut first).unwrap();
        let mut second = [record(Topic::Spans, 3, 600_000), record(Topic::Logs, 4, 10)];
        let later = journal.write(&mut second).unwrap();
        let mut third = [record(Topic::Spans, 5, 600_000)];
        let last = journal.write(&mut third).unwrap();
        let read = |marks: Marks| read(dir.path(), "id", Marks::from_bytes(&marks.to_bytes()), &[]).unwrap();
        assert!(numbers(&read(Marks::default())).is_empty());
        assert_eq!(numbers(&read(noted)), [2, 1]);
        assert_eq!(numbers(&read(later)), [2, 4, 1, 3]);
        assert_eq!(numbers(&read(last)), [2, 4, 1, 3, 5]);
        assert_eq!(read(last).damaged, 0);

        // Spans 1 and 3 share a file, which goes when both are sent, and 5 before them when it is.
        drop(first);
        journal.trim();
        assert_eq!(numbers(&read(last)), [2, 4, 1, 3, 5]);
        drop(third);
        journal.trim();
        assert_eq!(numbers(&read(last)), [2, 4, 1, 3]);
        drop(second);
        journal.trim();
        assert_eq!(numbers(&read(last)), [2, 4]);
        journal.remove();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_file_gives_what_stands_before_the_damage() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::new(dir.path(), "id");
        let marks = journal.write(&mut [record(Topic::Logs, 1, 10), record(Topic::Logs, 2, 10)]).unwrap();
        let path = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let found = read(dir.path(), "id", marks, &[]).unwrap();
        assert_eq!((numbers(&found), found.damaged), (vec![1], 1));
    }

    #[test]
    fn what_is_gone_is_not_sent_again_and_needs_no_note_once_its_file_went() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::new(dir.path(), "id");
        let mut logs = [record(Topic::Logs, 1, 10), record(Topic::Logs, 2, 10)];
        let mut spans = [record(Topic::Spans, 3, 200_000), record(Topic::Spans, 4, 10)];
        journal.write(&mut logs).unwrap();
        journal.write(&mut spans).unwrap();
        let mut later = [record(Topic::Spans, 5, 10)];
        let marks = journal.write(&mut later).unwrap();
        let read = |gone: &[Place]| numbers(&read(dir.path(), "id", marks, gone).unwrap());
        // A copy knows its place, and keeps no file.
        let gone = [&logs[0], &spans[1], &later[0]].map(|record| record.clone().hold.place().unwrap());
        journal.forget(&gone);
        assert_eq!((read(&[]), read(&journal.gone())), (vec![1, 2, 3, 4, 5], vec![2, 3]));
        drop((spans, later));
        journal.trim();
        assert_eq!((journal.gone(), read(&journal.gone())), (vec![gone[0]], vec![2]));
        journal.forget(&gone);
        assert_eq!(journal.gone(), [gone[0]]);
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("id.cut");
        assert_eq!(read_file(&path).unwrap(), None);
        let records = [record(Topic::Logs, 1, 10), record(Topic::Spans, 2, 10)];
        write_file(&path, &records).unwrap();
        assert_eq!(read_file(&path).unwrap().unwrap(), records);
    }

    #[test]
    fn a_frame_that_is_cut_or_changed_is_none() {
        let mut bytes = Vec::new();
        push_frame(&mut bytes, b"first");
        push_frame(&mut bytes, b"");
        let mut rest = &bytes[..];
        assert_eq!((next_frame(&mut rest), next_frame(&mut rest)), (Some(&b"first"[..]), Some(&b""[..])));
        assert_eq!(next_frame(&mut rest), None);
        for at in 0..13 {
            assert_eq!(next_frame(&mut &bytes[..at]), None, "cut at {at}");
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            assert_eq!(next_frame(&mut &flipped[..]), None, "flipped at {at}");
        }
    }
}
