//! Blocks back from their segments, with few requests.

use crate::{BlockEntry, Error, Result};
use bytes::Bytes;
use framelake_wire::{Block, RecordKind, schema::single_object};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use std::{collections::HashMap, ops::Range, sync::Arc};

/// Bytes between two blocks that are read along rather than asked for apart: at 100 MB/s the 2.6 ms they take are a fraction of a request's latency.
const SKIP_BYTES_MAX: u64 = 256 * 1024;
/// Most bytes of one request, unless one block is longer.
const REQUEST_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Requests at the same time: at most 8 × 4 MiB = 32 MiB are held.
const REQUESTS_MAX: usize = 8;

/// One ranged read and the blocks it brings, by byte offset.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    object: Arc<str>,
    range: Range<u64>,
    entries: Vec<BlockEntry>,
}

/// The blocks of these entries: object by object in the order in which the entries first name them, within an object by byte offset.
pub(crate) fn read_blocks(
    objects: Arc<dyn ObjectStore>,
    entries: &[BlockEntry],
) -> impl Stream<Item = Result<(BlockEntry, Block)>> + Send + use<> {
    stream::iter(requests(entries))
        .map(move |request| {
            let objects = objects.clone();
            async move {
                let bytes = objects
                    .get_range(&Path::from(&*request.object), request.range.clone())
                    .await
                    .map_err(|source| Error::Object { key: request.object.to_string(), source })?;
                let start = request.range.start;
                let blocks = request.entries.into_iter().map(move |entry| {
                    let block = open(&entry, start, &bytes)?;
                    Ok((entry, block))
                });
                Ok::<_, Error>(stream::iter(blocks))
            }
        })
        .buffered(REQUESTS_MAX)
        .try_flatten()
}

/// Decodes the block of `entry` from `bytes`, which begin at byte `start` of the object.
fn open(entry: &BlockEntry, start: u64, bytes: &Bytes) -> Result<Block> {
    let corrupt = |source| Error::Corrupt { key: entry.object.to_string(), byte_offset: entry.byte_offset, source };
    let from = (entry.byte_offset - start) as usize;
    let body = bytes.get(from..from + entry.byte_length as usize).ok_or_else(|| {
        corrupt(framelake_wire::Error::Truncated {
            field: "block",
            needed: entry.byte_length.into(),
            left: bytes.len().saturating_sub(from) as u64,
        })
    })?;
    let block = Block::decode(&single_object(RecordKind::Block, body)).map_err(corrupt)?;
    // Another sound block in its place is no less wrong.
    let actual = block.crc();
    if actual != entry.crc {
        return Err(corrupt(framelake_wire::Error::Checksum { expected: entry.crc, actual }));
    }
    Ok(block)
}

/// The fewest ranged reads that bring all entries within the bounds above.
fn requests(entries: &[BlockEntry]) -> Vec<Request> {
    let mut order: HashMap<&str, usize> = HashMap::new();
    let mut objects: Vec<Vec<&BlockEntry>> = Vec::new();
    for entry in entries {
        let at = *order.entry(&entry.object).or_insert_with(|| {
            objects.push(Vec::new());
            objects.len() - 1
        });
        objects[at].push(entry);
    }
    let mut requests: Vec<Request> = Vec::new();
    for mut entries in objects {
        entries.sort_by_key(|entry| entry.byte_offset);
        let mut open: Option<Request> = None;
        for entry in entries {
            let range = entry.byte_offset..entry.byte_offset + u64::from(entry.byte_length);
            match &mut open {
                Some(request)
                    if range.start.saturating_sub(request.range.end) <= SKIP_BYTES_MAX
                        && range.end.saturating_sub(request.range.start) <= REQUEST_BYTES_MAX =>
                {
                    request.range.end = request.range.end.max(range.end);
                    request.entries.push(entry.clone());
                }
                _ => {
                    let next = Request { object: entry.object.clone(), range, entries: vec![entry.clone()] };
                    requests.extend(open.replace(next));
                }
            }
        }
        requests.extend(open);
    }
    requests
}
