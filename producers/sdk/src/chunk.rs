//! Chunks: the memory that events are written to, from one pool with a budget.

use crate::mapping::{self, Mapping};
use crate::sync::{ArrayQueue, AtomicPtr, AtomicU64};
use std::alloc::{Layout, alloc, dealloc};
use std::ptr::{self, NonNull};
#[cfg(not(all(test, loom)))]
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Bytes of a chunk: a full one is drained while the next fills; at 100,000 events a second a thread fills 25 of them.
#[cfg(not(all(test, loom)))]
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;
/// So few that a model goes on to the next chunk after four events of a word.
#[cfg(all(test, loom))]
pub(crate) const CHUNK_BYTES: usize = HEADER_BYTES + crate::sync::MODEL_WORDS * 8;
/// Words of a chunk that hold events; its first cache line is the header.
pub(crate) const CHUNK_WORDS: usize = (CHUNK_BYTES - HEADER_BYTES) / 8;
/// Bytes of the header.
pub(crate) const HEADER_BYTES: usize = size_of::<Chunk>();
const LAYOUT: Layout = match Layout::from_size_align(CHUNK_BYTES, 4096) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two"),
};
/// Most chunks of a process: 8,192 × 64 KiB = 512 MiB, whatever the budget says.
const CHUNKS_MAX: usize = 8_192;

/// A chunk: a header and words. Its writer links it to the next one when it is full. A recovery reads it as it is laid out here.
#[repr(C, align(64))]
#[derive(Default)]
pub(crate) struct Chunk {
    /// The chunk that the writer went on to; null while it still writes here.
    pub(crate) next: AtomicPtr<Chunk>,
    /// Where its events end; holds once `next` is set.
    pub(crate) end: AtomicPtr<u64>,
    /// How often its writer started it over (see [`crate::buffer`]).
    pub(crate) restarts: AtomicU64,
    /// Who touches which word, for the models.
    #[cfg(all(test, loom))]
    pub(crate) touched: crate::sync::Touched,
}

#[cfg(not(all(test, loom)))]
const _: () = assert!(HEADER_BYTES == 64, "a cache line");

/// A chunk of nobody: whoever holds this may write to it or give it away.
#[derive(Debug)]
pub(crate) struct FreeChunk(pub(crate) NonNull<Chunk>);

// SAFETY: a free chunk is memory that only its holder knows.
unsafe impl Send for FreeChunk {}

impl FreeChunk {
    /// A chunk whose every page was touched, so that no writer takes a page fault: one of the mapping where recording is crash-safe and it has one.
    fn allocate() -> Option<Self> {
        if let Some(chunk) = mapping::current().and_then(Mapping::chunk) {
            return Some(Self(chunk.cast()));
        }
        // SAFETY: the layout has a size.
        let chunk = NonNull::new(unsafe { alloc(LAYOUT) })?;
        // SAFETY: the memory is CHUNK_BYTES long, aligned and ours alone.
        unsafe {
            chunk.write_bytes(0, CHUNK_BYTES);
            chunk.cast::<Chunk>().write(Chunk::default());
        }
        Some(Self(chunk.cast()))
    }
}

/// Where the events of `chunk` begin.
pub(crate) fn start(chunk: NonNull<Chunk>) -> *mut u64 {
    // SAFETY: a chunk is CHUNK_BYTES long.
    unsafe { chunk.as_ptr().cast::<u64>().add(HEADER_BYTES / 8) }
}

/// One past the last word of `chunk`.
pub(crate) fn limit(chunk: NonNull<Chunk>) -> *mut u64 {
    // SAFETY: as in `start`; one past the end is still within the rules.
    unsafe { start(chunk).add(CHUNK_WORDS) }
}

struct Pool {
    free: ArrayQueue<FreeChunk>,
    allocated: AtomicUsize,
    allowed: AtomicUsize,
    taken: AtomicUsize,
    /// Those taken since the last drain began. But for one of each thread they are full, and wait to be given back.
    taken_since: AtomicUsize,
}

/// With fewer free chunks than this the background thread is woken to give some back. 8 × 64 KiB last a flooding thread half a millisecond.
const FREE_LOW: usize = 8;
/// The same where less than this part of the budget is left, and a drain would give as much back: to read most of a budget takes some ten milliseconds.
/// Chunks that idle threads have begun do not count as what it gives back.
const BUDGET_LOW: usize = 4;

#[cfg(not(all(test, loom)))]
static POOL: OnceLock<Pool> = OnceLock::new();

#[cfg(not(all(test, loom)))]
fn pool() -> &'static Pool {
    POOL.get_or_init(Pool::new)
}

/// The pool, if there is one yet.
#[cfg(not(all(test, loom)))]
fn existing() -> Option<&'static Pool> {
    POOL.get()
}

// A pool for each run of a model.
#[cfg(all(test, loom))]
loom::lazy_static! {
    static ref POOL: Pool = Pool::new();
}

#[cfg(all(test, loom))]
fn pool() -> &'static Pool {
    &POOL
}

#[cfg(all(test, loom))]
fn existing() -> Option<&'static Pool> {
    Some(pool())
}

impl Pool {
    fn new() -> Self {
        Self {
            free: ArrayQueue::new(CHUNKS_MAX),
            allocated: AtomicUsize::new(0),
            allowed: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            taken_since: AtomicUsize::new(0),
        }
    }
}

#[cfg(all(test, loom))]
impl Drop for Pool {
    fn drop(&mut self) {
        // Not where a model failed: its queue is gone.
        while !std::thread::panicking()
            && let Some(chunk) = self.free.pop()
        {
            free(chunk);
        }
    }
}

/// Sets how many bytes the chunks of this process may take. What was allocated under a larger budget stays.
pub(crate) fn set_budget(bytes: usize) {
    pool().allowed.store((bytes / CHUNK_BYTES).clamp(1, CHUNKS_MAX), Relaxed);
}

/// Makes sure that `count` chunks are free, as far as the budget allows.
pub(crate) fn prepare(count: usize) {
    let pool = pool();
    while pool.free.len() < count {
        let Some(chunk) = grow(pool) else { break };
        let _ = pool.free.push(chunk);
    }
}

/// A free chunk. When none is, the caller allocates one (some 10 µs) as long as the budget has room.
pub(crate) fn take() -> Option<FreeChunk> {
    let pool = existing()?;
    let chunk = pool.free.pop().or_else(|| grow(pool))?;
    pool.taken.fetch_add(1, Relaxed);
    pool.taken_since.fetch_add(1, Relaxed);
    // SAFETY: a free chunk is ours alone.
    let header = unsafe { chunk.0.as_ref() };
    header.next.store(ptr::null_mut(), Relaxed);
    header.restarts.store(0, Relaxed);
    Some(chunk)
}

/// Gives `chunk` back. One on the heap goes where the mapping has others, which take its place when they are asked for.
pub(crate) fn give(chunk: FreeChunk) {
    #[cfg(test)]
    // So that whoever still needs it is found out.
    // SAFETY: a free chunk is ours alone, and as long.
    unsafe {
        start(chunk.0).write_bytes(0xa5, CHUNK_WORDS);
    }
    if mapping::current().is_some_and(Mapping::has_chunks) && number(chunk.0).is_none() {
        free(chunk);
        pool().allocated.fetch_sub(1, Relaxed);
        return;
    }
    if let Err(chunk) = pool().free.push(chunk) {
        // No room: cannot be, the queue is as long as there are chunks. Freed rather than leaked.
        free(chunk);
    }
}

/// Puts chunks of the mapping in the place of free ones on the heap, as far as it has any, so that those taken from now on are its own.
pub(crate) fn use_mapping() {
    let Some(mapping) = mapping::current() else { return };
    let pool = pool();
    for _ in 0..pool.free.len() {
        let Some(chunk) = pool.free.pop() else { break };
        let mapped = if number(chunk.0).is_none() { mapping.chunk() } else { None };
        let Some(mapped) = mapped else {
            let _ = pool.free.push(chunk);
            continue;
        };
        free(chunk);
        let _ = pool.free.push(FreeChunk(mapped.cast()));
    }
}

/// Which chunk of the mapping that is; `None` for one on the heap.
pub(crate) fn number(chunk: NonNull<Chunk>) -> Option<u32> {
    mapping::current()?.chunk_number(chunk.as_ptr().cast())
}

/// Frees a chunk on the heap; one of the mapping is never unmapped.
fn free(chunk: FreeChunk) {
    if number(chunk.0).is_none() {
        // SAFETY: allocated in `allocate` with this layout, its header whole, and ours alone.
        unsafe {
            chunk.0.drop_in_place();
            dealloc(chunk.0.as_ptr().cast(), LAYOUT);
        }
    }
}

/// Whether few chunks are free. Waking the background thread for each full chunk would let it preempt the program all the time.
pub(crate) fn is_low() -> bool {
    let Some(pool) = existing() else { return false };
    let (free, allowed) = (pool.free.len(), pool.allowed.load(Relaxed));
    let left = free + allowed.saturating_sub(pool.allocated.load(Relaxed));
    let waiting = pool.taken_since.load(Relaxed);
    // Where the budget has room the drain prepares more of them.
    (free < FREE_LOW && (left > free || free < waiting)) || (left < allowed / BUDGET_LOW && left < waiting)
}

/// A drain begins: it gives back what was taken before.
pub(crate) fn begin_drain() {
    if let Some(pool) = existing() {
        pool.taken_since.store(0, Relaxed);
    }
}

/// How many chunks were taken since the last call.
pub(crate) fn count_taken() -> usize {
    existing().map_or(0, |pool| pool.taken.swap(0, Relaxed))
}

/// How many chunks nobody has.
#[cfg(test)]
pub(crate) fn count_free() -> usize {
    existing().map_or(0, |pool| pool.free.len())
}

/// Bytes that chunks take.
pub(crate) fn allocated_bytes() -> usize {
    existing().map_or(0, |pool| pool.allocated.load(Relaxed) * CHUNK_BYTES)
}

fn grow(pool: &Pool) -> Option<FreeChunk> {
    let allowed = pool.allowed.load(Relaxed);
    pool.allocated.fetch_update(Release, Acquire, |count| (count < allowed).then_some(count + 1)).ok()?;
    let chunk = FreeChunk::allocate();
    if chunk.is_none() {
        pool.allocated.fetch_sub(1, Relaxed);
    }
    chunk
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn chunks_run_low_where_a_quarter_of_the_budget_is_left_and_a_drain_gives_some_back() {
        let _one = crate::RECORDS.lock();
        set_budget(allocated_bytes() + 64 * CHUNK_BYTES);
        prepare(usize::MAX);
        let allowed = allocated_bytes() / CHUNK_BYTES;
        begin_drain();
        let mut taken = Vec::new();
        while !is_low() {
            taken.push(take().expect("some are left"));
        }
        assert_eq!((count_free() + 1, taken.len() > count_free()), (allowed / BUDGET_LOW, true));
        // What idle threads hold is not given back, however much of the budget that is.
        begin_drain();
        assert!(!is_low());
        // Other tests count on a pool as small as their budget.
        taken.into_iter().for_each(give);
        while let Some(chunk) = pool().free.pop() {
            free(chunk);
            pool().allocated.fetch_sub(1, Relaxed);
        }
    }
}
