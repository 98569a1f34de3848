//! Incarnations of topics, how far each partition is, leases, and the sums.

use super::{
    index::{small, topic},
    session::{Session, Store, damaged},
};
use crate::{Incarnation, Progress, Result, Run, Status};
use framelake_log::{Offset, TopicId, TopicPartition};
use framelake_wire::Topic;
use std::time::Duration;

pub(super) async fn incarnation(store: &Store, topic: Topic, id: TopicId) -> Result<Incarnation> {
    let key = || vec![topic.name().into(), id.0.as_bytes().into()];
    const KNOWN: &str = "SELECT incarnation FROM incarnations WHERE topic = $1 AND topic_id = $2";
    let mut session = store.write().await?;
    if let Some(row) = session.rows(KNOWN, key()).await?.first() {
        return Ok(Incarnation(small(row.int(0)?)?));
    }
    // The counter's row is locked from here on: who waited for it looks again.
    let next = session
        .rows("UPDATE counters SET value = value + 1 WHERE name = 'incarnation' RETURNING value", vec![])
        .await?;
    let next = next.first().ok_or_else(|| damaged("the incarnations have no counter"))?.int(0)?;
    if let Some(row) = session.rows(KNOWN, key()).await?.first() {
        return Ok(Incarnation(small(row.int(0)?)?));
    }
    let values = vec![next.into(), topic.name().into(), id.0.as_bytes().into()];
    session.execute("INSERT INTO incarnations (incarnation, topic, topic_id) VALUES ($1, $2, $3)", values).await?;
    session.commit().await?;
    Ok(Incarnation(small(next)?))
}

pub(super) async fn progress(store: &Store) -> Result<Vec<Progress>> {
    let mut session = store.read().await?;
    let rows = session
        .rows(
            "SELECT incarnation, topic, partition_number, next_offset, last_segment FROM sink_progress \
             ORDER BY incarnation, partition_number",
            vec![],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Progress {
                incarnation: Incarnation(small(row.int(0)?)?),
                topic_partition: TopicPartition { topic: topic(row.text(1)?)?, partition: small(row.int(2)?)? },
                next: Offset(row.int(3)?),
                last_segment: row.text(4)?.to_owned(),
            })
        })
        .collect()
}

/// Moves a partition from where the run expects it to the run's end; false where it stands elsewhere.
pub(super) async fn advance(session: &mut Session, run: &Run, segment: &str) -> Result<bool> {
    let log = (run.incarnation.0, run.topic_partition.partition);
    let changed = match run.expected {
        Some(expected) => {
            session
                .execute(
                    "UPDATE sink_progress SET next_offset = $1, last_segment = $2 \
                     WHERE incarnation = $3 AND partition_number = $4 AND next_offset = $5",
                    vec![run.next.0.into(), segment.into(), log.0.into(), log.1.into(), expected.0.into()],
                )
                .await?
        }
        None => {
            session
                .execute(
                    "INSERT INTO sink_progress (incarnation, topic, partition_number, next_offset, last_segment) \
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (incarnation, partition_number) DO NOTHING",
                    vec![
                        log.0.into(),
                        run.topic_partition.topic.name().into(),
                        log.1.into(),
                        run.next.0.into(),
                        segment.into(),
                    ],
                )
                .await?
        }
    };
    Ok(changed == 1)
}

pub(super) async fn lease(store: &Store, name: &str, owner: &str, duration: Duration) -> Result<bool> {
    let mut session = store.write().await?;
    let now = session.now().await?;
    let expires = now.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX));
    let changed = session
        .execute(
            "INSERT INTO leases (name, owner, expires) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires = excluded.expires \
             WHERE leases.owner = excluded.owner OR leases.expires <= $4",
            vec![name.into(), owner.into(), expires.into(), now.into()],
        )
        .await?;
    session.commit().await?;
    Ok(changed == 1)
}

pub(super) async fn status(store: &Store) -> Result<Status> {
    let mut session = store.read().await?;
    let rows = session
        .rows(
            "SELECT (SELECT count(*) FROM processes), \
                    (SELECT count(*) FROM streams WHERE kind <> ''), \
                    CAST(coalesce(sum(block_count), 0) AS BIGINT), \
                    CAST(coalesce(sum(event_count), 0) AS BIGINT), \
                    CAST(coalesce(sum(duplicate_blocks), 0) AS BIGINT), \
                    CAST(coalesce(sum(missing_blocks), 0) AS BIGINT), \
                    CAST(coalesce(sum(dropped_events), 0) AS BIGINT), \
                    (SELECT count(*) FROM segments), \
                    (SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM segments), \
                    (SELECT count(*) FROM view_partitions), \
                    (SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM view_partitions), \
                    (SELECT count(*) FROM dead_letters), \
                    (SELECT count(*) FROM outbox) \
             FROM streams",
            vec![],
        )
        .await?;
    let row = rows.first().ok_or_else(|| damaged("sums have no row"))?;
    Ok(Status {
        processes: row.count(0)?,
        streams: row.count(1)?,
        blocks: row.count(2)?,
        events: row.count(3)?,
        duplicate_blocks: row.count(4)?,
        missing_blocks: row.count(5)?,
        dropped_events: row.count(6)?,
        segments: row.count(7)?,
        segment_bytes: row.count(8)?,
        view_partitions: row.count(9)?,
        view_bytes: row.count(10)?,
        dead_letters: row.count(11)?,
        outbox: row.count(12)?,
    })
}
