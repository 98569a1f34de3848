//! Which buffer the calling thread writes to.

use crate::buffer::{Buffer, Handle};
use crossbeam_queue::SegQueue;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::LocalKey;

/// Stands for a thread that recorded nothing yet: it never has room, so the first event takes the slow path.
static UNREGISTERED: Buffer = Buffer::new(String::new(), 0);
/// Stands for a thread whose thread-locals are being destroyed.
static DEAD: Buffer = Buffer::new(String::new(), 0);

thread_local! {
    /// `const` and without a destructor: one load, no check.
    static CURRENT: Cell<&'static Buffer> = const { Cell::new(&UNREGISTERED) };
    /// Has the destructor that says that the thread ends.
    static OWNER: RefCell<Option<Owner>> = const { RefCell::new(None) };
    static BUSY: Cell<bool> = const { Cell::new(false) };
    /// The number of the next async span; what a thread's range has left is its low bits.
    static NEXT_ASYNC: Cell<u64> = const { Cell::new(0) };
    /// The number of the async span around what this thread does now; 0 where there is none.
    static CURRENT_ASYNC: Cell<u64> = const { Cell::new(0) };
}

/// Each thread takes this many numbers at once, so that they do not fight for the counter.
const ASYNC_RANGE: u64 = 1 << 16;
static ASYNC_RANGES: AtomicU64 = AtomicU64::new(0);

/// A number for an async span: unlike any other in this process, and not 0.
#[inline(always)]
pub(crate) fn next_async() -> u64 {
    let next = local(&NEXT_ASYNC) + 1;
    if next % ASYNC_RANGE == 1 {
        return next_range();
    }
    let _ = NEXT_ASYNC.try_with(|cell| cell.set(next));
    next
}

#[cold]
#[inline(never)]
fn next_range() -> u64 {
    let next = ASYNC_RANGES.fetch_add(1, Relaxed) * ASYNC_RANGE + 1;
    NEXT_ASYNC.set(next);
    next
}

/// The async span around what the calling thread does.
#[inline(always)]
pub(crate) fn current_async() -> u64 {
    local(&CURRENT_ASYNC)
}

/// Sets it, and returns what it was.
#[inline(always)]
pub(crate) fn set_current_async(id: u64) -> u64 {
    CURRENT_ASYNC.try_with(|cell| cell.replace(id)).unwrap_or(0)
}

/// Buffers that the background thread has not seen yet.
static NEW: SegQueue<Handle> = SegQueue::new();

/// Events that could not be attributed to any stream: recorded while the thread's own locals are destroyed, or by the allocator while the SDK
/// itself allocates. They have no ordinals.
static UNATTRIBUTED: AtomicU64 = AtomicU64::new(0);

/// The calling thread's buffer; it may have no room.
#[inline(always)]
pub(crate) fn current() -> &'static Buffer {
    local(&CURRENT)
}

/// The value of a thread-local without a destructor. Not `get`: that calls a function that is not inlined where crates are optimized apart, and costs
/// a span 33 instructions.
#[inline(always)]
fn local<T: Copy>(key: &'static LocalKey<Cell<T>>) -> T {
    match key.try_with(Cell::get) {
        Ok(value) => value,
        Err(_) => unreachable!("nothing destroys it"),
    }
}

/// The calling thread's buffer, as [`registered`].
#[inline(always)]
pub(crate) fn current_or_registered() -> Option<&'static Buffer> {
    let current = current();
    // Only a thread that recorded before has a chunk.
    if current.has_chunk() { Some(current) } else { registered() }
}

/// The calling thread's buffer, made where it has none; `None` when it can have none.
#[cold]
#[inline(never)]
pub(crate) fn registered() -> Option<&'static Buffer> {
    let current = CURRENT.get();
    if !std::ptr::eq(current, &UNREGISTERED) {
        return (!std::ptr::eq(current, &DEAD)).then_some(current);
    }
    let _busy = Busy::enter()?;
    let (name, number) = this_thread();
    let buffer = Handle::new(name, number);
    OWNER
        .try_with(|owner| {
            // SAFETY: `owner` keeps the buffer alive, and takes the reference out of `CURRENT` before it lets go.
            let reference = unsafe { buffer.as_static() };
            NEW.push(buffer.clone());
            *owner.borrow_mut() = Some(Owner(buffer));
            CURRENT.set(reference);
            reference
        })
        .ok()
}

/// A buffer made since, if there is one.
pub(crate) fn next_new() -> Option<Handle> {
    NEW.pop()
}

/// Counts an event that belongs to no stream.
#[cold]
pub(crate) fn count_unattributed() {
    UNATTRIBUTED.fetch_add(1, Relaxed);
}

/// Events that belonged to no stream.
pub(crate) fn unattributed() -> u64 {
    UNATTRIBUTED.load(Relaxed)
}

struct Owner(Handle);

impl Drop for Owner {
    fn drop(&mut self) {
        CURRENT.set(&DEAD);
        self.0.end();
        if crate::chunk::is_low() {
            // Its chunk is wanted.
            crate::wake::wake();
        }
    }
}

/// While it lives, the SDK itself works on this thread: events recorded meanwhile (by an instrumented allocator) are not recorded.
pub(crate) struct Busy(());

impl Busy {
    /// `None` when the SDK is at work already.
    pub(crate) fn enter() -> Option<Self> {
        if BUSY.replace(true) {
            return None;
        }
        Some(Self(()))
    }

    /// Whether the SDK is at work on this thread.
    #[inline(always)]
    pub(crate) fn is_entered() -> bool {
        local(&BUSY)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.set(false);
    }
}

/// Name and number of the calling thread.
fn this_thread() -> (String, u64) {
    let name = std::thread::current().name().map(str::to_owned).unwrap_or_default();
    (if name.is_empty() { os_name() } else { name }, os_number())
}

#[cfg(target_os = "linux")]
fn os_name() -> String {
    let mut name = [0_u8; 16];
    // SAFETY: PR_GET_NAME writes at most 16 bytes, the last of them zero.
    let failed = unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) } != 0;
    let end = if failed { 0 } else { name.iter().position(|byte| *byte == 0).unwrap_or(name.len()) };
    String::from_utf8_lossy(&name[..end]).into_owned()
}

#[cfg(not(target_os = "linux"))]
fn os_name() -> String {
    String::new()
}

#[cfg(target_os = "linux")]
fn os_number() -> u64 {
    // SAFETY: gettid has no preconditions.
    u64::from(unsafe { libc::gettid() }.cast_unsigned())
}

#[cfg(target_os = "macos")]
fn os_number() -> u64 {
    let mut number = 0;
    // SAFETY: 0 stands for the calling thread, and `number` is a valid place to write to.
    unsafe { libc::pthread_threadid_np(0, &raw mut number) };
    number
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn os_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Relaxed)
}
