//! What the catalog knows. These tables are read from it whole or by process and stream; they are never stored as Parquet.

use crate::field::{dictionary_of_text as text, map_of_text, maybe, schema, some, timestamp};
use arrow::datatypes::{DataType, SchemaRef};
use std::sync::LazyLock;

/// Runs of instrumented programs. All but the id is NULL while only blocks of a process came, not yet its own record.
pub static PROCESSES: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(vec![
        some("process_id", DataType::Utf8),
        maybe("parent_process_id", DataType::Utf8),
        maybe("exe", DataType::Utf8),
        maybe("version", DataType::Utf8),
        // `user` is a function in SQL.
        maybe("username", DataType::Utf8),
        maybe("host", DataType::Utf8),
        maybe("os", DataType::Utf8),
        maybe("arch", DataType::Utf8),
        maybe("cpu", DataType::Utf8),
        maybe("cores", DataType::Int32),
        maybe("memory_bytes", DataType::Int64),
        maybe("pid", DataType::Int64),
        maybe("sdk", DataType::Utf8),
        maybe("start_time", timestamp()),
        maybe("last_seen", timestamp()),
        maybe("end_time", timestamp()),
        maybe("exit_reason", DataType::Utf8),
        maybe("revision", DataType::Int64),
        maybe("properties", map_of_text()),
    ])
});

/// Streams and their sums. Ordinals below `next_ordinal` that are no rows were dropped or are in missing blocks, or are spans still open.
pub static STREAMS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(vec![
        some("stream_id", DataType::Utf8),
        some("process_id", DataType::Utf8),
        some("kind", text()),
        some("thread", DataType::Utf8),
        some("thread_number", DataType::Int64),
        some("block_count", DataType::Int64),
        some("event_count", DataType::Int64),
        some("row_count", DataType::Int64),
        some("byte_count", DataType::Int64),
        some("next_ordinal", DataType::Int64),
        some("dropped_events", DataType::Int64),
        some("duplicate_blocks", DataType::Int64),
        some("missing_blocks", DataType::Int64),
        some("min_time", timestamp()),
        some("max_time", timestamp()),
    ])
});

/// Visible blocks: what they hold, where they stood in the log, where they lie.
pub static BLOCKS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(vec![
        some("block_id", DataType::Utf8),
        some("process_id", text()),
        some("stream_id", text()),
        some("kind", text()),
        some("sequence", DataType::Int64),
        some("first_ordinal", DataType::Int64),
        some("ordinal_count", DataType::Int64),
        some("event_count", DataType::Int64),
        some("row_count", DataType::Int64),
        some("dropped_count", DataType::Int64),
        some("begin", timestamp()),
        some("end", timestamp()),
        some("min_time", timestamp()),
        some("max_time", timestamp()),
        some("incarnation", DataType::Int32),
        some("topic", text()),
        some("partition", DataType::Int32),
        some("offset", DataType::Int64),
        some("object", text()),
        some("byte_offset", DataType::Int64),
        some("byte_length", DataType::Int64),
        some("payload_bytes", DataType::Int64),
        // CRC32C of the record; 32 bits do not fit a signed Int32.
        some("crc", DataType::Int64),
    ])
});

/// Records that could not be taken in.
pub static DEAD_LETTERS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(vec![
        some("incarnation", DataType::Int32),
        some("topic", text()),
        some("partition", DataType::Int32),
        some("offset", DataType::Int64),
        some("key", DataType::Utf8),
        some("bytes", DataType::Int64),
        some("reason", DataType::Utf8),
        some("time", timestamp()),
    ])
});

/// Positions of the log that never reached the lake: `from_offset` up to, not including, `to_offset`.
pub static LOG_GAPS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(vec![
        some("incarnation", DataType::Int32),
        some("topic", text()),
        some("partition", DataType::Int32),
        some("from_offset", DataType::Int64),
        some("to_offset", DataType::Int64),
        some("reason", DataType::Utf8),
        some("time", timestamp()),
    ])
});

/// Blocks that queries could not decode since the server started (the newest 1,000).
pub static DECODE_ERRORS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(vec![
        some("time", timestamp()),
        some("view", text()),
        some("block_id", DataType::Utf8),
        some("process_id", DataType::Utf8),
        some("stream_id", DataType::Utf8),
        some("sequence", DataType::Int64),
        some("object", DataType::Utf8),
        some("byte_offset", DataType::Int64),
        some("reason", DataType::Utf8),
    ])
});
