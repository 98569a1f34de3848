//! Attachments: files that a program hands over whole, such as a screenshot or a dump.
//!
//! Off the hot path: they wait, in order and bounded by bytes, behind a lock that is held for as long as it takes to copy what is handed over.
//! The background thread cuts them into parts and seals those. What finds no room is not recorded; the caller is told, and it is counted as
//! dropped where it would have stood. Where recording is crash-safe they lie on disk before the caller goes on.

use crate::clock::{self, OFF};
use crate::crash::attached::{self, Attached, Kept};
use crate::dictionary::Dictionary;
use crate::mapping;
use crate::site::CallSite;
use crate::stream::{Outlet, Stream};
use crate::thread::{self, Busy};
use crate::wake;
use framelake_wire::StreamKind;
use framelake_wire::encode::{self, Attachment, AttachmentEncoder, SiteId, ThreadId};
use framelake_wire::limits::{MEDIA_TYPE_BYTES_MAX, STRING_BYTES_MAX};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why an attachment was not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAttached {
    /// Nothing is recorded now, or the calling thread is past its end. It is not counted, as events are not.
    #[error("nothing is recorded now; call framelake::start first and keep its guard")]
    NotRecording,
    /// It is larger than attachments may be. It is counted as dropped.
    #[error(
        "an attachment of {bytes} bytes does not fit into {bytes_max}; raise Builder::attachment_budget, or memory_budget to eight times that"
    )]
    TooLarge {
        /// What it takes.
        bytes: usize,
        /// What may wait at once: [`Builder::attachment_budget`](crate::Builder::attachment_budget).
        bytes_max: usize,
    },
    /// Others wait to be sealed and leave no room. It is counted as dropped; a moment later there is room again.
    #[error(
        "an attachment of {bytes} bytes finds {waiting} of {bytes_max} taken by others; try again after the next drain"
    )]
    NoRoom {
        /// What it takes.
        bytes: usize,
        /// What the others take.
        waiting: usize,
        /// What may wait at once: [`Builder::attachment_budget`](crate::Builder::attachment_budget).
        bytes_max: usize,
    },
}

/// Bytes of bookkeeping that an attachment is charged with beside what it holds, so that those without bytes are bounded too. It is about what
/// [`Waiting`] takes, twice over for a queue that grows.
const BESIDE_BYTES: usize = 256;

/// Names are given at the call, so all attachments share a call site.
static SITE: CallSite = CallSite::span("attachment", "framelake", file!(), line!());
static QUEUE: Mutex<Queue> = Mutex::new(Queue::closed());

/// Records a file: its name, its media type (`image/png`), its bytes. Returns its number in this run, which is `attachments.attachment` in SQL.
///
/// The bytes wait in memory until the next drain; a `Vec` is taken over, a slice is copied. Never waits for the network, nor for a disk unless recording is
/// [crash-safe](crate::Builder::crash_safe): then they are written to a file first, so that the screenshot taken right before a crash is there after it. Works
/// from any thread, though not in a signal handler.
///
/// ```standalone_crate
/// # framelake::__private::example();
/// # let _framelake = framelake::start("my-game").unwrap();
/// # fn screenshot() -> Vec<u8> { vec![0; 16] }
/// let number = framelake::attach("frame 569.png", "image/png", screenshot())?;
/// framelake::warn!("frame 569 was late, see attachment {number}");
/// # Ok::<(), framelake::NotAttached>(())
/// ```
///
/// # Errors
/// It was not recorded: nothing is, or there is no room for it (see [`Builder::attachment_budget`](crate::Builder::attachment_budget)).
pub fn attach(
    name: impl Into<String>,
    media_type: impl Into<String>,
    bytes: impl AsRef<[u8]> + Into<Vec<u8>>,
) -> Result<u64, NotAttached> {
    let clock = clock::recording();
    if clock == OFF {
        return Err(NotAttached::NotRecording);
    }
    let ticks = clock::now(clock);
    // Both before the lock: neither may be had while the SDK is at work on this thread.
    let (buffer, site) = (thread::registered(), SITE.id(clock));
    let (Some(buffer), Some(site), Some(_busy)) = (buffer, site, Busy::enter()) else {
        thread::count_unattributed();
        return Err(NotAttached::NotRecording);
    };
    let (name, media_type) = (cut(name.into(), STRING_BYTES_MAX), cut(media_type.into(), MEDIA_TYPE_BYTES_MAX));
    let mut queue = queue();
    let held_bytes = bytes.as_ref().len() + name.len() + media_type.len() + buffer.name.len() + BESIDE_BYTES;
    let admitted = queue.admit(held_bytes, Attachment::parts(bytes.as_ref().len()));
    if admitted.is_err() || queue.held_bytes > queue.bytes_max / 2 {
        // So that a burst finds room again before the period is over.
        wake::wake();
    }
    let number = admitted?;
    let run = queue.run;
    let thread = (buffer.name.clone(), buffer.number);
    let bytes = bytes.into().into_boxed_slice();
    let attached = Attached { number, site: site as u32, thread, ticks, name, media_type, bytes };
    let mut file = None;
    if attached::is_open() {
        // Others wait for the lock: it is not held while the disk works.
        drop(queue);
        let written = attached::write(&attached);
        queue = self::queue();
        if !queue.is_open || queue.run != run {
            // The recording ended meanwhile.
            return Err(NotAttached::NotRecording);
        }
        file = written.and_then(|written| written.keep(queue.next_place));
    }
    queue.next_place += 1;
    queue.entries.push_back(Entry::Taken(Waiting { attached, held_bytes, file }));
    Ok(number)
}

fn cut(text: String, bytes_max: usize) -> Box<str> {
    let mut text = text;
    text.truncate(text.floor_char_boundary(bytes_max));
    text.into_boxed_str()
}

fn queue() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes attachments from now on, in a new stream: at most `bytes_max` bytes of them wait at once.
pub(crate) fn open(bytes_max: usize) {
    let mut queue = queue();
    let (run, next_place) = (queue.run + 1, queue.next_place);
    *queue = Queue { is_open: true, bytes_max, run, next_place, ..Queue::closed() };
    queue.tell_losses();
}

/// Takes no more. What waits is still there to be drained.
pub(crate) fn close() {
    queue().is_open = false;
}

/// What was handed over and is not sealed yet.
struct Queue {
    is_open: bool,
    bytes_max: usize,
    entries: VecDeque<Entry>,
    /// Bytes of the entries, and of those that are being sealed.
    held_bytes: usize,
    next_number: u64,
    /// Which recording of the process this is.
    run: u64,
    /// Which of all attachments of the process comes next, by the order in which they are sealed: that of their files.
    next_place: u64,
    /// Parts that found no room.
    lost: u64,
}

/// What comes next in the stream.
enum Entry {
    Taken(Waiting),
    /// So many parts found no room.
    Lost(u64),
}

/// An attachment that waits to be sealed.
struct Waiting {
    attached: Attached<Box<[u8]>>,
    held_bytes: usize,
    /// Where it lies until then.
    file: Option<Kept>,
}

impl Queue {
    const fn closed() -> Self {
        Self {
            is_open: false,
            bytes_max: 0,
            entries: VecDeque::new(),
            held_bytes: 0,
            next_number: 0,
            run: 0,
            next_place: 0,
            lost: 0,
        }
    }

    /// The number of an attachment that takes `bytes`, which are charged; where there is no room, its `parts` are counted as lost here.
    fn admit(&mut self, bytes: usize, parts: u32) -> Result<u64, NotAttached> {
        let &mut Self { bytes_max, held_bytes: waiting, next_number, .. } = self;
        if !self.is_open {
            return Err(NotAttached::NotRecording);
        }
        self.next_number += 1;
        if bytes <= bytes_max.saturating_sub(waiting) {
            self.held_bytes += bytes;
            return Ok(next_number);
        }
        self.lost += u64::from(parts);
        self.tell_losses();
        match self.entries.back_mut() {
            Some(Entry::Lost(lost)) => *lost += u64::from(parts),
            _ => self.entries.push_back(Entry::Lost(u64::from(parts))),
        }
        if bytes > bytes_max {
            Err(NotAttached::TooLarge { bytes, bytes_max })
        } else {
            Err(NotAttached::NoRoom { bytes, waiting, bytes_max })
        }
    }

    /// So that they are counted after a crash too.
    fn tell_losses(&self) {
        if attached::is_open()
            && let Some(mapping) = mapping::current()
        {
            mapping.set_attachments_lost(self.lost);
        }
    }
}

/// The stream of attachments, as the background thread keeps it.
pub(crate) struct Attachments {
    pub(crate) stream: Stream<AttachmentEncoder>,
    taken: VecDeque<Entry>,
    /// Numbers of the threads of those taken, one each.
    threads: VecDeque<ThreadId>,
    /// Numbers that nothing names any more.
    sealed_threads: Vec<ThreadId>,
    /// Files of those that were sealed.
    sealed_files: Vec<Kept>,
    /// Of all attachments of the process, how many were taken, and how many parts found no room until then.
    pub(crate) taken_to: u64,
    pub(crate) lost: u64,
}

impl Attachments {
    pub(crate) fn new() -> Self {
        Self {
            stream: Stream::new(StreamKind::ATTACHMENT, AttachmentEncoder::new(), None),
            taken: VecDeque::new(),
            threads: VecDeque::new(),
            sealed_threads: Vec::new(),
            sealed_files: Vec::new(),
            taken_to: queue().next_place,
            lost: 0,
        }
    }

    /// Takes what waits. Call it before the sample that it must be older than.
    pub(crate) fn take(&mut self, dictionary: &mut Dictionary) {
        for thread in self.sealed_threads.drain(..) {
            dictionary.remove_thread(thread);
        }
        let mut queue = queue();
        (self.taken_to, self.lost) = (queue.next_place, queue.lost);
        self.taken.append(&mut queue.entries);
        drop(queue);
        for entry in &self.taken {
            if let Entry::Taken(Waiting { attached, .. }) = entry {
                self.threads.push_back(dictionary.add_thread(&attached.thread.0, attached.thread.1));
            }
        }
    }

    /// Cuts what was taken into parts and seals them all.
    pub(crate) fn seal(&mut self, outlet: &mut Outlet<'_>) {
        for entry in self.taken.drain(..) {
            let waiting = match entry {
                Entry::Taken(waiting) => waiting,
                Entry::Lost(count) => {
                    self.stream.seal_full(outlet);
                    self.stream.encoder.dropped(count);
                    continue;
                }
            };
            let thread = self.threads.pop_front().expect("whoever was taken has a number for its thread");
            let Waiting { attached, held_bytes, file } = waiting;
            encode(&mut self.stream, SiteId(attached.site - 1), thread, &attached, outlet);
            self.sealed_threads.push(thread);
            self.sealed_files.extend(file);
            drop(attached);
            let mut queue = queue();
            queue.held_bytes = queue.held_bytes.saturating_sub(held_bytes);
        }
        self.stream.seal(outlet);
    }

    /// What was sealed is written down elsewhere, or need not be.
    pub(crate) fn settle(&mut self) {
        self.sealed_files.drain(..).for_each(Kept::remove);
    }
}

/// Encodes all parts of an attachment, in as many blocks as it takes.
pub(crate) fn encode<B: AsRef<[u8]>>(
    stream: &mut Stream<AttachmentEncoder>,
    site: SiteId,
    thread: ThreadId,
    attached: &Attached<B>,
    outlet: &mut Outlet<'_, impl encode::Dictionary>,
) {
    let Attached { number, ticks, name, media_type, bytes, .. } = attached;
    let bytes = bytes.as_ref();
    let attachment = Attachment { number: *number, name: Some(name), media_type, bytes };
    for part in 0..Attachment::parts(bytes.len()) {
        if !stream.encoder.has_room(bytes.len()) {
            stream.seal(outlet);
        }
        stream.encoder.push(site, thread, *ticks, &attachment, part);
    }
}
