//! Records on disk, where they wait for the server when memory has no room for them.
//!
//! What waits is kept by class, as in the [`Queue`](crate::Queue): files of one class hold its oldest records, memory the newer ones. A file is
//! written once from front to end, read once from front to end, and removed when the server keeps all its records; nothing is ever
//! changed in place. After a crash the files stay, and the next program that uses the directory takes over those of processes that are gone.
//!
//! Order within a class holds but for what was in flight at the end of a program: that is written last.
//!
//! Not synced: what was written outlives the program, not the machine. Only the sending thread reads and writes here.

pub(crate) mod files;
pub(crate) mod segment;

use crate::queue::{ATTACHMENTS, CLASSES, PROCESSES};
use crate::{Outgoing, Rows};
use files::{Found, Owner};
use framelake_wire::{StreamId, batch};
use segment::Next;
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Large enough that files are few (64 for the default budget), small enough that one removed for a new one is no great loss.
const SEGMENT_BYTES_MAX: u64 = 8 * 1024 * 1024;
const SEGMENT_BYTES_MIN: u64 = 64 * 1024;
/// A small budget has this many files at least, so that making room costs no more than such a part of it.
const SEGMENTS_MIN: u64 = 8;
/// Bytes encoded for one write.
const WRITE_BYTES: usize = 1024 * 1024;

/// Where records go that memory has no room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The directory; made when it is first needed. Several processes may share it.
    pub dir: PathBuf,
    /// The most bytes that this process keeps there, those taken over from earlier runs included.
    pub bytes_max: u64,
}

impl Options {
    /// 512 MiB: three hours of 10,000 events a second at 4 to 5 bytes each.
    pub const BYTES_MAX: u64 = 512 * 1024 * 1024;
}

/// The records on disk that belong to this process.
#[derive(Debug)]
pub(crate) struct Spool {
    options: Options,
    segment_bytes_max: u64,
    /// Made with the first file.
    own: Option<Arc<Owner>>,
    /// Those with files that cannot be read now, or by this version.
    left_alone: Vec<Arc<Owner>>,
    classes: [VecDeque<Segment>; CLASSES],
    /// The file at the end of each class, while it is being written.
    open: [Option<File>; CLASSES],
    /// The segment at the front of this class has records in flight.
    reading: Option<usize>,
    next_number: u64,
    bytes: u64,
    process_written: bool,
}

#[derive(Debug)]
struct Segment {
    owner: Arc<Owner>,
    own: bool,
    path: PathBuf,
    /// Of whole records and what stands before them; a failed write may have left more.
    bytes: u64,
    read_at: u64,
    in_flight: u64,
    /// Not yet in flight.
    records_left: u64,
    rows_left: BTreeMap<StreamId, u64>,
}

/// What is on disk and not known to be kept by the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) bytes: u64,
    pub(crate) records: u64,
}

/// What went with files that were removed before they were read, or could not be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) rows: Vec<Rows>,
    /// Records of earlier runs: their rows are none of this process's.
    pub(crate) recovered_records: u64,
}

/// What became of records to be written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// So many are on disk, from the first on.
    pub(crate) records: usize,
    pub(crate) bytes: u64,
    /// What had to go for them.
    pub(crate) lost: Lost,
    /// Why the others are not. Without one there is no room for them.
    pub(crate) error: Option<io::Error>,
}

/// Records read back; in flight until [`Spool::done`].
#[derive(Debug, Default)]
pub(crate) struct ReadBack {
    pub(crate) records: Vec<Outgoing>,
    /// They are an earlier run's.
    pub(crate) recovered: bool,
    /// What turned out to be unreadable for good.
    pub(crate) lost: Lost,
    /// Why nothing can be read now.
    pub(crate) error: Option<io::Error>,
}

/// What a look for files of earlier runs brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TakenOver {
    pub(crate) records: u64,
    /// Bytes at the ends of files that are no whole record.
    pub(crate) torn_bytes: u64,
    /// Files that could not be read.
    pub(crate) errors: u64,
    /// Processes that live.
    pub(crate) busy: u64,
}

/// What of this process's own is on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rest {
    pub(crate) records: u64,
    /// Of the records that are not in flight.
    pub(crate) rows: u64,
}

impl Spool {
    /// A spool that has touched nothing yet.
    pub(crate) fn new(options: Options) -> Self {
        let part = (options.bytes_max / SEGMENTS_MIN).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        let segment_bytes_max = part.min(options.bytes_max);
        Self {
            options,
            segment_bytes_max,
            own: None,
            left_alone: Vec::new(),
            classes: Default::default(),
            open: Default::default(),
            reading: None,
            next_number: 0,
            bytes: 0,
            process_written: false,
        }
    }

    /// Takes over the files of processes that are gone. To be called first, so that theirs are the oldest.
    pub(crate) fn take_over(&mut self) -> io::Result<TakenOver> {
        let taken = files::take_over(&self.options.dir)?;
        let mut counts = TakenOver { busy: taken.busy, ..TakenOver::default() };
        for (owner, found) in taken.owners {
            let owner = Arc::new(owner);
            for file in found {
                match scan(&owner, &file) {
                    Ok(Scan::Records { segment, torn_bytes }) => {
                        counts.records += segment.records_left;
                        counts.torn_bytes += torn_bytes;
                        self.bytes += segment.bytes;
                        if segment.records_left > 0 {
                            self.classes[file.class].push_back(segment);
                        } else {
                            self.remove(segment);
                        }
                    }
                    Ok(Scan::Unknown) => self.left_alone.push(owner.clone()),
                    Err(_) => {
                        counts.errors += 1;
                        self.left_alone.push(owner.clone());
                    }
                }
            }
            release(owner);
        }
        Ok(counts)
    }

    /// Writes `records` of `class`, the oldest first. Where the budget is used up, the oldest files of the cheapest class go for them, as long as
    /// that is not dearer than `class`.
    pub(crate) fn write(&mut self, class: usize, records: &[Outgoing]) -> Written {
        let mut written = Written::default();
        while written.records < records.len() {
            match self.write_some(class, &records[written.records..], &mut written) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    written.error = Some(error);
                    break;
                }
            }
        }
        written
    }

    /// Whether the process that the records on disk belong to is not yet described there.
    pub(crate) fn needs_process(&self) -> bool {
        !self.process_written || !self.classes.iter().flatten().any(|segment| segment.own)
    }

    /// The dearest class that has records to be read.
    pub(crate) fn first_class(&self) -> Option<usize> {
        // A front whose records are all in flight is gone when they are done, and until then nobody asks.
        self.classes.iter().position(|class| class.iter().any(|segment| segment.records_left > 0))
    }

    /// Reads the oldest records of `class` back: at most `bytes_max` as a batch, but at least one where there is one.
    pub(crate) fn read(&mut self, class: usize, bytes_max: usize) -> ReadBack {
        assert!(self.reading.is_none(), "one batch at a time");
        let mut back = ReadBack::default();
        let Some(segment) = self.classes[class].front_mut() else { return back };
        back.recovered = !segment.own;
        match segment.read(bytes_max) {
            Ok((records, whole)) => {
                back.records = records;
                for record in &mut back.records {
                    record.is_attachment = class == ATTACHMENTS;
                }
                if !whole {
                    segment.lose(&mut back.lost);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => segment.lose(&mut back.lost),
            Err(error) => back.error = Some(error),
        }
        if segment.in_flight > 0 {
            self.reading = Some(class);
        } else if segment.records_left == 0 {
            self.remove_front(class);
        }
        back
    }

    /// The first `records` of those in flight reached their end. A file whose last ones they were is removed.
    pub(crate) fn done(&mut self, records: usize) {
        let Some(class) = self.reading else { return };
        let segment = self.classes[class].front_mut().expect("what is being read is not removed");
        segment.in_flight -= records as u64;
        if segment.in_flight > 0 {
            return;
        }
        self.reading = None;
        if segment.records_left == 0 {
            self.remove_front(class);
        }
    }

    /// What is on disk.
    pub(crate) fn held(&self) -> Held {
        let records = self.classes.iter().flatten().map(Segment::records).sum();
        Held { bytes: self.bytes, records }
    }

    /// What of this process's own is on disk.
    pub(crate) fn rest(&self) -> Rest {
        let own = self.classes.iter().flatten().filter(|segment| segment.own);
        own.fold(Rest::default(), |rest, segment| Rest {
            records: rest.records + segment.records(),
            rows: rest.rows + segment.rows_left.values().sum::<u64>(),
        })
    }

    /// Writes what one file takes; `false` when there is no room.
    fn write_some(&mut self, class: usize, records: &[Outgoing], written: &mut Written) -> io::Result<bool> {
        let room = |bytes: u64| self.segment_bytes_max.saturating_sub(bytes);
        let goes_on = self.open[class].is_some()
            && self.classes[class].back().is_some_and(|last| segment::record_bytes(&records[0]) <= room(last.bytes));
        let begun = self.classes[class].back().filter(|_| goes_on);
        let mut left = room(begun.map_or(segment::MAGIC.len() as u64, |last| last.bytes));
        let mut buffer = Vec::new();
        let mut count = 0;
        for record in records {
            let bytes = segment::record_bytes(record);
            if count > 0 && (bytes > left || buffer.len() as u64 + bytes > WRITE_BYTES as u64) {
                break;
            }
            segment::push(&mut buffer, record);
            left = left.saturating_sub(bytes);
            count += 1;
        }
        if !self.make_room(buffer.len() + segment::MAGIC.len(), class, &mut written.lost) {
            return Ok(false);
        }
        // Making room may have taken the file that was being written.
        if !goes_on || self.open[class].is_none() {
            self.begin(class)?;
        }
        let file = self.open[class].as_mut().expect("it was opened");
        let segment = self.classes[class].back_mut().expect("it was begun");
        if let Err(error) = file.write_all(&buffer) {
            // Where that fails too, the index knows how much counts, and after a crash the checksums do.
            let _ = file.set_len(segment.bytes);
            self.open[class] = None;
            if segment.records() == 0 {
                let segment = self.classes[class].pop_back().expect("it is there");
                self.remove(segment);
            }
            return Err(error);
        }
        segment.bytes += buffer.len() as u64;
        self.bytes += buffer.len() as u64;
        for record in &records[..count] {
            segment.records_left += 1;
            if let Some(rows) = record.rows {
                *segment.rows_left.entry(rows.stream_id).or_default() += rows.count;
            }
        }
        self.process_written |= class == PROCESSES;
        written.records += count;
        written.bytes += buffer.len() as u64;
        Ok(true)
    }

    /// Begins a file at the end of `class`.
    fn begin(&mut self, class: usize) -> io::Result<()> {
        self.open[class] = None;
        // Somebody may have cleared the directory: what is written there now needs a lock that others see.
        if self.own.as_ref().is_none_or(|own| !own.is_there()) {
            self.own = Some(Arc::new(Owner::create(&self.options.dir)?));
        }
        let owner = self.own.clone().expect("just made");
        let path = owner.segment_path(class, self.next_number);
        self.next_number += 1;
        let mut file = files::create_new(&path)?;
        if let Err(error) = file.write_all(&segment::MAGIC) {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        self.bytes += segment::MAGIC.len() as u64;
        self.classes[class].push_back(Segment::new(owner, true, path));
        self.open[class] = Some(file);
        Ok(())
    }

    /// Removes files until `bytes` more fit; `false` when only such are left as are dearer than `class` or in flight.
    fn make_room(&mut self, bytes: usize, class: usize, lost: &mut Lost) -> bool {
        while self.bytes + bytes as u64 > self.options.bytes_max {
            let lowest = class.max(PROCESSES + 1);
            let victim = (lowest..CLASSES).rev().find_map(|class| {
                let at = self.classes[class].iter().position(|segment| segment.in_flight == 0)?;
                Some((class, at))
            });
            let Some((class, at)) = victim else { return false };
            let mut segment = self.classes[class].remove(at).expect("it was found there");
            if at == self.classes[class].len() {
                self.open[class] = None;
            }
            segment.lose(lost);
            self.remove(segment);
        }
        true
    }

    fn remove_front(&mut self, class: usize) {
        let segment = self.classes[class].pop_front().expect("the class has a front");
        if self.classes[class].is_empty() {
            self.open[class] = None;
        }
        self.remove(segment);
    }

    fn remove(&mut self, segment: Segment) {
        self.bytes -= segment.bytes;
        // A file that cannot be removed is found by the next run, and its records are sent again: block ids make that safe.
        let _ = fs::remove_file(&segment.path);
        release(segment.owner);
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.open = Default::default();
        for segment in self.classes.iter_mut().flat_map(|class| class.drain(..)) {
            // Their owner's lock stays with them.
            self.left_alone.push(segment.owner);
        }
        if let Some(own) = self.own.take() {
            release(own);
        }
    }
}

/// Removes the lock of an owner nobody else holds: none of its files is left.
fn release(owner: Arc<Owner>) {
    if let Ok(owner) = Arc::try_unwrap(owner) {
        owner.remove();
    }
}

impl Segment {
    fn new(owner: Arc<Owner>, own: bool, path: PathBuf) -> Self {
        let bytes = segment::MAGIC.len() as u64;
        Self { owner, own, path, bytes, read_at: bytes, in_flight: 0, records_left: 0, rows_left: BTreeMap::new() }
    }

    fn records(&self) -> u64 {
        self.records_left + self.in_flight
    }

    /// The next records, now in flight; `false` when what follows is not what was written.
    fn read(&mut self, bytes_max: usize) -> io::Result<(Vec<Outgoing>, bool)> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.read_at))?;
        let mut input = BufReader::new(file);
        let mut records = Vec::new();
        let mut bytes = 0;
        while self.records_left > 0 {
            let record = match segment::next(&mut input, self.bytes - self.read_at) {
                Ok(Next::Record(record)) => record,
                Ok(Next::End | Next::Torn) => return Ok((records, false)),
                // What was read is good; the error comes again with the next call.
                Err(_) if !records.is_empty() => break,
                Err(error) => return Err(error),
            };
            bytes += batch::entry_bytes(record.topic.name(), record.bytes.len());
            if bytes > bytes_max && !records.is_empty() {
                break;
            }
            self.read_at += segment::record_bytes(&record);
            self.records_left -= 1;
            self.in_flight += 1;
            if let Some(rows) = record.rows
                && let Some(left) = self.rows_left.get_mut(&rows.stream_id)
            {
                *left = left.saturating_sub(rows.count);
            }
            records.push(record);
        }
        Ok((records, true))
    }

    /// What is not in flight will not be sent.
    fn lose(&mut self, lost: &mut Lost) {
        let records = std::mem::take(&mut self.records_left);
        let rows = std::mem::take(&mut self.rows_left).into_iter().filter(|(_, count)| *count > 0);
        if self.own {
            lost.rows.extend(rows.map(|(stream_id, count)| Rows { stream_id, count }));
        } else {
            lost.recovered_records += records;
        }
    }
}

enum Scan {
    Records {
        segment: Segment,
        torn_bytes: u64,
    },
    /// Not of this version.
    Unknown,
}

/// Reads an earlier run's file through, and cuts off a torn tail.
fn scan(owner: &Arc<Owner>, found: &Found) -> io::Result<Scan> {
    let file = OpenOptions::new().read(true).write(true).open(&found.path)?;
    let length = file.metadata()?.len();
    let mut segment = Segment::new(owner.clone(), false, found.path.clone());
    let mut input = BufReader::new(&file);
    let mut magic = [0; segment::MAGIC.len()];
    if length < segment.bytes {
        segment.bytes = 0;
        return Ok(Scan::Records { segment, torn_bytes: length });
    }
    input.read_exact(&mut magic)?;
    if magic != segment::MAGIC {
        return Ok(Scan::Unknown);
    }
    while let Next::Record(record) = segment::next(&mut input, length - segment.bytes)? {
        segment.bytes += segment::record_bytes(&record);
        segment.records_left += 1;
        if let Some(rows) = record.rows {
            *segment.rows_left.entry(rows.stream_id).or_default() += rows.count;
        }
    }
    if segment.bytes < length {
        // Where it cannot be cut it is passed over all the same.
        let _ = file.set_len(segment.bytes);
    }
    let torn_bytes = length - segment.bytes;
    Ok(Scan::Records { segment, torn_bytes })
}
