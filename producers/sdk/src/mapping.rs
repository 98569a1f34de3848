//! The file that threads' chunks and buffers live in where recording is crash-safe: what a thread stored there outlives its process.
//!
//! One file per process, made by the first crash-safe recording, mapped shared and never unmapped: threads keep pointers into it. It is locked as long as the
//! process lives; a file whose lock can be had is a dead process's ([`crate::recover`]). Its layout, all numbers in the machine's own order:
//! - one page of [`FileHeader`];
//! - `slots` pages, each a [`SlotHeader`] and behind it the buffer of a thread;
//! - `chunks` chunks of 64 KiB, as [`crate::chunk`] has them; pointers in them are to be taken relative to `base`;
//! - places for [`sums`], those of counters and behind them those of histograms.
//!
//! The file has its whole length from the begin, but on Unix no blocks: each page is written before it is in use, so a full disk is an error there and
//! not a signal in the middle of an event. On Windows a file has its blocks as soon as it has its length. Nothing is synced: what was stored outlives the process, not the machine. On a disk the system writes
//! changed pages back now and then, and the first store to a page after that is slower by a fault; on tmpfs it is not.

pub(crate) mod sums;

use crate::chunk::CHUNK_BYTES;
use crossbeam_queue::ArrayQueue;
use framelake_wire::ProcessId;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Relaxed, Release},
};

/// Page of the header and of a slot; chunks are aligned to it.
pub(crate) const PAGE: usize = 4096;
/// What a file of this layout begins with.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"FLCRASH2");
/// Where a buffer begins in its slot.
pub(crate) const BUFFER_AT: usize = 512;
/// Longest name of a thread in a slot; longer ones are cut.
pub(crate) const NAME_BYTES_MAX: usize = BUFFER_AT - 24;
/// Threads that may record at once beside one for each chunk: those that ended and were not yet drained hold a place too.
const SLOTS_MORE: usize = 256;

/// Recording; what lies beyond the last commit is to be recovered.
pub(crate) const LIVE: u32 = 1;
/// Ended in order: only blocks of the journal may be left.
pub(crate) const ENDED: u32 = 2;
/// A commit failed, so positions are older than what was sent: nothing may be read beyond them before one succeeds.
pub(crate) const BROKEN: u32 = 3;

/// The first page.
#[repr(C)]
pub(crate) struct FileHeader {
    /// [`MAGIC`], once the rest is written.
    pub(crate) magic: AtomicU64,
    /// [`LIVE`], [`ENDED`] or [`BROKEN`].
    pub(crate) state: AtomicU32,
    pub(crate) slots: u32,
    pub(crate) chunks: u32,
    pub(crate) lost_count: u32,
    /// Where the file was mapped.
    pub(crate) base: u64,
    /// Where fields of a buffer are, from its begin: [`crate::buffer::Buffer`] may change from build to build.
    pub(crate) cursor_at: u32,
    pub(crate) first_at: u32,
    pub(crate) lost_at: u32,
    /// Buckets of a histogram.
    pub(crate) buckets: u32,
    /// Parts of attachments that found no room, of this recording.
    pub(crate) attachments_lost: AtomicU64,
}

/// The begin of a slot.
#[repr(C)]
pub(crate) struct SlotHeader {
    /// Which of all buffers of the process this is, from 1; 0 where there is none.
    pub(crate) incarnation: AtomicU64,
    /// The operating system's number of the thread.
    pub(crate) number: u64,
    pub(crate) name_bytes: u64,
    pub(crate) name: [u8; NAME_BYTES_MAX],
}

const _: () = assert!(size_of::<SlotHeader>() == BUFFER_AT && size_of::<FileHeader>() <= PAGE);

/// Where the chunks begin in a file of so many slots.
pub(crate) const fn chunks_at(slots: usize) -> usize {
    (1 + slots) * PAGE
}

/// Where the sums begin in a file of so many slots and chunks.
pub(crate) const fn sums_at(slots: usize, chunks: usize) -> usize {
    chunks_at(slots) + chunks * CHUNK_BYTES
}

/// The mapped file.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
    file: File,
    /// Locked until the process ends. Opened apart from `file`: a mapping keeps its file open, in forked children too.
    lock: File,
    path: PathBuf,
    id: String,
    slots: usize,
    chunks: usize,
    chunks_taken: AtomicU32,
    /// Chunks for which the disk had no room.
    spare_chunks: ArrayQueue<u32>,
    sums: sums::Places,
    slots_taken: AtomicU32,
    free_slots: ArrayQueue<u32>,
    incarnations: AtomicU64,
    /// The file is another process's: nothing more is taken of it.
    detached: AtomicBool,
}

// SAFETY: the memory is handed out slot by slot and chunk by chunk, each to one holder; the header is atomic where it changes.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

static MAPPING: OnceLock<Mapping> = OnceLock::new();

/// The file of this process, if it has one.
pub(crate) fn current() -> Option<&'static Mapping> {
    MAPPING.get()
}

/// The file of this process, made in `dir` where there is none yet. A later recording goes on with the first one's, wherever that is.
pub(crate) fn open(dir: &Path, chunks: usize, layout: Layout) -> io::Result<&'static Mapping> {
    if let Some(mapping) = MAPPING.get() {
        return Ok(mapping);
    }
    let mapping = Mapping::create(dir, chunks, layout)?;
    Ok(MAPPING.get_or_init(|| mapping))
}

/// Where fields of a buffer are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) cursor_at: usize,
    pub(crate) first_at: usize,
    pub(crate) lost_at: usize,
    pub(crate) lost_count: usize,
    /// Buckets of a histogram.
    pub(crate) buckets: usize,
}

/// A slot that a buffer may be put into.
pub(crate) struct Slot {
    pub(crate) number: u32,
    pub(crate) place: NonNull<u8>,
}

impl Mapping {
    fn create(dir: &Path, chunks: usize, layout: Layout) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        // What programs log is not for everybody who shares the machine.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir)?;
        let (id, path, lock) = loop {
            let id = ProcessId::now_v7().to_string();
            let path = dir.join(format!("{id}.crash"));
            let lock = create_new(&path)?;
            // Between the two, somebody who looks for files of the dead may take this for one, and remove it: then another id.
            match lock.try_lock() {
                Ok(()) if path.try_exists()? => break (id, path, lock),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    let _ = fs::remove_file(&path);
                    return Err(error);
                }
            }
        };
        let slots = chunks + SLOTS_MORE;
        let sums_at = sums_at(slots, chunks);
        let bytes = sums_at + sums::bytes(layout.buckets);
        let mapped = OpenOptions::new().read(true).write(true).open(&path).and_then(|file| {
            file.set_len(bytes as u64)?;
            reserve(&file, 0, PAGE)?;
            Ok((map(&file, bytes)?, file))
        });
        let (base, file) = mapped.inspect_err(|_| drop(fs::remove_file(&path)))?;
        let header = FileHeader {
            magic: AtomicU64::new(0),
            state: AtomicU32::new(ENDED),
            slots: slots as u32,
            chunks: chunks as u32,
            lost_count: layout.lost_count as u32,
            base: base.as_ptr() as u64,
            cursor_at: layout.cursor_at as u32,
            first_at: layout.first_at as u32,
            lost_at: layout.lost_at as u32,
            buckets: layout.buckets as u32,
            attachments_lost: AtomicU64::new(0),
        };
        let mapping = Self {
            base,
            bytes,
            file,
            lock,
            path,
            id,
            slots,
            chunks,
            spare_chunks: ArrayQueue::new(chunks),
            sums: sums::Places::new(sums_at, layout.buckets),
            chunks_taken: AtomicU32::new(0),
            slots_taken: AtomicU32::new(0),
            free_slots: ArrayQueue::new(slots),
            incarnations: AtomicU64::new(0),
            detached: AtomicBool::new(false),
        };
        // SAFETY: the first page is ours alone, and a header fits into it.
        unsafe { base.cast::<FileHeader>().write(header) };
        mapping.header().magic.store(MAGIC, Release);
        Ok(mapping)
    }

    fn header(&self) -> &FileHeader {
        // SAFETY: it was written in `create` before anybody could call this; what changes is atomic.
        unsafe { self.base.cast().as_ref() }
    }

    /// Says what is to be recovered: [`LIVE`], [`ENDED`] or [`BROKEN`].
    pub(crate) fn set_state(&self, state: u32) {
        self.header().state.store(state, Release);
    }

    pub(crate) fn is_live(&self) -> bool {
        self.header().state.load(Relaxed) == LIVE
    }

    /// Says how many parts of attachments found no room.
    pub(crate) fn set_attachments_lost(&self, parts: u64) {
        if !self.detached.load(Relaxed) {
            self.header().attachments_lost.store(parts, Relaxed);
        }
    }

    /// The name that all files of this process begin with.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The directory of the file.
    pub(crate) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Whether [`Mapping::chunk`] may have one.
    pub(crate) fn has_chunks(&self) -> bool {
        (self.chunks_taken.load(Relaxed) as usize) < self.chunks || !self.spare_chunks.is_empty()
    }

    /// A chunk that was never given out, every page of it touched; `None` when all were, or the disk has no room.
    pub(crate) fn chunk(&self) -> Option<NonNull<u8>> {
        if self.detached.load(Relaxed) {
            return None;
        }
        let number = self.spare_chunks.pop().or_else(|| next(&self.chunks_taken, self.chunks))?;
        let at = chunks_at(self.slots) + number as usize * CHUNK_BYTES;
        if reserve(&self.file, at, CHUNK_BYTES).is_err() {
            let _ = self.spare_chunks.push(number);
            return None;
        }
        // SAFETY: within the mapping, and given out once: ours alone.
        unsafe {
            let chunk = self.base.add(at);
            chunk.write_bytes(0, CHUNK_BYTES);
            Some(chunk)
        }
    }

    /// Which chunk of the file that is; `None` for one on the heap.
    pub(crate) fn chunk_number(&self, chunk: *const u8) -> Option<u32> {
        let at = (chunk as usize).checked_sub(self.base.as_ptr() as usize)?.checked_sub(chunks_at(self.slots))?;
        (at < self.chunks * CHUNK_BYTES).then_some((at / CHUNK_BYTES) as u32)
    }

    /// A slot for the buffer of a thread; `None` when all are taken, or the disk has no room.
    pub(crate) fn slot(&self) -> Option<Slot> {
        if self.detached.load(Relaxed) {
            return None;
        }
        let number = match self.free_slots.pop() {
            Some(number) => number,
            None => {
                let number = next(&self.slots_taken, self.slots)?;
                reserve(&self.file, (1 + number as usize) * PAGE, PAGE).ok()?;
                number
            }
        };
        // SAFETY: within the mapping.
        let place = unsafe { self.base.add((1 + number as usize) * PAGE + BUFFER_AT) };
        Some(Slot { number, place })
    }

    /// Makes the buffer in `slot` one to be recovered; returns its number among all buffers.
    pub(crate) fn occupy(&self, slot: u32, name: &str, number: u64) -> u64 {
        let incarnation = self.incarnations.fetch_add(1, Relaxed) + 1;
        let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
        let header = self.slot_header(slot);
        // SAFETY: the slot is the caller's alone, and nobody reads it in this process.
        unsafe {
            (&raw mut (*header).number).write(number);
            (&raw mut (*header).name_bytes).write(name.len() as u64);
            (&raw mut (*header).name).cast::<u8>().copy_from_nonoverlapping(name.as_ptr(), name.len());
            (*header).incarnation.store(incarnation, Release);
        }
        incarnation
    }

    /// Nothing in `slot` is to be recovered any more.
    pub(crate) fn vacate(&self, slot: u32) {
        // SAFETY: the slot is the caller's; the field is atomic.
        unsafe { (*self.slot_header(slot)).incarnation.store(0, Release) };
    }

    /// Gives a slot back whose buffer is gone.
    pub(crate) fn free_slot(&self, slot: u32) {
        let _ = self.free_slots.push(slot);
    }

    /// Which of all buffers of the process lies at `place`; `None` for one that is not in the mapping.
    pub(crate) fn incarnation(&self, place: *const u8) -> Option<u64> {
        let slot = (place as usize).checked_sub(self.base.as_ptr() as usize + PAGE)? / PAGE;
        // SAFETY: the slot is in the mapping; the field is atomic.
        (slot < self.slots).then(|| unsafe { (*self.slot_header(slot as u32)).incarnation.load(Relaxed) })
    }

    fn slot_header(&self, slot: u32) -> *mut SlotHeader {
        // SAFETY: within the mapping.
        unsafe { self.base.add((1 + slot as usize) * PAGE).cast().as_ptr() }
    }

    /// Makes the memory this process's alone and lets go of the file and its lock: in a child that was forked off. What its thread still stores (a
    /// span that ends) then harms nobody. Calls nothing that is not allowed there.
    pub(crate) fn detach(&self) {
        self.detached.store(true, Relaxed);
        detach(self.base, self.bytes, &self.file, &self.lock);
    }

    /// Removes the file's name, once nothing is to be recovered: at the end of the process.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn next(taken: &AtomicU32, max: usize) -> Option<u32> {
    taken.fetch_update(Relaxed, Relaxed, |taken| ((taken as usize) < max).then_some(taken + 1)).ok()
}

fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes sure that the disk has room for these bytes of the file, which are zero.
#[cfg(unix)]
fn reserve(file: &File, at: usize, bytes: usize) -> io::Result<()> {
    static ZEROS: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];
    // Written rather than allocated: that works on every file system.
    std::os::unix::fs::FileExt::write_all_at(file, &ZEROS[..bytes], at as u64)
}

/// It has since the file has its length.
#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "elsewhere it may have none")]
fn reserve(_: &File, _: usize, _: usize) -> io::Result<()> {
    Ok(())
}

/// Maps the file, shared and for good.
#[cfg(all(any(unix, windows), target_pointer_width = "64"))]
fn map(file: &File, bytes: usize) -> io::Result<NonNull<u8>> {
    let mapped = memmap2::MmapOptions::new().len(bytes).map_raw(file)?;
    let base = NonNull::new(mapped.as_mut_ptr());
    std::mem::forget(mapped);
    base.ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

#[cfg(not(all(any(unix, windows), target_pointer_width = "64")))]
fn map(_: &File, _: usize) -> io::Result<NonNull<u8>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// See [`Mapping::detach`].
#[cfg(all(unix, target_pointer_width = "64"))]
fn detach(base: NonNull<u8>, bytes: usize, file: &File, lock: &File) {
    use std::os::fd::AsRawFd;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
    // SAFETY: puts a private view of the same file in the place of our own mapping, which stays readable and writable; only the forked child sees that, where
    // no thread is left but this one. The descriptors are closed once: nothing in the child drops the files.
    unsafe {
        libc::mmap(base.as_ptr().cast(), bytes, protection, flags, file.as_raw_fd(), 0);
        libc::close(file.as_raw_fd());
        libc::close(lock.as_raw_fd());
    }
}

#[cfg(not(all(unix, target_pointer_width = "64")))]
fn detach(_: NonNull<u8>, _: usize, _: &File, _: &File) {}
