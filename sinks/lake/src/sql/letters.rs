//! What leaves the catalog or waits to be seen: dead letters, gaps, the outbox.

use super::{
    entries::{Reader, put_unsigned},
    index::{small, topic},
    session::{Session, Store, damaged},
};
use crate::{DeadLetter, DeadLetterEntry, Gap, Incarnation, OutboxEntry, Position, Result};
use bytes::Bytes;
use framelake_log::{Offset, TopicPartition};
use framelake_wire::{Topic, UnixNanos};

/// The headers of a dead letter, named as Kafka's own will be (KIP-1317): the broker calls what a consumer refused by this word.
const DISPOSITION: (&str, &str) = ("_dlq.errors.disposition", "CLIENT_REJECTED");
const ORIGINAL_TOPIC: &str = "_dlq.errors.original.topic";
const ORIGINAL_PARTITION: &str = "_dlq.errors.original.partition";
const ORIGINAL_OFFSET: &str = "_dlq.errors.original.offset";
const REASON: &str = "_dlq.errors.reason";

/// Keeps what can be seen of the letters, and puts their bytes into the outbox.
pub(super) async fn add<'a>(
    session: &mut Session,
    letters: impl Iterator<Item = &'a DeadLetter>,
    now: UnixNanos,
) -> Result<()> {
    let (mut seen, mut messages) = (Vec::new(), Vec::new());
    for letter in letters {
        let position = &letter.position;
        seen.push(vec![
            position.incarnation.0.into(),
            position.topic_partition.topic.name().into(),
            position.topic_partition.partition.into(),
            position.offset.0.into(),
            String::from_utf8_lossy(&letter.key).as_ref().into(),
            (letter.value.len() as u64).into(),
            (&letter.reason).into(),
            now.into(),
        ]);
        messages.push(letter);
    }
    if messages.is_empty() {
        return Ok(());
    }
    session
        .insert(
            "INSERT INTO dead_letters (incarnation, topic, partition_number, record_offset, record_key, bytes, reason, found)",
            seen,
            "",
        )
        .await?;
    // The row's lock is held to the end, so numbers are dense and follow the order of commits.
    let last = session
        .rows(
            "UPDATE counters SET value = value + $1 WHERE name = 'outbox' RETURNING value",
            vec![(messages.len() as u64).into()],
        )
        .await?;
    let last = last.first().ok_or_else(|| damaged("the outbox has no counter"))?.int(0)?;
    let rows = (last - messages.len() as i64 + 1..)
        .zip(messages)
        .map(|(number, letter)| {
            vec![
                number.into(),
                Topic::DeadLetters.name().into(),
                letter.key.as_ref().into(),
                letter.value.as_ref().into(),
                pack_headers(&headers(letter)).into(),
            ]
        })
        .collect();
    session.insert("INSERT INTO outbox (number, topic, message_key, value, headers)", rows, "").await?;
    Ok(())
}

fn headers(letter: &DeadLetter) -> Vec<(&'static str, String)> {
    let position = &letter.position;
    vec![
        (DISPOSITION.0, DISPOSITION.1.to_owned()),
        (ORIGINAL_TOPIC, position.topic_partition.topic.name().to_owned()),
        (ORIGINAL_PARTITION, position.topic_partition.partition.to_string()),
        (ORIGINAL_OFFSET, position.offset.to_string()),
        (REASON, letter.reason.clone()),
    ]
}

fn pack_headers(headers: &[(&str, String)]) -> Vec<u8> {
    let mut out = Vec::new();
    put_unsigned(&mut out, headers.len() as u64);
    for (name, value) in headers {
        for part in [name.as_bytes(), value.as_bytes()] {
            put_unsigned(&mut out, part.len() as u64);
            out.extend_from_slice(part);
        }
    }
    out
}

fn unpack_headers(bytes: &[u8]) -> Result<Vec<(String, Bytes)>> {
    let mut reader = Reader::new(bytes);
    let mut headers = Vec::new();
    for _ in 0..reader.unsigned()? {
        let length = reader.unsigned()?;
        let name = String::from_utf8_lossy(reader.take(length)?).into_owned();
        let length = reader.unsigned()?;
        headers.push((name, Bytes::copy_from_slice(reader.take(length)?)));
    }
    reader.finish()?;
    Ok(headers)
}

pub(super) async fn add_gaps(session: &mut Session, gaps: &[Gap], now: UnixNanos) -> Result<()> {
    let rows = gaps
        .iter()
        .map(|gap| {
            vec![
                gap.from.incarnation.0.into(),
                gap.from.topic_partition.topic.name().into(),
                gap.from.topic_partition.partition.into(),
                gap.from.offset.0.into(),
                gap.to.0.into(),
                (&gap.reason).into(),
                now.into(),
            ]
        })
        .collect();
    session
        .insert(
            "INSERT INTO gaps (incarnation, topic, partition_number, from_offset, to_offset, reason, found)",
            rows,
            "",
        )
        .await?;
    Ok(())
}

pub(super) async fn outbox(store: &Store, limit: u64) -> Result<Vec<OutboxEntry>> {
    let mut session = store.read().await?;
    let rows = session
        .rows(
            "SELECT number, topic, message_key, value, headers FROM outbox ORDER BY number LIMIT $1",
            vec![limit.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(OutboxEntry {
                number: row.int(0)?,
                topic: topic(row.text(1)?)?,
                key: Bytes::copy_from_slice(row.bytes(2)?),
                value: Bytes::copy_from_slice(row.bytes(3)?),
                headers: unpack_headers(row.bytes(4)?)?,
            })
        })
        .collect()
}

pub(super) async fn outbox_relayed(store: &Store, number: i64) -> Result<()> {
    let mut session = store.write().await?;
    session.execute("DELETE FROM outbox WHERE number <= $1", vec![number.into()]).await?;
    session.commit().await
}

pub(super) async fn dead_letters(store: &Store, limit: u64) -> Result<Vec<DeadLetterEntry>> {
    let mut session = store.read().await?;
    let rows = session
        .rows(
            "SELECT incarnation, topic, partition_number, record_offset, record_key, bytes, reason, found FROM dead_letters \
             ORDER BY letter_id DESC LIMIT $1",
            vec![limit.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(DeadLetterEntry {
                position: position(row.int(0)?, row.text(1)?, row.int(2)?, row.int(3)?)?,
                key: row.text(4)?.to_owned(),
                bytes: row.count(5)?,
                reason: row.text(6)?.to_owned(),
                time: row.int(7)?,
            })
        })
        .collect()
}

pub(super) async fn forget(store: &Store, found: UnixNanos, limit: u64) -> Result<u64> {
    let mut session = store.write().await?;
    let values = || vec![found.into(), limit.into()];
    let letters = session
        .execute(
            "DELETE FROM dead_letters WHERE letter_id IN \
             (SELECT letter_id FROM dead_letters WHERE found < $1 ORDER BY found, letter_id LIMIT $2)",
            values(),
        )
        .await?;
    let gaps = session
        .execute(
            "DELETE FROM gaps WHERE gap_id IN (SELECT gap_id FROM gaps WHERE found < $1 ORDER BY found, gap_id LIMIT $2)",
            values(),
        )
        .await?;
    session.commit().await?;
    Ok(letters + gaps)
}

pub(super) async fn gaps(store: &Store, limit: u64) -> Result<Vec<Gap>> {
    let mut session = store.read().await?;
    let rows = session
        .rows(
            "SELECT incarnation, topic, partition_number, from_offset, to_offset, reason, found FROM gaps \
             ORDER BY gap_id DESC LIMIT $1",
            vec![limit.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Gap {
                from: position(row.int(0)?, row.text(1)?, row.int(2)?, row.int(3)?)?,
                to: Offset(row.int(4)?),
                reason: row.text(5)?.to_owned(),
                time: row.int(6)?,
            })
        })
        .collect()
}

fn position(incarnation: i64, topic_name: &str, partition: i64, offset: i64) -> Result<Position> {
    Ok(Position {
        incarnation: Incarnation(small(incarnation)?),
        topic_partition: TopicPartition { topic: topic(topic_name)?, partition: small(partition)? },
        offset: Offset(offset),
    })
}
