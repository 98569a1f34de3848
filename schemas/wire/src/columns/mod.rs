//! What is inside a payload: shared by encoders and decoders, so that both sides read and replay the same bytes the same way.
//!
//! A payload is one zstd frame. Opened, it is, in this order: the strings, call sites, threads and property sets that the events use
//! ([`tables`]); where events were dropped ([`drops`]); for spans and frames, what is open where the block begins; then the number of
//! events and their columns, each with its length in bytes before it. docs/block-format.md says it byte by byte.

pub(crate) mod asyncs;
pub(crate) mod drops;
pub(crate) mod frame;
pub(crate) mod frames;
pub(crate) mod locals;
pub(crate) mod planes;
pub(crate) mod shapes;
pub(crate) mod spans;
pub(crate) mod tables;
pub(crate) mod ticks;
pub(crate) mod values;

use crate::{Result, varint::Reader};

/// The next column that [`frame::Opened::column`] appended.
pub(crate) fn column<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<Reader<'a>> {
    let bytes = reader.unsigned(field)?;
    reader.take(field, bytes).map(Reader::new)
}
