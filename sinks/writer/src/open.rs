//! Opens what the log brings, within limits, and tells the good from the poison.

use bytes::Bytes;
use framelake_lake::segment::Content;
use framelake_log::{Offset, StoredRecord};
use framelake_wire::{Record, Topic, decode, limits};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A record that was opened.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) offset: Offset,
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) content: Content,
}

/// Opens the records of one partition of `topic`, in their order. Takes as long as decompressing them does, so it belongs on a thread that may block.
pub(crate) fn open_all(topic: Topic, records: Vec<StoredRecord>) -> Vec<Opened> {
    records
        .into_iter()
        .map(|record| {
            let content = content(topic, &record.value);
            Opened { offset: record.offset, key: record.key, value: record.value, content }
        })
        .collect()
}

/// What the record is. Never fails and never panics: one bad record must not stop its partition.
pub(crate) fn content(topic: Topic, record: &[u8]) -> Content {
    // The decoders do not panic on any bytes. Should one ever do, then only its record is set aside.
    match catch_unwind(AssertUnwindSafe(|| check(topic, record))) {
        Ok(Ok(content)) => content,
        Ok(Err(reason)) => Content::Poison(reason),
        Err(_) => Content::Poison("the decoder panicked on it; please report it with the record".into()),
    }
}

fn check(topic: Topic, record: &[u8]) -> Result<Content, String> {
    if record.len() > limits::RECORD_BYTES_MAX {
        return Err(format!("record is {} bytes, over the limit of {}", record.len(), limits::RECORD_BYTES_MAX));
    }
    let decoded = Record::decode(record).map_err(|error| error.to_string())?;
    if decoded.topic() != topic {
        return Err(format!("it belongs to topic {}, not {topic}", decoded.topic()));
    }
    match decoded {
        Record::Process(process) => Ok(Content::Process(Box::new(process))),
        Record::Block(block) => {
            decode::check(&block).map_err(|error| error.to_string())?;
            Content::of_record(&block, record).map_err(|error| error.to_string())
        }
    }
}
