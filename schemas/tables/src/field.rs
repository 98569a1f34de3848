//! The few types that columns have.

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use std::sync::Arc;

/// UTC nanoseconds.
#[must_use]
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

/// Text that repeats from row to row. Keys are signed, as JDBC reads them.
#[must_use]
pub fn dictionary_of_text() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Text keys to text values, sorted by key: `properties['map']`.
#[must_use]
pub fn map_of_text() -> DataType {
    let entries = DataType::Struct(Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
    ]));
    DataType::Map(FieldRef::new(Field::new("entries", entries, false)), false)
}

/// A column that always has a value.
pub(crate) fn some(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, false)
}

/// A column that may be NULL.
pub(crate) fn maybe(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, true)
}

pub(crate) fn schema(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}
