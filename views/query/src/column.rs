//! A column of what the catalog says: one value of each entry.

use arrow::{
    array::{ArrayRef, Int32Array, Int64Array, StringArray, StringDictionaryBuilder, TimestampNanosecondArray},
    datatypes::Int32Type,
};
use framelake_wire::UnixNanos;
use std::sync::Arc;

pub(crate) fn texts<T>(entries: &[T], value: impl Fn(&T) -> String) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(entries.iter().map(value)))
}

pub(crate) fn dictionary<T>(entries: &[T], value: impl Fn(&T) -> String) -> ArrayRef {
    let mut column = StringDictionaryBuilder::<Int32Type>::new();
    for entry in entries {
        column.append_value(value(entry));
    }
    Arc::new(column.finish())
}

/// Counts stay far below 2^63.
pub(crate) fn counts<T>(entries: &[T], value: impl Fn(&T) -> u64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(entries.iter().map(|entry| value(entry).cast_signed())))
}

pub(crate) fn integers<T>(entries: &[T], value: impl Fn(&T) -> i32) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(entries.iter().map(value)))
}

pub(crate) fn times<T>(entries: &[T], value: impl Fn(&T) -> UnixNanos) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from_iter_values(entries.iter().map(value)).with_timezone("UTC"))
}
