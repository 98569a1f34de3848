//! Who holds a thread's buffer: its thread, and the background thread.

use super::Buffer;
use crate::event::Lost;
use crate::mapping::{self, BUFFER_AT, Layout, PAGE};
use std::mem::offset_of;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Relaxed},
};

/// A counted reference to a buffer, which lives on the heap, or in the [mapping] where recording is crash-safe.
pub(crate) struct Handle(NonNull<Held>);

#[repr(C)]
struct Held {
    buffer: Buffer,
    handles: AtomicUsize,
    /// Slot of the mapping, and which of all buffers this is.
    slot: Option<(u32, u64)>,
}

const _: () = assert!(offset_of!(Held, buffer) == 0);
const _: () = assert!(BUFFER_AT + size_of::<Held>() <= PAGE && BUFFER_AT.is_multiple_of(align_of::<Held>()));

/// Where a buffer's fields are, for who recovers it.
pub(crate) const LAYOUT: Layout = Layout {
    cursor_at: offset_of!(Buffer, cursor),
    first_at: offset_of!(Buffer, first),
    lost_at: offset_of!(Buffer, lost),
    lost_count: Lost::COUNT,
    buckets: crate::aggregate::BUCKETS,
};

// SAFETY: `Buffer` is both, and the count is atomic.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    /// A new buffer.
    pub(crate) fn new(name: String, number: u64) -> Self {
        let held = |slot| Held { buffer: Buffer::new(name.clone(), number), handles: AtomicUsize::new(1), slot };
        if let Some(mapping) = mapping::current()
            && let Some(slot) = mapping.slot()
        {
            let place = slot.place.cast::<Held>();
            // SAFETY: the slot is ours alone, aligned and large enough.
            unsafe {
                place.write(held(None));
                let incarnation = mapping.occupy(slot.number, &name, number);
                (*place.as_ptr()).slot = Some((slot.number, incarnation));
            }
            return Self(place);
        }
        Self(NonNull::from(Box::leak(Box::new(held(None)))))
    }

    /// The buffer, for as long as the caller makes sure that a handle is left.
    ///
    /// # Safety
    /// Not to be used after the last handle is dropped.
    pub(crate) unsafe fn as_static(&self) -> &'static Buffer {
        // SAFETY: as promised to us.
        unsafe { &self.0.as_ref().buffer }
    }

    /// Which of all buffers of the mapping this is; `None` for one on the heap.
    pub(crate) fn incarnation(&self) -> Option<u64> {
        self.held().slot.map(|(_, incarnation)| incarnation)
    }

    fn held(&self) -> &Held {
        // SAFETY: lives until the last handle is dropped.
        unsafe { self.0.as_ref() }
    }
}

impl Deref for Handle {
    type Target = Buffer;

    fn deref(&self) -> &Buffer {
        &self.held().buffer
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        self.held().handles.fetch_add(1, Relaxed);
        Self(self.0)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.held().handles.fetch_sub(1, AcqRel) != 1 {
            return;
        }
        match self.held().slot {
            None => {
                // SAFETY: made by `Box` in `new`, and this was the last handle.
                drop(unsafe { Box::from_raw(self.0.as_ptr()) });
            }
            Some((slot, _)) => {
                let mapping = mapping::current().expect("it gave the slot");
                mapping.vacate(slot);
                // SAFETY: written in `new`, and this was the last handle.
                unsafe { self.0.drop_in_place() };
                mapping.free_slot(slot);
            }
        }
    }
}
