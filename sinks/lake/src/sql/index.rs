//! Visible blocks: the rows of `block_index`, pruned by SQL and unpacked.

use super::{
    entries::{self, Common},
    session::{Row, Session, Store, Value, damaged},
};
use crate::{BlockEntry, BlockFilter, Incarnation, NewBlock, Result};
use framelake_log::TopicPartition;
use framelake_wire::{ProcessId, StreamId, Topic};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Write as _,
    sync::Arc,
};

/// Adds the visible blocks of a segment: one row for each of its processes.
pub(super) async fn add(session: &mut Session, segment: i64, topic: Topic, blocks: &[&NewBlock]) -> Result<()> {
    let mut groups: BTreeMap<_, Vec<&NewBlock>> = BTreeMap::new();
    for &block in blocks {
        let position = &block.position;
        let log = (position.incarnation, position.topic_partition.partition);
        groups.entry((block.header.process_id, log)).or_default().push(block);
    }
    let mut rows = Vec::with_capacity(groups.len());
    for ((process_id, (incarnation, partition)), mut blocks) in groups {
        // As they stand in the segment, so that distances are short.
        blocks.sort_by_key(|block| block.byte_offset);
        let least = |of: fn(&NewBlock) -> i64| blocks.iter().map(|block| of(block)).min().unwrap_or_default();
        let greatest = |of: fn(&NewBlock) -> i64| blocks.iter().map(|block| of(block)).max().unwrap_or_default();
        rows.push(vec![
            segment.into(),
            process_id.as_bytes().into(),
            incarnation.0.into(),
            partition.into(),
            topic.name().into(),
            least(|block| block.position.offset.0).into(),
            greatest(|block| block.position.offset.0).into(),
            least(|block| block.header.min_time).into(),
            greatest(|block| block.header.max_time).into(),
            entries::pack(&blocks.iter().map(|block| entries::entry(block)).collect::<Vec<_>>()).into(),
        ]);
    }
    session
        .insert(
            "INSERT INTO block_index (segment_id, process_id, incarnation, partition_number, topic, min_offset, max_offset, \
             min_time, max_time, entries)",
            rows,
            "",
        )
        .await?;
    Ok(())
}

const COLUMNS: &str = "segment_id, process_id, incarnation, topic, partition_number, entries";

fn common(row: &Row, segment: &Segment) -> Result<Common> {
    Ok(Common {
        process_id: ProcessId::from_bytes(row.id(1)?),
        incarnation: Incarnation(small(row.int(2)?)?),
        topic_partition: TopicPartition { topic: topic(row.text(3)?)?, partition: small(row.int(4)?)? },
        object: segment.object.clone(),
        schema: segment.schema,
    })
}

pub(super) fn topic(name: &str) -> Result<Topic> {
    Topic::from_name(name).ok_or_else(|| damaged(format_args!("no topic has the name {name:?}")))
}

pub(super) fn small<T: TryFrom<i64>>(value: i64) -> Result<T> {
    value.try_into().map_err(|_| damaged(format_args!("{value} is out of range")))
}

pub(super) async fn blocks(store: &Store, filter: &BlockFilter) -> Result<Vec<BlockEntry>> {
    let mut session = store.read().await?;
    let processes = match (&filter.stream_ids, &filter.process_ids) {
        (Some(ids), wanted) => Some(processes_of(&mut session, ids, wanted.as_deref()).await?),
        (None, Some(ids)) => Some(ids.clone()),
        (None, None) => None,
    };
    let rows = rows(&mut session, filter, processes).await?;
    let segments = rows.iter().map(|row| row.int(0)).collect::<Result<HashSet<i64>>>()?;
    let objects = objects(&mut session, segments.into_iter()).await?;
    drop(session);

    let streams: Option<HashSet<StreamId>> = filter.stream_ids.as_ref().map(|ids| ids.iter().copied().collect());
    let mut found = Vec::new();
    for row in &rows {
        let Some((_, segment)) = objects.get(&row.int(0)?) else { continue };
        entries::unpack(row.bytes(5)?, &common(row, segment)?, |entry| {
            if matches(filter, streams.as_ref(), &entry) {
                found.push(entry);
            }
        })?;
    }
    found.sort_unstable_by_key(|entry| (entry.stream_id, entry.sequence));
    Ok(found)
}

/// The parts of the filter that rows are pruned by, asked again of each entry.
fn matches(filter: &BlockFilter, streams: Option<&HashSet<StreamId>>, entry: &BlockEntry) -> bool {
    streams.is_none_or(|streams| streams.contains(&entry.stream_id))
        && filter.kind.as_ref().is_none_or(|kind| *kind == entry.kind)
        && filter.time_from.is_none_or(|from| entry.max_time >= from)
        && filter.time_to.is_none_or(|to| entry.min_time <= to)
        && filter.positions.is_none_or(|range| {
            let position = &entry.position;
            position.incarnation == range.incarnation
                && position.topic_partition == range.topic_partition
                && (range.from..range.to).contains(&position.offset)
        })
}

async fn rows(session: &mut Session, filter: &BlockFilter, processes: Option<Vec<ProcessId>>) -> Result<Vec<Row>> {
    let mut sql = format!("SELECT {COLUMNS} FROM block_index WHERE 1 = 1");
    let mut values: Vec<Value> = Vec::new();
    let mut when = |condition: &str, value: Value| {
        values.push(value);
        let _ = write!(sql, " AND {condition} ${}", values.len());
    };
    if let Some(kind) = &filter.kind {
        when("topic =", kind.topic().name().into());
    }
    if let Some(from) = filter.time_from {
        when("max_time >=", from.into());
    }
    if let Some(to) = filter.time_to {
        when("min_time <=", to.into());
    }
    if let Some(range) = &filter.positions {
        when("incarnation =", range.incarnation.0.into());
        when("partition_number =", range.topic_partition.partition.into());
        when("max_offset >=", range.from.0.into());
        when("min_offset <", range.to.0.into());
    }
    match processes {
        Some(ids) => {
            let ids = ids.iter().map(|id| id.as_bytes().into()).collect();
            session.rows_in(&format!("{sql} AND process_id"), ids, "", &values).await
        }
        None => session.rows_of(sql, values).await,
    }
}

/// The processes of these streams, among those wanted.
async fn processes_of(
    session: &mut Session,
    streams: &[StreamId],
    wanted: Option<&[ProcessId]>,
) -> Result<Vec<ProcessId>> {
    let ids = streams.iter().map(|id| id.as_bytes().into()).collect();
    let rows = session.rows_in("SELECT DISTINCT process_id FROM streams WHERE stream_id", ids, "", &[]).await?;
    let mut processes = HashSet::new();
    for row in rows {
        let id = ProcessId::from_bytes(row.id(0)?);
        if wanted.is_none_or(|wanted| wanted.contains(&id)) {
            processes.insert(id);
        }
    }
    Ok(processes.into_iter().collect())
}

/// What the blocks of a segment have in common; nothing, for whom it does not matter.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    pub(super) object: Arc<str>,
    pub(super) schema: u64,
}

/// The schema of blocks in segments from before the catalog kept it.
const FIRST_SCHEMA: u64 = 0x20b5_5391_01a6_142b;

/// Segments and their topics, by their numbers.
pub(super) async fn objects(
    session: &mut Session,
    segments: impl Iterator<Item = i64>,
) -> Result<HashMap<i64, (Topic, Segment)>> {
    let ids: HashSet<i64> = segments.collect();
    let ids = ids.into_iter().map(Value::from).collect();
    let head = "SELECT segment_id, topic, object_key, block_schema FROM segments WHERE segment_id";
    let rows = session.rows_in(head, ids, "", &[]).await?;
    rows.iter()
        .map(|row| {
            let schema = row.optional_int(3)?.map_or(FIRST_SCHEMA, i64::cast_unsigned);
            Ok((row.int(0)?, (topic(row.text(1)?)?, Segment { object: row.text(2)?.into(), schema })))
        })
        .collect()
}

/// The CRCs of blocks that are visible already, by identity.
///
/// A block that came again has the times of the first, so rows that overlap them are read first; the rest only for what was not found there.
pub(super) async fn crcs(
    session: &mut Session,
    topic: Topic,
    wanted: &[&NewBlock],
) -> Result<HashMap<(StreamId, u64), u32>> {
    let mut found = HashMap::new();
    if wanted.is_empty() {
        return Ok(found);
    }
    let from = wanted.iter().map(|block| block.header.min_time).min().unwrap_or(i64::MIN);
    let to = wanted.iter().map(|block| block.header.max_time).max().unwrap_or(i64::MAX);
    for (from, to) in [(from, to), (i64::MIN, i64::MAX)] {
        let identity = |block: &NewBlock| (block.header.stream_id, block.header.sequence);
        let missing: Vec<_> = wanted.iter().filter(|block| !found.contains_key(&identity(block))).collect();
        let identities: HashSet<_> = missing.iter().map(|block| identity(block)).collect();
        let processes: HashSet<ProcessId> = missing.iter().map(|block| block.header.process_id).collect();
        let rows = session
            .rows_in(
                &format!(
                    "SELECT {COLUMNS} FROM block_index WHERE topic = $1 AND max_time >= $2 AND min_time <= $3 AND process_id"
                ),
                processes.iter().map(|id| id.as_bytes().into()).collect(),
                "",
                &[topic.name().into(), from.into(), to.into()],
            )
            .await?;
        for row in &rows {
            entries::unpack(row.bytes(5)?, &common(row, &Segment::default())?, |entry| {
                let identity = (entry.stream_id, entry.sequence);
                if identities.contains(&identity) {
                    found.insert(identity, entry.crc);
                }
            })?;
        }
    }
    Ok(found)
}

/// The visible blocks of these segments.
pub(super) async fn of_segments(session: &mut Session, segments: &[i64]) -> Result<Vec<BlockEntry>> {
    let ids = segments.iter().map(|&id| id.into()).collect();
    let rows = session.rows_in(&format!("SELECT {COLUMNS} FROM block_index WHERE segment_id"), ids, "", &[]).await?;
    let mut found = Vec::new();
    for row in &rows {
        entries::unpack(row.bytes(5)?, &common(row, &Segment::default())?, |entry| found.push(entry))?;
    }
    Ok(found)
}

/// The visible blocks of these processes, each with the number of its segment.
pub(super) async fn of_processes(
    session: &mut Session,
    processes: &HashSet<ProcessId>,
) -> Result<Vec<(i64, BlockEntry)>> {
    let ids = processes.iter().map(|id| id.as_bytes().into()).collect();
    let rows = session.rows_in(&format!("SELECT {COLUMNS} FROM block_index WHERE process_id"), ids, "", &[]).await?;
    let mut found = Vec::new();
    for row in &rows {
        let segment = row.int(0)?;
        entries::unpack(row.bytes(5)?, &common(row, &Segment::default())?, |entry| found.push((segment, entry)))?;
    }
    Ok(found)
}
