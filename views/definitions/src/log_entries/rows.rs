//! The columns of `log_entries`.

use crate::{
    Projection, Rows,
    columns::{ArgMaps, LEVELS, Sites, Texts, ordinals, thread_names, times},
    view::BATCH_BYTES,
};
use arrow::array::{Array, ArrayRef, RecordBatch, StringBuilder};
use framelake_wire::{Header, decode::Logs};
use std::{ops::Range, sync::Arc};

/// The log lines of one block.
#[derive(Debug)]
pub(crate) struct LogRows {
    process_id: String,
    stream_id: String,
    sites: Sites,
    levels: Texts,
    threads: Texts,
    logs: Logs,
}

impl LogRows {
    pub(crate) fn of(header: &Header, logs: Logs) -> Self {
        Self {
            process_id: header.process_id.to_string(),
            stream_id: header.stream_id.to_string(),
            sites: Sites::of(&logs.sites),
            levels: Texts::maybe(logs.sites.iter().map(|site| match LEVELS.get(usize::from(site.level)) {
                None | Some(&"") => None,
                Some(name) => Some(*name),
            })),
            threads: thread_names(&logs.threads),
            logs,
        }
    }

    /// The messages of the first rows of `range`, until they are long enough for a batch.
    fn messages(&self, range: Range<usize>) -> ArrayRef {
        let mut messages = StringBuilder::with_capacity(range.len(), 64 * range.len());
        let (rendered, mut message) = (self.logs.messages(), String::new());
        for index in range {
            message.clear();
            rendered.render(index, &mut message);
            messages.append_value(&message);
            if messages.values_slice().len() >= BATCH_BYTES {
                break;
            }
        }
        Arc::new(messages.finish())
    }

    fn args(&self, range: Range<usize>) -> ArrayRef {
        let logs = &self.logs;
        let mut maps = ArgMaps::new(range.len());
        for row in range {
            let index = logs.site[row];
            maps.args(&logs.sites[index as usize], index, logs.event[row], &logs.args, 0);
            maps.end_row();
        }
        maps.finish()
    }
}

impl Rows for LogRows {
    fn len(&self) -> usize {
        self.logs.ordinal.len()
    }

    fn batch(&self, mut range: Range<usize>, projection: &Projection) -> RecordBatch {
        let messages = projection.has("message").then(|| self.messages(range.clone()));
        if let Some(messages) = &messages {
            range.end = range.start + messages.len();
        }
        let rows = range.len();
        let site = &self.logs.site[range.clone()];
        projection.batch(rows, |column| match column {
            "process_id" => Texts::constant(&self.process_id, rows),
            "stream_id" => Texts::constant(&self.stream_id, rows),
            "thread" => self.threads.rows(&self.logs.thread[range.clone()]),
            "ordinal" => ordinals(&self.logs.ordinal[range.clone()]),
            "time" => times(&self.logs.time[range.clone()]),
            "level" => self.levels.rows_maybe(site),
            "target" => self.sites.target.rows(site),
            "message" => messages.clone().expect("made above"),
            "file" => self.sites.file.rows(site),
            "line" => self.sites.lines(site),
            "args" => self.args(range.clone()),
            "format" => self.sites.name.rows(site),
            other => unreachable!("log_entries has no column {other}"),
        })
    }
}
