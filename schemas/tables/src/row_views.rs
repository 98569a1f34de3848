//! One row per event. `(stream_id, ordinal)` is a row's identity; no column says when, where or by whom it was processed.

use crate::field::{dictionary_of_text as text, map_of_text, maybe, schema, some, timestamp};
use arrow::datatypes::{DataType, SchemaRef};
use std::sync::LazyLock;

/// Log lines. `level` is one of `fatal`, `error`, `warn`, `info`, `debug`, `trace`. `args` has the line's arguments and fields
/// by name, each as `{}` prints it; `format` is the format string that its message was made with.
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
        some("format", text()),
    ])
});

/// Measurements. `properties` has the property set's pairs and the tags, and is NULL where there are neither. `count` is how many observations the row stands
/// for: 1, but for counters (their sum) and histograms (the mean of those that are about as large), which are added up in the program.
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
        some("count", DataType::Int64),
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
        maybe("fields", map_of_text()),
    ])
});

/// Spans that may end on another thread than they began on: `thread` is the one on which they began, `parent` the ordinal of the span around, NULL where there was
/// none. `end` and `duration_ns` are NULL while the span is open.
pub static ASYNC_SPANS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(vec![
        some("process_id", text()),
        some("stream_id", text()),
        some("thread", text()),
        some("ordinal", DataType::Int64),
        maybe("parent", DataType::Int64),
        some("name", text()),
        some("target", text()),
        some("file", text()),
        some("line", DataType::Int32),
        some("begin", timestamp()),
        maybe("end", timestamp()),
        maybe("duration_ns", DataType::Int64),
        maybe("fields", map_of_text()),
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
