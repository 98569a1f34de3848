//! What queries did, engine-wide.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counters that only grow.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        /// What the counters stood at.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct CounterValues {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            pub(crate) fn values(&self) -> CounterValues {
                CounterValues { $($name: self.$name.load(Relaxed),)* }
            }
        }

        impl CounterValues {
            /// The counters by name, in a fixed order.
            #[must_use]
            pub fn entries(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

counters! {
    /// Scans of row views that were planned.
    scans,
    /// Blocks that were decoded to rows.
    blocks_decoded,
    /// Rows that came from decoding.
    rows_decoded,
    /// Bytes of blocks fetched from objects.
    bytes_fetched,
    /// Blocks whose rows came from the cache.
    cache_hits,
    /// Parquet objects that scans were planned over.
    partitions_read,
    /// Blocks that could not be decoded.
    decode_errors,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Relaxed);
    }
}
