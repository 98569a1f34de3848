//! Incarnations of topics, how far each partition is, leases, and the sums.

use super::{
    index::{small, topic},
    session::{Session, Store, damaged},
};
use crate::{Incarnation, Progress, RecordMark, Result, Run, Status};
use framelake_log::{Offset, TopicId, TopicPartition};
use framelake_wire::Topic;
use std::time::Duration;

pub(super) async fn incarnation(store: &Store, topic: Topic, id: TopicId) -> Result<Incarnation> {
    let mut session = store.write().await?;
    if let Some(known) = known_incarnation(&mut session, topic, id).await? {
        return Ok(known);
    }
    let next = count_incarnation(&mut session).await?;
    if let Some(known) = known_incarnation(&mut session, topic, id).await? {
        return Ok(known);
    }
    let values = vec![next.0.into(), topic.name().into(), id.0.as_bytes().into()];
    session.execute("INSERT INTO incarnations (incarnation, topic, topic_id) VALUES ($1, $2, $3)", values).await?;
    session.commit().await?;
    Ok(next)
}

pub(super) async fn next_incarnation(
    store: &Store,
    topic: Topic,
    id: TopicId,
    previous: Incarnation,
    lost: &[u32],
) -> Result<Incarnation> {
    let mut session = store.write().await?;
    let next = count_incarnation(&mut session).await?;
    let known = known_incarnation(&mut session, topic, id).await?;
    let known = known.ok_or_else(|| damaged(format_args!("topic {topic} lost its incarnation")))?;
    if known != previous {
        return Ok(known);
    }
    let values = vec![next.0.into(), previous.0.into()];
    session.execute("UPDATE incarnations SET incarnation = $1 WHERE incarnation = $2", values.clone()).await?;
    session
        .execute(
            "INSERT INTO sink_progress (incarnation, topic, partition_number, next_offset, last_segment, last_record) \
             SELECT CAST($1 AS BIGINT), topic, partition_number, next_offset, last_segment, last_record \
             FROM sink_progress WHERE incarnation = $2",
            values,
        )
        .await?;
    for &partition in lost {
        let values = vec![next.0.into(), partition.into()];
        session.execute("DELETE FROM sink_progress WHERE incarnation = $1 AND partition_number = $2", values).await?;
    }
    session.commit().await?;
    Ok(next)
}

async fn known_incarnation(session: &mut Session, topic: Topic, id: TopicId) -> Result<Option<Incarnation>> {
    let values = vec![topic.name().into(), id.0.as_bytes().into()];
    let rows = session.rows("SELECT incarnation FROM incarnations WHERE topic = $1 AND topic_id = $2", values).await?;
    rows.first().map(|row| Ok(Incarnation(small(row.int(0)?)?))).transpose()
}

/// The next number that no topic has. The counter's row is locked from here on: who waited for it must look again.
async fn count_incarnation(session: &mut Session) -> Result<Incarnation> {
    let next = session
        .rows("UPDATE counters SET value = value + 1 WHERE name = 'incarnation' RETURNING value", vec![])
        .await?;
    let next = next.first().ok_or_else(|| damaged("the incarnations have no counter"))?.int(0)?;
    Ok(Incarnation(small(next)?))
}

pub(super) async fn progress(store: &Store) -> Result<Vec<Progress>> {
    let mut session = store.read().await?;
    let rows = session
        .rows(
            "SELECT incarnation, topic, partition_number, next_offset, last_segment, last_record FROM sink_progress \
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
                last_record: row.optional_int(5)?.map(RecordMark),
            })
        })
        .collect()
}

/// Moves a partition from where the run expects it to the run's end; false where it stands elsewhere.
pub(super) async fn advance(session: &mut Session, run: &Run, last: Option<RecordMark>, segment: &str) -> Result<bool> {
    let last = last.map(|mark| mark.0);
    let log = (run.incarnation.0, run.topic_partition.partition);
    let changed = match run.expected {
        Some(expected) => {
            session
                .execute(
                    "UPDATE sink_progress SET next_offset = $1, last_segment = $2, last_record = $3 \
                     WHERE incarnation = $4 AND partition_number = $5 AND next_offset = $6",
                    vec![
                        run.next.0.into(),
                        segment.into(),
                        last.into(),
                        log.0.into(),
                        log.1.into(),
                        expected.0.into(),
                    ],
                )
                .await?
        }
        None => {
            session
                .execute(
                    "INSERT INTO sink_progress (incarnation, topic, partition_number, next_offset, last_segment, last_record) \
                     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (incarnation, partition_number) DO NOTHING",
                    vec![
                        log.0.into(),
                        run.topic_partition.topic.name().into(),
                        log.1.into(),
                        run.next.0.into(),
                        segment.into(),
                        last.into(),
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
