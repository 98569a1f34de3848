//! One row per event. `(stream_id, ordinal)` is a row's identity; no column says when, where or by whom it was processed.

use crate::field::{dictionary_of_text as text, map_of_text, maybe, schema, some, timestamp};
use arrow::datatypes::{DataType, SchemaRef};
use std::sync::LazyLock;

/// Log lines. `level` is one of `fatal`, `error`, `warn`, `info`, `debug`, `trace`. `args` is NULL until arguments are recorded beside the message.
pub static LOG_ENTRIES: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(vec![
        some("process_id", text()),
        some("stream_id", text()),
        some("thread", text()),
        some("ordinal", DataType::Int64),
        some("time", timestamp()),
        maybe("level", text()),
        some("target", text()),
        some("message", DataType::Utf8),
        some("file", text()),
        some("line", DataType::Int32),
        maybe("args", map_of_text()),
    ])
});

/// Measurements. `properties` is NULL where none were given.
pub static MEASURES: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(vec![
        some("process_id", text()),
        some("stream_id", text()),
        some("thread", text()),
        some("ordinal", DataType::Int64),
        some("time", timestamp()),
        some("name", text()),
        some("target", text()),
        some("unit", text()),
        some("value", DataType::Float64),
        maybe("properties", map_of_text()),
    ])
});

/// Spans of threads. `parent` is the ordinal of the enclosing span, NULL at the top; `end`, `duration_ns` and `self_ns` are NULL while the span is open.
pub static THREAD_SPANS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(vec![
        some("process_id", text()),
        some("stream_id", text()),
        some("thread", text()),
        some("ordinal", DataType::Int64),
        maybe("parent", DataType::Int64),
        some("depth", DataType::Int32),
        some("name", text()),
        some("target", text()),
        some("file", text()),
        some("line", DataType::Int32),
        some("begin", timestamp()),
        maybe("end", timestamp()),
        maybe("duration_ns", DataType::Int64),
        maybe("self_ns", DataType::Int64),
        some("truncated", DataType::Boolean),
    ])
});

/// Parts of attachments. `attachment` is its number in the stream; the `bytes` of all its `parts`, in the order of `part` (from 0), are the file of
/// `size` bytes. A number that is missing was dropped.
pub static ATTACHMENTS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(vec![
        some("process_id", text()),
        some("stream_id", text()),
        some("thread", text()),
        some("ordinal", DataType::Int64),
        some("time", timestamp()),
        some("attachment", DataType::Int64),
        some("name", text()),
        some("media_type", text()),
        some("size", DataType::Int64),
        some("part", DataType::Int64),
        some("parts", DataType::Int64),
        some("bytes", DataType::Binary),
    ])
});

/// Frames: from one mark to the next.
pub static FRAMES: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(vec![
        some("process_id", text()),
        some("stream_id", text()),
        some("ordinal", DataType::Int64),
        some("begin", timestamp()),
        some("end", timestamp()),
        some("duration_ns", DataType::Int64),
    ])
});
