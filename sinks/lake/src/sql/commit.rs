//! The transaction that brings a segment into the lake.

use super::{
    index, letters, plan, progress,
    session::{Lock, Session, Store, damaged},
    streams,
};
use crate::{CommitOutcome, Result, SegmentCommit};
use framelake_wire::ProcessId;
use std::collections::{BTreeSet, HashMap};

pub(super) async fn commit_segment(store: &Store, commit: &SegmentCommit) -> Result<CommitOutcome> {
    let mut session = store.write().await?;
    session.lock(Lock::Name).await?;
    if already_committed(&mut session, commit).await? {
        return Ok(CommitOutcome::AlreadyCommitted);
    }
    if super::objects::is_doomed(&mut session, &commit.key).await? {
        return Ok(CommitOutcome::Superseded);
    }
    if !advance(&mut session, commit).await? {
        // Perhaps by this very commit, whose answer was lost and which ended only while this one waited for its locks.
        let mine = already_committed(&mut session, commit).await?;
        return Ok(if mine { CommitOutcome::AlreadyCommitted } else { CommitOutcome::Superseded });
    }
    let now = session.now().await?;
    let segment = add_segment(&mut session, commit, now).await?;
    // Locks the rows of all processes concerned, so that their streams have one writer.
    let revisions = lock_processes(&mut session, commit).await?;

    let stored = streams::load(&mut session, plan::streams_named(commit).into_iter()).await?;
    let seen = plan::seen_before(commit, &stored);
    let crcs = index::crcs(&mut session, commit.topic, &seen).await?;
    let plan = plan::plan(commit, stored, crcs);

    index::add(&mut session, segment, commit.topic, &plan.visible).await?;
    streams::store(&mut session, plan.streams.values(), segment).await?;
    let processes = plan::newer_processes(&commit.processes, &revisions)
        .into_values()
        .map(|process| vec![process.process_id.as_bytes().into(), process.revision.into(), process.encode().into()])
        .collect();
    session
        .insert(
            "INSERT INTO processes (process_id, revision, record)",
            processes,
            "ON CONFLICT (process_id) DO UPDATE SET revision = excluded.revision, record = excluded.record",
        )
        .await?;
    letters::add(&mut session, commit.dead_letters.iter().chain(&plan.conflicts), now).await?;
    letters::add_gaps(&mut session, &commit.gaps, now).await?;
    session.commit().await?;
    Ok(CommitOutcome::Committed {
        visible: plan.visible.len() as u64,
        duplicates: plan.duplicates,
        conflicts: plan.conflicts.len() as u64,
    })
}

/// Whether this very commit happened: its segment is there, or was the last to move all of its partitions.
async fn already_committed(session: &mut Session, commit: &SegmentCommit) -> Result<bool> {
    let known = session.rows("SELECT 1 FROM segments WHERE object_key = $1", vec![(&commit.key).into()]).await?;
    if !known.is_empty() {
        return Ok(true);
    }
    let mut moved = !commit.runs.is_empty();
    for run in &commit.runs {
        let rows = session
            .rows(
                "SELECT 1 FROM sink_progress WHERE incarnation = $1 AND partition_number = $2 AND next_offset = $3 AND last_segment = $4",
                vec![
                    run.incarnation.0.into(),
                    run.topic_partition.partition.into(),
                    run.next.0.into(),
                    (&commit.key).into(),
                ],
            )
            .await?;
        moved &= !rows.is_empty();
    }
    Ok(moved)
}

/// Moves every partition of the commit, in one order for everybody so that two writers cannot wait for each other.
async fn advance(session: &mut Session, commit: &SegmentCommit) -> Result<bool> {
    let mut runs: Vec<_> = commit.runs.iter().collect();
    runs.sort_unstable_by_key(|run| (run.incarnation, run.topic_partition));
    for run in runs {
        let last = commit.last_records.get(&run.topic_partition).copied();
        if !progress::advance(session, run, last, &commit.key).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn add_segment(session: &mut Session, commit: &SegmentCommit, now: i64) -> Result<i64> {
    let max_time = commit.blocks.iter().map(|block| block.header.max_time).max();
    let rows = session
        .rows(
            "INSERT INTO segments (object_key, topic, bytes, record_count, max_time, committed, block_schema) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             RETURNING segment_id",
            vec![
                (&commit.key).into(),
                commit.topic.name().into(),
                commit.bytes.into(),
                commit.record_count.into(),
                max_time.into(),
                now.into(),
                commit.block_schema.map(u64::cast_signed).into(),
            ],
        )
        .await?;
    rows.first().ok_or_else(|| damaged("a segment got no number"))?.int(0)
}

/// Makes the missing rows of the commit's processes, locks all of them, and returns their revisions.
async fn lock_processes(session: &mut Session, commit: &SegmentCommit) -> Result<HashMap<ProcessId, Option<u64>>> {
    let blocks = commit.blocks.iter().map(|block| block.header.process_id);
    let ids: BTreeSet<ProcessId> = blocks.chain(commit.processes.iter().map(|process| process.process_id)).collect();
    let rows = ids.iter().map(|id| vec![id.as_bytes().into()]).collect();
    session.insert("INSERT INTO processes (process_id)", rows, "ON CONFLICT (process_id) DO NOTHING").await?;
    let keys = ids.iter().map(|id| id.as_bytes().into()).collect();
    let tail = format!("ORDER BY process_id {}", session.for_update());
    let rows = session.rows_in("SELECT process_id, revision FROM processes WHERE process_id", keys, &tail, &[]).await?;
    rows.iter()
        .map(|row| {
            let revision = row.optional_int(1)?.map(|revision| revision.max(0).unsigned_abs());
            Ok((ProcessId::from_bytes(row.id(0)?), revision))
        })
        .collect()
}
