//! The rows of `streams` and `processes`.

use super::{
    entries::{self, Common, Reader, known_kind, put_unsigned},
    index::Segment,
    sequences::Sequences,
    session::{Row, Session, Store, Value, damaged},
};
use crate::{BlockEntry, Error, Incarnation, NewBlock, ProcessEntry, Result, StreamEntry, StreamFilter};
use framelake_log::TopicPartition;
use framelake_wire::{Process, ProcessId, StreamId, StreamKind, Topic, UnixNanos};

/// The columns in the order in which [`StreamRow::read`] and [`StreamRow::values`] have them.
pub(super) const COLUMNS: &str = "stream_id, process_id, kind, thread_name, thread_number, block_count, event_count, row_count, \
     byte_count, next_ordinal, dropped_events, duplicate_blocks, missing_blocks, expired_below, min_time, max_time, sequences, \
     newest_sequence, newest_segment, newest, renamed";

/// A stream as the catalog keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamRow {
    pub(super) stream_id: StreamId,
    pub(super) process_id: ProcessId,
    /// `None` while only losses of the stream are known.
    pub(super) kind: Option<StreamKind>,
    pub(super) thread_name: String,
    pub(super) thread_number: u64,
    /// Not all of its blocks have this name and number.
    pub(super) renamed: bool,
    pub(super) block_count: u64,
    pub(super) event_count: u64,
    pub(super) row_count: u64,
    pub(super) byte_count: u64,
    pub(super) next_ordinal: u64,
    pub(super) dropped_events: u64,
    pub(super) duplicate_blocks: u64,
    pub(super) expired_below: u64,
    pub(super) min_time: UnixNanos,
    pub(super) max_time: UnixNanos,
    pub(super) sequences: Sequences,
    pub(super) newest: Option<Newest>,
}

/// The visible block with the greatest sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) sequence: u64,
    /// `None` until the segment that is being committed has its number.
    pub(super) segment: Option<i64>,
    /// Incarnation, partition, and the entry packed.
    pub(super) packed: Vec<u8>,
}

impl StreamRow {
    pub(super) fn new(stream_id: StreamId, process_id: ProcessId) -> Self {
        Self {
            stream_id,
            process_id,
            kind: None,
            thread_name: String::new(),
            thread_number: 0,
            renamed: false,
            block_count: 0,
            event_count: 0,
            row_count: 0,
            byte_count: 0,
            next_ordinal: 0,
            dropped_events: 0,
            duplicate_blocks: 0,
            expired_below: 0,
            min_time: UnixNanos::MAX,
            max_time: UnixNanos::MIN,
            sequences: Sequences::default(),
            newest: None,
        }
    }

    /// Counts a block whose sequence was put in.
    pub(super) fn add(&mut self, block: &NewBlock) {
        let header = &block.header;
        let named = (self.thread_name.as_str(), self.thread_number);
        self.renamed |= self.kind.is_some() && named != (header.thread_name.as_str(), header.thread_number);
        self.kind.get_or_insert_with(|| header.kind.clone());
        self.block_count += 1;
        self.event_count = self.event_count.saturating_add(header.event_count);
        self.row_count = self.row_count.saturating_add(header.row_count);
        self.byte_count = self.byte_count.saturating_add(block.byte_length.into());
        self.next_ordinal = self.next_ordinal.max(header.first_ordinal.saturating_add(header.ordinal_count));
        self.dropped_events = self.dropped_events.max(header.dropped_total);
        self.min_time = self.min_time.min(header.min_time);
        self.max_time = self.max_time.max(header.max_time);
        if self.newest.as_ref().is_none_or(|newest| newest.sequence < header.sequence) {
            // A thread may be named while it runs.
            self.thread_name.clone_from(&header.thread_name);
            self.thread_number = header.thread_number;
            self.newest = Some(Newest::of(entries::entry(block), None));
        }
    }

    /// Takes an expired block out.
    pub(super) fn subtract(&mut self, entry: &BlockEntry) {
        self.block_count = self.block_count.saturating_sub(1);
        self.event_count = self.event_count.saturating_sub(entry.event_count);
        self.row_count = self.row_count.saturating_sub(entry.row_count);
        self.byte_count = self.byte_count.saturating_sub(entry.byte_length.into());
        self.sequences.remove(entry.sequence);
        self.expired_below = self.expired_below.max(entry.sequence + 1);
        self.newest.take_if(|newest| newest.sequence == entry.sequence);
    }

    pub(super) fn read(row: &Row) -> Result<Self> {
        let kind = row.text(2)?;
        let newest_sequence = row.int(17)?;
        Ok(Self {
            stream_id: StreamId::from_bytes(row.id(0)?),
            process_id: ProcessId::from_bytes(row.id(1)?),
            kind: (!kind.is_empty()).then(|| known_kind(kind)),
            thread_name: row.text(3)?.to_owned(),
            thread_number: row.int(4)?.cast_unsigned(),
            renamed: row.int(20)? != 0,
            block_count: row.count(5)?,
            event_count: row.count(6)?,
            row_count: row.count(7)?,
            byte_count: row.count(8)?,
            next_ordinal: row.count(9)?,
            dropped_events: row.count(10)?,
            duplicate_blocks: row.count(11)?,
            // 12, the missing blocks, follows from the sequences; it stands there to be summed.
            expired_below: row.count(13)?,
            min_time: row.int(14)?,
            max_time: row.int(15)?,
            sequences: Sequences::unpack(row.bytes(16)?)?,
            newest: u64::try_from(newest_sequence)
                .ok()
                .map(|sequence| {
                    Ok::<_, Error>(Newest { sequence, segment: Some(row.int(18)?), packed: row.bytes(19)?.to_vec() })
                })
                .transpose()?,
        })
    }

    /// The row's values; `segment` is the number of the one being committed.
    pub(super) fn values(&self, segment: i64) -> Vec<Value> {
        let newest = self.newest.as_ref();
        vec![
            self.stream_id.as_bytes().into(),
            self.process_id.as_bytes().into(),
            self.kind.as_ref().map_or("", StreamKind::as_str).into(),
            (&self.thread_name).into(),
            self.thread_number.cast_signed().into(),
            self.block_count.into(),
            self.event_count.into(),
            self.row_count.into(),
            self.byte_count.into(),
            self.next_ordinal.into(),
            self.dropped_events.into(),
            self.duplicate_blocks.into(),
            self.sequences.missing(self.expired_below).into(),
            self.expired_below.into(),
            self.min_time.into(),
            self.max_time.into(),
            self.sequences.pack().into(),
            newest.map_or(Value::from(-1), |newest| newest.sequence.into()),
            newest.map_or(-1, |newest| newest.segment.unwrap_or(segment)).into(),
            newest.map_or(Vec::new(), |newest| newest.packed.clone()).into(),
            u32::from(self.renamed).into(),
        ]
    }

    fn into_entry(self) -> Option<StreamEntry> {
        Some(StreamEntry {
            stream_id: self.stream_id,
            process_id: self.process_id,
            kind: self.kind?,
            thread_name: self.thread_name,
            thread_number: self.thread_number,
            renamed: self.renamed,
            block_count: self.block_count,
            event_count: self.event_count,
            row_count: self.row_count,
            byte_count: self.byte_count,
            next_ordinal: self.next_ordinal,
            dropped_events: self.dropped_events,
            duplicate_blocks: self.duplicate_blocks,
            sequences: self.sequences.into_ranges(),
            expired_below: self.expired_below,
            min_time: self.min_time,
            max_time: self.max_time,
        })
    }
}

impl Newest {
    pub(super) fn of(entry: BlockEntry, segment: Option<i64>) -> Self {
        let mut packed = Vec::with_capacity(128);
        put_unsigned(&mut packed, entry.position.incarnation.0.cast_unsigned().into());
        put_unsigned(&mut packed, entry.position.topic_partition.partition.into());
        let sequence = entry.sequence;
        packed.extend(entries::pack(&[entry]));
        Self { sequence, segment, packed }
    }

    /// The entry that was packed.
    pub(super) fn unpack(packed: &[u8], process_id: ProcessId, topic: Topic, segment: &Segment) -> Result<BlockEntry> {
        let mut reader = Reader::new(packed);
        let incarnation = Incarnation(reader.small()?.cast_signed());
        let topic_partition = TopicPartition { topic, partition: reader.small()? };
        let mut found = None;
        let Segment { object, schema } = segment.clone();
        let common = Common { process_id, incarnation, topic_partition, object, schema };
        entries::unpack(reader.rest(), &common, |entry| found = Some(entry))?;
        found.ok_or_else(|| damaged("a stream's newest block is empty"))
    }
}

/// Writes the rows over those that are there; the rows of their processes must be locked.
pub(super) async fn store(session: &mut Session, rows: impl Iterator<Item = &StreamRow>, segment: i64) -> Result<()> {
    let rows: Vec<_> = rows.map(|row| row.values(segment)).collect();
    let count = rows.len() as u64;
    let set: Vec<String> = COLUMNS.split(", ").skip(1).map(|column| format!("{column} = excluded.{column}")).collect();
    let tail = format!(
        "ON CONFLICT (stream_id) DO UPDATE SET {} WHERE streams.process_id = excluded.process_id",
        set.join(", ")
    );
    let stored = session.insert(&format!("INSERT INTO streams ({COLUMNS})"), rows, &tail).await?;
    if stored != count {
        // Two processes claim one new stream at the same moment: the next try finds whose it is.
        let reason = "a stream was just taken by another process".to_owned();
        return Err(Error::CatalogUnavailable { reason, source: None });
    }
    Ok(())
}

/// The rows of these streams that are there.
pub(super) async fn load(session: &mut Session, ids: impl Iterator<Item = StreamId>) -> Result<Vec<StreamRow>> {
    let ids = ids.map(|id| id.as_bytes().into()).collect();
    let rows = session.rows_in(&format!("SELECT {COLUMNS} FROM streams WHERE stream_id"), ids, "", &[]).await?;
    rows.iter().map(StreamRow::read).collect()
}

/// The rows that a filter names, in no order.
async fn select(session: &mut Session, filter: &StreamFilter) -> Result<Vec<StreamRow>> {
    let head = format!("SELECT {COLUMNS} FROM streams WHERE");
    let rows = match (&filter.stream_ids, &filter.process_ids) {
        (Some(ids), _) => {
            let ids = ids.iter().map(|id| id.as_bytes().into()).collect();
            session.rows_in(&format!("{head} stream_id"), ids, "", &[]).await?
        }
        (None, Some(ids)) => {
            let ids = ids.iter().map(|id| id.as_bytes().into()).collect();
            session.rows_in(&format!("{head} process_id"), ids, "", &[]).await?
        }
        (None, None) => session.rows_of(format!("{head} kind <> ''"), vec![]).await?,
    };
    let mut streams = Vec::with_capacity(rows.len());
    for row in &rows {
        let stream = StreamRow::read(row)?;
        if let Some(kind) = &stream.kind
            && filter.kind.as_ref().is_none_or(|wanted| wanted == kind)
            && filter.process_ids.as_ref().is_none_or(|ids| ids.contains(&stream.process_id))
        {
            streams.push(stream);
        }
    }
    Ok(streams)
}

pub(super) async fn streams(store: &Store, filter: &StreamFilter) -> Result<Vec<StreamEntry>> {
    let mut session = store.read().await?;
    let mut streams: Vec<StreamEntry> =
        select(&mut session, filter).await?.into_iter().filter_map(StreamRow::into_entry).collect();
    streams.sort_unstable_by_key(|stream| (stream.process_id, stream.stream_id));
    Ok(streams)
}

pub(super) async fn newest_blocks(store: &Store, filter: &StreamFilter) -> Result<Vec<BlockEntry>> {
    let mut session = store.read().await?;
    let streams = select(&mut session, filter).await?;
    let segments = streams.iter().filter_map(|stream| stream.newest.as_ref()?.segment);
    let objects = super::index::objects(&mut session, segments).await?;
    let mut newest = Vec::with_capacity(streams.len());
    for stream in streams {
        if let Some(block) = stream.newest
            && let Some((topic, segment)) = block.segment.and_then(|segment| objects.get(&segment))
        {
            newest.push(Newest::unpack(&block.packed, stream.process_id, *topic, segment)?);
        }
    }
    newest.sort_unstable_by_key(|block| block.stream_id);
    Ok(newest)
}

pub(super) async fn processes(store: &Store, ids: Option<&[ProcessId]>) -> Result<Vec<ProcessEntry>> {
    let mut session = store.read().await?;
    let rows = match ids {
        Some(ids) => {
            let ids = ids.iter().map(|id| id.as_bytes().into()).collect();
            session.rows_in("SELECT process_id, record FROM processes WHERE process_id", ids, "", &[]).await?
        }
        None => session.rows("SELECT process_id, record FROM processes", vec![]).await?,
    };
    let mut processes = Vec::with_capacity(rows.len());
    for row in &rows {
        let process = row.optional_bytes(1)?.map(Process::decode).transpose().map_err(damaged)?;
        processes.push(ProcessEntry { process_id: ProcessId::from_bytes(row.id(0)?), process });
    }
    processes.sort_unstable_by_key(|entry| entry.process_id);
    Ok(processes)
}
