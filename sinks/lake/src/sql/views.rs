//! What of the views stands in Parquet.

use super::{
    index::{small, topic},
    objects,
    session::{Lock, Row, Session, Store, Value, damaged},
};
use crate::{
    AddOutcome, Incarnation, NewPartition, PositionRange, Result, Scope, ScopeCoverage, ViewPartition, ViewVersion,
};
use framelake_log::{Offset, TopicPartition};
use framelake_wire::{StreamId, Topic};
use std::collections::{BTreeSet, HashMap};

const COLUMNS: &str = "object_key, incarnation, topic, partition_number, from_offset, to_offset, row_count, bytes, min_time, max_time, scope";

pub(super) async fn coverage(store: &Store, view: &ViewVersion, scopes: &[Scope]) -> Result<Vec<ScopeCoverage>> {
    let mut session = store.read().await?;
    let first: [Value; 2] = [(&view.view).into(), view.version.into()];
    let keys: Vec<Value> = scopes.iter().map(|scope| Value::from(&scope.to_string())).collect();
    let mut counters = HashMap::new();
    let head = "SELECT scope, counter FROM view_scopes WHERE view_name = $1 AND version = $2 AND scope";
    for row in session.rows_in(head, keys.clone(), "", &first).await? {
        counters.insert(scope(row.text(0)?)?, row.count(1)?);
    }
    let mut partitions: HashMap<Scope, Vec<ViewPartition>> = HashMap::new();
    let head = format!("SELECT {COLUMNS} FROM view_partitions WHERE view_name = $1 AND version = $2 AND scope");
    for row in session.rows_in(&head, keys, "ORDER BY incarnation, partition_number, from_offset", &first).await? {
        partitions.entry(scope(row.text(10)?)?).or_default().push(partition(&row)?);
    }
    Ok(scopes
        .iter()
        .map(|scope| ScopeCoverage {
            scope: *scope,
            counter: counters.get(scope).copied().unwrap_or(0),
            partitions: partitions.get(scope).cloned().unwrap_or_default(),
        })
        .collect())
}

fn partition(row: &Row) -> Result<ViewPartition> {
    Ok(ViewPartition {
        object: row.text(0)?.to_owned(),
        range: PositionRange {
            incarnation: Incarnation(small(row.int(1)?)?),
            topic_partition: TopicPartition { topic: topic(row.text(2)?)?, partition: small(row.int(3)?)? },
            from: Offset(row.int(4)?),
            to: Offset(row.int(5)?),
        },
        rows: row.count(6)?,
        bytes: row.count(7)?,
        min_time: row.int(8)?,
        max_time: row.int(9)?,
    })
}

fn scope(text: &str) -> Result<Scope> {
    match text.strip_prefix("stream:") {
        None if text == "all" => Ok(Scope::All),
        Some(id) => Ok(Scope::Stream(id.parse::<StreamId>().map_err(damaged)?)),
        None => Err(damaged(format_args!("{text:?} is no scope"))),
    }
}

pub(super) async fn add_partition(store: &Store, new: &NewPartition) -> Result<AddOutcome> {
    let mut session = store.write().await?;
    session.lock(Lock::Name).await?;
    if is_there(&mut session, new).await? {
        return Ok(AddOutcome::Added);
    }
    if objects::is_doomed(&mut session, &new.partition.object).await?
        || !advance(&mut session, new).await?
        || overlaps(&mut session, new).await?
    {
        return Ok(AddOutcome::Superseded);
    }
    let partition = &new.partition;
    let range = &partition.range;
    let row = vec![
        (&partition.object).into(),
        range.incarnation.0.into(),
        range.topic_partition.topic.name().into(),
        range.topic_partition.partition.into(),
        range.from.0.into(),
        range.to.0.into(),
        partition.rows.into(),
        partition.bytes.into(),
        partition.min_time.into(),
        partition.max_time.into(),
        (&new.scope.to_string()).into(),
        (&new.view.view).into(),
        new.view.version.into(),
    ];
    session.insert(&format!("INSERT INTO view_partitions ({COLUMNS}, view_name, version)"), vec![row], "").await?;
    session.commit().await?;
    Ok(AddOutcome::Added)
}

/// Whether this very partition was added before: an ambiguous answer is asked again.
async fn is_there(session: &mut Session, new: &NewPartition) -> Result<bool> {
    let sql = format!("SELECT {COLUMNS}, view_name, version FROM view_partitions WHERE object_key = $1");
    let rows = session.rows_of(sql, vec![(&new.partition.object).into()]).await?;
    let Some(row) = rows.first() else { return Ok(false) };
    Ok(partition(row)? == new.partition
        && scope(row.text(10)?)? == new.scope
        && row.text(11)? == new.view.view
        && row.int(12)? == i64::from(new.view.version))
}

/// Moves the scope's counter from where the partition expects it; the row stays locked until the end.
async fn advance(session: &mut Session, new: &NewPartition) -> Result<bool> {
    let key = |mut values: Vec<Value>| {
        values.extend([(&new.view.view).into(), new.view.version.into(), (&new.scope.to_string()).into()]);
        values
    };
    let changed = if new.expected_counter == 0 {
        let sql = "INSERT INTO view_scopes (counter, view_name, version, scope) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (view_name, version, scope) DO NOTHING";
        session.execute(sql, key(vec![1.into()])).await?
    } else {
        let sql = "UPDATE view_scopes SET counter = counter + 1 \
                   WHERE counter = $1 AND view_name = $2 AND version = $3 AND scope = $4";
        session.execute(sql, key(vec![new.expected_counter.into()])).await?
    };
    Ok(changed == 1)
}

async fn overlaps(session: &mut Session, new: &NewPartition) -> Result<bool> {
    let range = &new.partition.range;
    let rows = session
        .rows(
            "SELECT 1 FROM view_partitions WHERE view_name = $1 AND version = $2 AND scope = $3 \
             AND incarnation = $4 AND partition_number = $5 AND from_offset < $6 AND to_offset > $7 LIMIT 1",
            vec![
                (&new.view.view).into(),
                new.view.version.into(),
                (&new.scope.to_string()).into(),
                range.incarnation.0.into(),
                range.topic_partition.partition.into(),
                range.to.0.into(),
                range.from.0.into(),
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

pub(super) async fn partitions(store: &Store, topic: Topic, limit: u64) -> Result<Vec<ViewPartition>> {
    let mut session = store.read().await?;
    let sql = format!("SELECT {COLUMNS} FROM view_partitions WHERE topic = $1 ORDER BY max_time, object_key LIMIT $2");
    let rows = session.rows_of(sql, vec![topic.name().into(), limit.into()]).await?;
    rows.iter().map(partition).collect()
}

pub(super) async fn retire_partitions(store: &Store, keys: &[String]) -> Result<u64> {
    let mut session = store.write().await?;
    session.lock(Lock::Doom).await?;
    let rows = session
        .rows_in(
            "SELECT object_key, view_name, version, scope FROM view_partitions WHERE object_key",
            objects::values(keys),
            "",
            &[],
        )
        .await?;
    let mut retired = Vec::with_capacity(rows.len());
    let mut scopes = BTreeSet::new();
    for row in &rows {
        retired.push(row.text(0)?.to_owned());
        scopes.insert((row.text(1)?, row.int(2)?, row.text(3)?));
    }
    for (view, version, scope) in scopes {
        let sql = "UPDATE view_scopes SET counter = counter + 1 WHERE view_name = $1 AND version = $2 AND scope = $3";
        session.execute(sql, vec![view.into(), version.into(), scope.into()]).await?;
    }
    let changed =
        session.execute_in("DELETE FROM view_partitions WHERE object_key", objects::values(&retired), "").await?;
    let now = session.now().await?;
    objects::add_doom(&mut session, &retired, now).await?;
    session.commit().await?;
    Ok(changed)
}
