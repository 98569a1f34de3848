//! Segments as objects: which there are, which must go.

use super::{
    expired, index,
    session::{Lock, Session, Store, Value, damaged},
    streams::{self, StreamRow},
};
use crate::{BlockEntry, Result, SegmentEntry};
use framelake_wire::{ProcessId, StreamId, Topic, UnixNanos};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

pub(super) async fn segments(store: &Store, topic: Option<Topic>, limit: u64) -> Result<Vec<SegmentEntry>> {
    let mut session = store.read().await?;
    let rows = match topic {
        Some(topic) => {
            session
                .rows(
                    "SELECT object_key, topic, bytes, max_time, committed FROM segments WHERE topic = $1 ORDER BY segment_id LIMIT $2",
                    vec![topic.name().into(), limit.into()],
                )
                .await?
        }
        None => {
            session
                .rows(
                    "SELECT object_key, topic, bytes, max_time, committed FROM segments ORDER BY segment_id LIMIT $1",
                    vec![limit.into()],
                )
                .await?
        }
    };
    rows.iter()
        .map(|row| {
            Ok(SegmentEntry {
                key: row.text(0)?.to_owned(),
                topic: index::topic(row.text(1)?)?,
                bytes: row.count(2)?,
                max_time: row.optional_int(3)?,
                committed: row.int(4)?,
            })
        })
        .collect()
}

pub(super) async fn expire_segments(store: &Store, keys: &[String]) -> Result<()> {
    let mut session = store.write().await?;
    session.lock(Lock::Doom).await?;
    let rows =
        session.rows_in("SELECT segment_id, object_key FROM segments WHERE object_key", values(keys), "", &[]).await?;
    let ids = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<i64>>>()?;
    let known = rows.iter().map(|row| Ok(row.text(1)?.to_owned())).collect::<Result<Vec<String>>>()?;

    let blocks = index::of_segments(&mut session, &ids).await?;
    lock(&mut session, blocks.iter().map(|entry| entry.process_id).collect()).await?;
    let mut rows = take_out(&mut session, &blocks).await?;
    let ids: Vec<Value> = ids.into_iter().map(Value::from).collect();
    let ranges = expired::of_segments(&mut session, ids.clone()).await?;
    session.execute_in("DELETE FROM block_index WHERE segment_id", ids.clone(), "").await?;
    session.execute_in("DELETE FROM segments WHERE segment_id", ids, "").await?;
    expired::add(&mut session, ranges).await?;
    find_newest(&mut session, &mut rows).await?;
    streams::store(&mut session, rows.values(), -1).await?;
    let now = session.now().await?;
    add_doom(&mut session, &known, now).await?;
    session.release_space().await?;
    session.commit().await
}

/// Locks the rows of processes, as a commit does before it changes their streams.
async fn lock(session: &mut Session, processes: HashSet<ProcessId>) -> Result<()> {
    let keys = processes.iter().map(|id| id.as_bytes().into()).collect();
    let tail = format!("ORDER BY process_id {}", session.for_update());
    session.rows_in("SELECT process_id FROM processes WHERE process_id", keys, &tail, &[]).await?;
    Ok(())
}

/// The streams of the blocks, without those blocks.
async fn take_out(session: &mut Session, expired: &[BlockEntry]) -> Result<HashMap<StreamId, StreamRow>> {
    let ids: HashSet<StreamId> = expired.iter().map(|entry| entry.stream_id).collect();
    let rows = streams::load(session, ids.into_iter()).await?;
    let mut rows: HashMap<StreamId, StreamRow> = rows.into_iter().map(|row| (row.stream_id, row)).collect();
    for entry in expired {
        if let Some(row) = rows.get_mut(&entry.stream_id) {
            row.subtract(entry);
        }
    }
    Ok(rows)
}

/// Finds the newest block anew where it was taken out and others are left.
async fn find_newest(session: &mut Session, rows: &mut HashMap<StreamId, StreamRow>) -> Result<()> {
    let lost: HashSet<ProcessId> =
        rows.values().filter(|row| row.newest.is_none() && row.block_count > 0).map(|row| row.process_id).collect();
    if lost.is_empty() {
        return Ok(());
    }
    for (segment, entry) in index::of_processes(session, &lost).await? {
        if let Some(row) = rows.get_mut(&entry.stream_id)
            && row.newest.as_ref().is_none_or(|newest| newest.sequence < entry.sequence)
        {
            row.newest = Some(streams::Newest::of(entry, Some(segment)));
        }
    }
    Ok(())
}

pub(super) async fn unknown_objects(store: &Store, keys: &[String]) -> Result<Vec<String>> {
    let mut session = store.read().await?;
    let mut known = named(&mut session, keys).await?;
    let doomed = "SELECT object_key FROM doomed_objects WHERE deleted IS NULL AND object_key";
    for row in session.rows_in(doomed, values(keys), "", &[]).await? {
        known.insert(row.text(0)?.to_owned());
    }
    Ok(keys.iter().filter(|&key| !known.contains(key)).cloned().collect())
}

/// Those of the keys that a segment or a view's partition has.
async fn named(session: &mut Session, keys: &[String]) -> Result<HashSet<String>> {
    let mut named = HashSet::new();
    for head in
        ["SELECT object_key FROM segments WHERE object_key", "SELECT object_key FROM view_partitions WHERE object_key"]
    {
        for row in session.rows_in(head, values(keys), "", &[]).await? {
            named.insert(row.text(0)?.to_owned());
        }
    }
    Ok(named)
}

/// Dooms the keys that nothing names: what was committed since somebody looked stays.
pub(super) async fn doom(store: &Store, keys: &[String]) -> Result<()> {
    let mut session = store.write().await?;
    session.lock(Lock::Doom).await?;
    let named = named(&mut session, keys).await?;
    let orphans: Vec<String> = keys.iter().filter(|&key| !named.contains(key)).cloned().collect();
    let now = session.now().await?;
    add_doom(&mut session, &orphans, now).await?;
    session.commit().await
}

pub(super) async fn add_doom(session: &mut Session, keys: &[String], now: UnixNanos) -> Result<()> {
    let rows = keys.iter().map(|key| vec![key.into(), now.into()]).collect();
    session
        .insert(
            "INSERT INTO doomed_objects (object_key, doomed)",
            rows,
            "ON CONFLICT (object_key) DO UPDATE SET doomed = excluded.doomed, deleted = NULL \
             WHERE doomed_objects.deleted IS NOT NULL",
        )
        .await?;
    Ok(())
}

pub(super) async fn is_doomed(session: &mut Session, key: &str) -> Result<bool> {
    let rows = session.rows("SELECT 1 FROM doomed_objects WHERE object_key = $1", vec![key.into()]).await?;
    Ok(!rows.is_empty())
}

pub(super) async fn doomed(store: &Store, grace: Duration, limit: u64) -> Result<Vec<String>> {
    let mut session = store.read().await?;
    let before = ago(&mut session, grace).await?;
    let rows = session
        .rows(
            "SELECT object_key FROM doomed_objects WHERE deleted IS NULL AND doomed <= $1 ORDER BY doomed, object_key LIMIT $2",
            vec![before.into(), limit.into()],
        )
        .await?;
    rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect()
}

pub(super) async fn objects_deleted(store: &Store, keys: &[String]) -> Result<()> {
    let mut session = store.write().await?;
    let now = session.now().await?;
    let rows = keys.iter().map(|key| vec![key.into(), now.into(), now.into()]).collect();
    session
        .insert(
            "INSERT INTO doomed_objects (object_key, doomed, deleted)",
            rows,
            "ON CONFLICT (object_key) DO UPDATE SET deleted = excluded.deleted",
        )
        .await?;
    session.commit().await
}

pub(super) async fn forget_deleted(store: &Store, keep: Duration, keep_max: u64, limit: u64) -> Result<u64> {
    let mut session = store.write().await?;
    let before = ago(&mut session, keep).await?;
    let sums = session
        .rows(
            "SELECT count(*), CAST(coalesce(sum(CASE WHEN deleted <= $1 THEN 1 ELSE 0 END), 0) AS BIGINT) \
             FROM doomed_objects WHERE deleted IS NOT NULL",
            vec![before.into()],
        )
        .await?;
    let sums = sums.first().ok_or_else(|| damaged("sums have no row"))?;
    let (all, old) = (sums.count(0)?, sums.count(1)?);
    let forgotten = old.max(all.saturating_sub(keep_max)).min(limit);
    if forgotten > 0 {
        session
            .execute(
                "DELETE FROM doomed_objects WHERE object_key IN (SELECT object_key FROM doomed_objects \
                 WHERE deleted IS NOT NULL ORDER BY deleted, object_key LIMIT $1)",
                vec![forgotten.into()],
            )
            .await?;
        session.commit().await?;
    }
    Ok(forgotten)
}

/// That long ago, by the catalog's clock.
async fn ago(session: &mut Session, age: Duration) -> Result<UnixNanos> {
    Ok(session.now().await?.saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX)))
}

pub(super) fn values(keys: &[String]) -> Vec<Value> {
    keys.iter().map(Value::from).collect()
}
