//! Attachments: files that a program hands over whole, such as a screenshot or a dump.
//!
//! Off the hot path: they wait, in order and bounded by bytes, behind a lock that is held for as long as it takes to copy what is handed over.
//! The background thread cuts them into parts and seals those. What finds no room is not recorded; the caller is told, and it is counted as
//! dropped where it would have stood.

use crate::clock::{self, OFF};
use crate::dictionary::Dictionary;
use crate::site::CallSite;
use crate::stream::{Outlet, Stream};
use crate::thread::{self, Busy};
use crate::wake;
use framelake_wire::StreamKind;
use framelake_wire::encode::{Attachment, AttachmentEncoder, SiteId, ThreadId};
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
/// The bytes wait in memory until the next drain; a `Vec` is taken over, a slice is copied. Never waits for the network. Works from any thread,
/// though not in a signal handler.
///
/// ```no_run
/// # fn screenshot() -> Vec<u8> { Vec::new() }
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
    let (buffer, site) = (thread::registered(), SITE.id(clock).map(|id| SiteId(id as u32 - 1)));
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
    let thread = (buffer.name.clone(), buffer.number);
    let bytes = bytes.into().into_boxed_slice();
    let waiting = Waiting { number, site, thread, ticks, name, media_type, bytes, held_bytes };
    queue.entries.push_back(Entry::Taken(waiting));
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
    *queue() = Queue { is_open: true, bytes_max, ..Queue::closed() };
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
}

/// What comes next in the stream.
enum Entry {
    Taken(Waiting),
    /// So many parts found no room.
    Lost(u64),
}

/// An attachment that waits to be sealed.
struct Waiting {
    number: u64,
    site: SiteId,
    /// Name and number of the thread that handed it over.
    thread: (String, u64),
    ticks: u64,
    name: Box<str>,
    media_type: Box<str>,
    bytes: Box<[u8]>,
    held_bytes: usize,
}

impl Queue {
    const fn closed() -> Self {
        Self { is_open: false, bytes_max: 0, entries: VecDeque::new(), held_bytes: 0, next_number: 0 }
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
}

/// The stream of attachments, as the background thread keeps it.
pub(crate) struct Attachments {
    pub(crate) stream: Stream<AttachmentEncoder>,
    taken: VecDeque<Entry>,
    /// Numbers of the threads of those taken, one each.
    threads: VecDeque<ThreadId>,
    /// Numbers that nothing names any more.
    sealed_threads: Vec<ThreadId>,
}

impl Attachments {
    pub(crate) fn new() -> Self {
        Self {
            stream: Stream::new(StreamKind::ATTACHMENT, AttachmentEncoder::new(), None),
            taken: VecDeque::new(),
            threads: VecDeque::new(),
            sealed_threads: Vec::new(),
        }
    }

    /// Takes what waits. Call it before the sample that it must be older than.
    pub(crate) fn take(&mut self, dictionary: &mut Dictionary) {
        for thread in self.sealed_threads.drain(..) {
            dictionary.remove_thread(thread);
        }
        self.taken.append(&mut queue().entries);
        for entry in &self.taken {
            if let Entry::Taken(Waiting { thread: (name, number), .. }) = entry {
                self.threads.push_back(dictionary.add_thread(name, *number));
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
            let Waiting { number, site, ticks, name, media_type, bytes, held_bytes, .. } = waiting;
            let attachment = Attachment { number, name: Some(&name), media_type: &media_type, bytes: &bytes };
            for part in 0..Attachment::parts(bytes.len()) {
                if !self.stream.encoder.has_room(bytes.len()) {
                    self.stream.seal(outlet);
                }
                self.stream.encoder.push(site, thread, ticks, &attachment, part);
            }
            self.sealed_threads.push(thread);
            drop(bytes);
            let mut queue = queue();
            queue.held_bytes = queue.held_bytes.saturating_sub(held_bytes);
        }
        self.stream.seal(outlet);
    }
}
