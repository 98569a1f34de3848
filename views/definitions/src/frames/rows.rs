//! The columns of `frames`.

use crate::{
    Projection, Rows,
    columns::{Texts, durations, ordinals, times},
};
use arrow::array::RecordBatch;
use framelake_wire::{Header, decode::Frames};
use std::ops::Range;

/// The frames that end in one block.
#[derive(Debug)]
pub(crate) struct FrameRows {
    process_id: String,
    stream_id: String,
    frames: Frames,
}

impl FrameRows {
    pub(crate) fn of(header: &Header, frames: Frames) -> Self {
        Self { process_id: header.process_id.to_string(), stream_id: header.stream_id.to_string(), frames }
    }
}

impl Rows for FrameRows {
    fn len(&self) -> usize {
        self.frames.ordinal.len()
    }

    fn batch(&self, range: Range<usize>, projection: &Projection) -> RecordBatch {
        let frames = &self.frames;
        projection.batch(range.len(), |column| match column {
            "process_id" => Texts::constant(&self.process_id, range.len()),
            "stream_id" => Texts::constant(&self.stream_id, range.len()),
            "ordinal" => ordinals(&frames.ordinal[range.clone()]),
            "begin" => times(&frames.begin[range.clone()]),
            "end" => times(&frames.end[range.clone()]),
            "duration_ns" => durations(&frames.begin[range.clone()], &frames.end[range.clone()]),
            other => unreachable!("frames has no column {other}"),
        })
    }
}
