//! When and how much is written through.

use std::time::Duration;

/// When and how much is written through.
#[derive(Clone, Debug)]
pub struct Options {
    /// A range is written through from this many payload bytes on: 1 MiB, below which a decode costs less than an object.
    pub payload_bytes_min: u64,
    /// Or from this much time on: 60 s, so that quiet streams get covered too.
    pub duration_min: Duration,
    /// Rows of one partition at most: 512 Ki, some 50 MB decoded at 90 bytes a span, twice while sorting.
    pub partition_rows_max: u64,
    /// Payload bytes of one partition at most: 64 MiB, far beyond the rows above but for attachments, whose rows have 512 KiB.
    pub partition_payload_bytes_max: u64,
    /// Offers waiting at most; more are dropped, and come again with the next query.
    pub queue_max: usize,
    /// Rows of a row group: 64 Ki, so that a second of one busy thread is one or two of them.
    pub row_group_rows: usize,
    /// Level of zstd: 1; level 3 saves some 4 % for twice the time.
    pub zstd_level: i32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            payload_bytes_min: 1024 * 1024,
            duration_min: Duration::from_secs(60),
            partition_rows_max: 512 * 1024,
            partition_payload_bytes_max: 64 * 1024 * 1024,
            queue_max: 256,
            row_group_rows: 64 * 1024,
            zstd_level: 1,
        }
    }
}
