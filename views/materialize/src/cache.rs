//! Decoded blocks that queries are likely to ask for again, bounded in bytes.

use arrow::array::RecordBatch;
use framelake_lake::BlockIdentity;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

/// Which rows of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Those that end in it.
    Rows,
    /// Those still open where it ends.
    Open,
}

type Key = (BlockIdentity, &'static str, Part);

/// The least recently used blocks leave first. All columns are kept, so any projection is served.
#[derive(Debug)]
pub struct BlockCache {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<Key, Entry>,
    /// Keys by when they were last used.
    order: BTreeMap<u64, Key>,
    clock: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    batches: Arc<Vec<RecordBatch>>,
    bytes: usize,
    used: u64,
}

/// What an entry without rows costs: its keys and pointers, about.
const ENTRY_BYTES: usize = 256;

impl BlockCache {
    /// A cache that holds `bytes_max` bytes of columns at most; with 0 it holds nothing.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, inner: Mutex::default() }
    }

    /// The rows of `view` that `block` yields, when they are here.
    #[must_use]
    pub fn get(&self, block: BlockIdentity, view: &'static str, part: Part) -> Option<Arc<Vec<RecordBatch>>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        let key = (block, view, part);
        let entry = inner.entries.get_mut(&key)?;
        inner.clock += 1;
        inner.order.remove(&entry.used);
        entry.used = inner.clock;
        inner.order.insert(entry.used, key);
        Some(Arc::clone(&entry.batches))
    }

    /// Keeps the rows, unless they alone would take more than a quarter of the cache.
    pub fn put(&self, block: BlockIdentity, view: &'static str, part: Part, batches: Arc<Vec<RecordBatch>>) {
        let bytes = ENTRY_BYTES + batches.iter().map(RecordBatch::get_array_memory_size).sum::<usize>();
        if bytes > self.bytes_max / 4 {
            return;
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        let key = (block, view, part);
        inner.clock += 1;
        let used = inner.clock;
        if let Some(old) = inner.entries.insert(key, Entry { batches, bytes, used }) {
            inner.order.remove(&old.used);
            inner.bytes -= old.bytes;
        }
        inner.order.insert(used, key);
        inner.bytes += bytes;
        while inner.bytes > self.bytes_max {
            let Some((_, key)) = inner.order.pop_first() else { break };
            if let Some(entry) = inner.entries.remove(&key) {
                inner.bytes -= entry.bytes;
            }
        }
    }

    /// Bytes held now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// Bytes held at most.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::{
        array::Int64Array,
        datatypes::{DataType, Field, Schema},
    };
    use framelake_wire::StreamId;

    fn rows(count: usize) -> Arc<Vec<RecordBatch>> {
        let schema = Arc::new(Schema::new(vec![Field::new("value", DataType::Int64, false)]));
        let column = Arc::new(Int64Array::from(vec![0; count]));
        Arc::new(vec![RecordBatch::try_new(schema, vec![column]).unwrap()])
    }

    fn block(number: u8) -> BlockIdentity {
        BlockIdentity { stream_id: StreamId::from_bytes([number; 16]), sequence: 7, crc: 0 }
    }

    #[test]
    fn what_was_not_used_longest_leaves_first() {
        // Five entries of 8 KB and some: four fit in 40 KB.
        let cache = BlockCache::new(40_000);
        for number in 0..4 {
            cache.put(block(number), "frames", Part::Rows, rows(1000));
        }
        assert!(cache.get(block(0), "frames", Part::Rows).is_some());
        cache.put(block(4), "frames", Part::Rows, rows(1000));
        assert!(cache.get(block(0), "frames", Part::Rows).is_some(), "used since");
        assert!(cache.get(block(1), "frames", Part::Rows).is_none(), "the oldest use");
        assert!(cache.bytes() <= cache.bytes_max());
    }

    #[test]
    fn replacing_an_entry_does_not_count_it_twice() {
        let cache = BlockCache::new(100_000);
        cache.put(block(0), "frames", Part::Rows, rows(1000));
        let bytes = cache.bytes();
        cache.put(block(0), "frames", Part::Rows, rows(1000));
        assert_eq!(cache.bytes(), bytes);
    }

    #[test]
    fn what_would_push_out_everything_is_not_kept() {
        let cache = BlockCache::new(10_000);
        cache.put(block(0), "frames", Part::Rows, rows(1000));
        assert_eq!(cache.bytes(), 0);
    }

    #[test]
    fn each_part_of_an_identity_tells_blocks_apart() {
        let cache = BlockCache::new(100_000);
        cache.put(block(0), "frames", Part::Rows, rows(1));
        for other in [block(1), BlockIdentity { sequence: 8, ..block(0) }, BlockIdentity { crc: 1, ..block(0) }] {
            assert!(cache.get(other, "frames", Part::Rows).is_none(), "{other:?}");
        }
        assert!(cache.get(block(0), "frames", Part::Rows).is_some());
    }

    #[test]
    fn open_and_ended_rows_are_kept_apart() {
        let cache = BlockCache::new(100_000);
        cache.put(block(0), "thread_spans", Part::Open, rows(1));
        assert!(cache.get(block(0), "thread_spans", Part::Rows).is_none());
        assert!(cache.get(block(0), "frames", Part::Open).is_none());
    }
}
