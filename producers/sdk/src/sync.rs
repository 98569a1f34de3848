//! What threads share, as the hand-off from a thread to the background thread uses it: std's, or under `--cfg loom` what the model checker sees.

#[cfg(all(test, loom))]
pub(crate) use model::{ArrayQueue, AtomicBool, AtomicPtr, AtomicU64, MODEL_WORDS, Touched, read, wrote};
#[cfg(not(all(test, loom)))]
pub(crate) use {
    crossbeam_queue::ArrayQueue,
    std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64},
};

#[cfg(all(test, loom))]
mod model {
    use crate::chunk::{self, Chunk};
    use loom::cell::UnsafeCell;
    use loom::sync::atomic;
    use std::ops::Deref;
    use std::ptr::{self, NonNull};
    use std::sync::OnceLock;
    use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

    /// Words of a chunk in a model.
    pub(crate) const MODEL_WORDS: usize = 4;

    /// An atomic of the model checker that can stand in a static: made when it is first looked at.
    #[derive(Debug)]
    pub(crate) struct Lazy<V, A> {
        first: V,
        make: fn(V) -> A,
        atomic: OnceLock<A>,
    }

    impl<V: Copy, A> Deref for Lazy<V, A> {
        type Target = A;

        fn deref(&self) -> &A {
            self.atomic.get_or_init(|| (self.make)(self.first))
        }
    }

    pub(crate) type AtomicBool = Lazy<bool, atomic::AtomicBool>;
    pub(crate) type AtomicU64 = Lazy<u64, atomic::AtomicU64>;
    pub(crate) type AtomicPtr<T> = Lazy<*mut T, atomic::AtomicPtr<T>>;

    impl AtomicBool {
        pub(crate) const fn new(first: bool) -> Self {
            Self { first, make: atomic::AtomicBool::new, atomic: OnceLock::new() }
        }
    }

    impl AtomicU64 {
        pub(crate) const fn new(first: u64) -> Self {
            Self { first, make: atomic::AtomicU64::new, atomic: OnceLock::new() }
        }
    }

    impl Default for AtomicU64 {
        fn default() -> Self {
            Self::new(0)
        }
    }

    impl<T> AtomicPtr<T> {
        pub(crate) const fn new(first: *mut T) -> Self {
            Self { first, make: atomic::AtomicPtr::new, atomic: OnceLock::new() }
        }
    }

    impl<T> Default for AtomicPtr<T> {
        fn default() -> Self {
            Self::new(ptr::null_mut())
        }
    }

    /// Chunks in a model.
    const PLACES: usize = 3;

    /// As crossbeam's: who pops an element sees what was done before it was pushed, and no more.
    pub(crate) struct ArrayQueue<T: Pointer>([atomic::AtomicPtr<T::To>; PLACES]);

    /// What the queue holds.
    pub(crate) trait Pointer: Sized {
        type To;
        fn into_raw(self) -> *mut Self::To;
        fn from_raw(pointer: NonNull<Self::To>) -> Self;
    }

    impl Pointer for chunk::FreeChunk {
        type To = Chunk;

        fn into_raw(self) -> *mut Chunk {
            self.0.as_ptr()
        }

        fn from_raw(pointer: NonNull<Chunk>) -> Self {
            Self(pointer)
        }
    }

    impl<T: Pointer> ArrayQueue<T> {
        pub(crate) fn new(_: usize) -> Self {
            Self(std::array::from_fn(|_| atomic::AtomicPtr::new(ptr::null_mut())))
        }

        pub(crate) fn push(&self, element: T) -> Result<(), T> {
            let element = element.into_raw();
            let push = |place: &atomic::AtomicPtr<_>| {
                place.compare_exchange(ptr::null_mut(), element, AcqRel, Relaxed).is_ok()
            };
            assert!(self.0.iter().any(push), "a model has fewer chunks");
            Ok(())
        }

        pub(crate) fn pop(&self) -> Option<T> {
            self.0.iter().find_map(|place| NonNull::new(place.swap(ptr::null_mut(), AcqRel))).map(T::from_raw)
        }

        pub(crate) fn len(&self) -> usize {
            self.0.iter().filter(|place| !place.load(Acquire).is_null()).count()
        }
    }

    /// The words of a chunk as the model checker sees them: it finds out when one is read that was not handed over.
    #[derive(Debug, Default)]
    pub(crate) struct Touched([UnsafeCell<()>; MODEL_WORDS]);

    /// The owner wrote the words from `from` to `to`, if both are in `chunk`.
    pub(crate) fn wrote(chunk: Option<NonNull<Chunk>>, from: *mut u64, to: *mut u64) {
        let Some(chunk) = chunk.filter(|&chunk| from >= chunk::start(chunk) && from <= chunk::limit(chunk)) else {
            return;
        };
        for cell in words(chunk, from as usize, to as usize) {
            cell.with_mut(|_| ());
        }
    }

    /// The background thread reads the words from `from` to `to`, which are in `chunk`.
    pub(crate) fn read(chunk: Option<NonNull<Chunk>>, from: usize, to: usize) {
        let chunk = chunk.expect("what is read is in a chunk");
        for cell in words(chunk, from, to) {
            cell.with(|_| ());
        }
    }

    fn words<'a>(chunk: NonNull<Chunk>, from: usize, to: usize) -> &'a [UnsafeCell<()>] {
        let start = chunk::start(chunk) as usize;
        let (from, to) = ((from - start) / 8, (to - start) / 8);
        // SAFETY: the header is whole as long as the chunk is, and a chunk outlives all who know it.
        let touched = unsafe { &(*chunk.as_ptr()).touched };
        touched.0.get(from..to).unwrap_or_default()
    }
}
