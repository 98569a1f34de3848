//! The columns of `attachments`.

use crate::{
    Projection, Rows,
    columns::{Texts, ordinals, thread_names, times},
};
use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch};
use framelake_wire::{Header, decode::Attachments};
use std::{ops::Range, sync::Arc};

/// The parts of attachments of one block.
#[derive(Debug)]
pub(crate) struct AttachmentRows {
    process_id: String,
    stream_id: String,
    threads: Texts,
    attachments: Attachments,
}

impl AttachmentRows {
    pub(crate) fn of(header: &Header, attachments: Attachments) -> Self {
        Self {
            process_id: header.process_id.to_string(),
            stream_id: header.stream_id.to_string(),
            threads: thread_names(&attachments.threads),
            attachments,
        }
    }

    /// The text of each row: parts of one attachment share it.
    fn texts<'a>(&'a self, range: Range<usize>, text: impl Fn(usize) -> &'a str) -> ArrayRef {
        let rows: Vec<u32> = (0..range.len() as u32).collect();
        Texts::of(range.map(text)).rows(&rows)
    }
}

fn numbers(numbers: &[u32]) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(numbers.iter().map(|&number| i64::from(number))))
}

impl Rows for AttachmentRows {
    fn len(&self) -> usize {
        self.attachments.ordinal.len()
    }

    fn batch(&self, range: Range<usize>, projection: &Projection) -> RecordBatch {
        let rows = range.len();
        let found = &self.attachments;
        projection.batch(rows, |column| match column {
            "process_id" => Texts::constant(&self.process_id, rows),
            "stream_id" => Texts::constant(&self.stream_id, rows),
            "thread" => self.threads.rows(&found.thread[range.clone()]),
            "ordinal" => ordinals(&found.ordinal[range.clone()]),
            "time" => times(&found.time[range.clone()]),
            // The decoder saw to it that these two are below 2^63, as ordinals are.
            "attachment" => ordinals(&found.attachment[range.clone()]),
            "name" => self.texts(range.clone(), |row| found.name(row)),
            "media_type" => self.texts(range.clone(), |row| found.media_type(row)),
            "size" => ordinals(&found.size[range.clone()]),
            "part" => numbers(&found.part[range.clone()]),
            "parts" => numbers(&found.parts[range.clone()]),
            "bytes" => Arc::new(BinaryArray::from_iter_values(range.clone().map(|row| found.part_bytes(row)))),
            other => unreachable!("attachments has no column {other}"),
        })
    }
}
