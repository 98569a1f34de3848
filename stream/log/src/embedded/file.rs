//! The database file: its lock, its schema, and what stands in it when it is opened.

use super::{Options, failure::Failure, place::Place};
use crate::{
    Bounds, Error, Offset, Result, TopicDescription, TopicId, partitions_of,
    tails::{Slots, Tails},
};
use framelake_wire::Topic;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection, SqlitePool,
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    ffi::OsString,
    fs::{File, TryLockError},
    io::{Read, Write},
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// The layout that this version writes, in `PRAGMA user_version`.
const SCHEMA_VERSION: i64 = 1;

/// Says whose file it is, in `PRAGMA application_id`: "FLog".
const APPLICATION_ID: i64 = 0x464c_6f67;

/// `earliest` is where reading begins, also when nothing is left; the end is one beyond the last record, or `earliest`.
const SCHEMA: &str = "
    CREATE TABLE topics (
        name TEXT PRIMARY KEY,
        id BLOB NOT NULL,
        partitions INTEGER NOT NULL,
        first_slot INTEGER NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE slots (
        slot INTEGER PRIMARY KEY,
        earliest INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE records (
        place INTEGER PRIMARY KEY,
        timestamp_ms INTEGER NOT NULL,
        key BLOB NOT NULL,
        value BLOB NOT NULL,
        headers BLOB NOT NULL
    ) STRICT;
";

/// A log's file, open for writing.
pub(super) struct Opened {
    pub(super) connection: SqliteConnection,
    pub(super) lock: File,
    pub(super) tails: Tails,
}

pub(super) async fn open(options: &Options) -> Result<Opened> {
    let path = &options.path;
    let lock = lock(path)?;
    let mut connection = connect(path).await.map_err(|error| Failure::new(path, error))?;
    prepare(&mut connection, options).await?;
    let topics = topics(&mut connection, path).await?;
    let bounds = bounds(&mut connection, &topics).await.map_err(|error| Failure::new(path, error))?;
    sync_directory(path).map_err(|error| Failure::new(path, error.into()))?;
    Ok(Opened { connection, lock, tails: Tails::new(topics, bounds) })
}

/// A connection for the writer.
pub(super) async fn connect(path: &Path) -> sqlx::Result<SqliteConnection> {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .page_size(16 * 1024)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // The WAL is cut back to this after it grew in a burst: four times the 16 MiB (1,000 pages) at which it is checkpointed.
        .pragma("journal_size_limit", (64 * 1024 * 1024).to_string())
        .thread_name(|_| "log-writer".to_owned())
        .disable_statement_logging()
        .connect()
        .await
}

/// Connections for reading; opened when needed.
pub(super) fn readers(path: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        // Rows read ahead of the one that ends a batch are thrown away; with the pool's usual 50 these could be 40 MiB.
        .row_buffer_size(4)
        .thread_name(|_| "log-reader".to_owned())
        .disable_statement_logging();
    SqlitePoolOptions::new().max_connections(4).connect_lazy_with(options)
}

/// The path with `suffix` added to the file's name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Where each partition begins and ends.
pub(super) async fn bounds(connection: &mut SqliteConnection, topics: &[Slots]) -> sqlx::Result<Vec<Bounds>> {
    let slots: usize = topics.iter().map(|topic| topic.description.partitions as usize).sum();
    let mut bounds = Vec::with_capacity(slots);
    for slot in 0..slots {
        let row = sqlx::query(
            "SELECT earliest, (SELECT max(place) FROM records WHERE place >= ?2 AND place < ?3) FROM slots WHERE slot = ?1",
        )
        .bind(i64::try_from(slot).expect("slots are few"))
        .bind(Place::new(slot, Offset(0)).0)
        .bind(Place::new(slot + 1, Offset(0)).0)
        .fetch_one(&mut *connection)
        .await?;
        let earliest: i64 = row.try_get(0)?;
        let last: Option<i64> = row.try_get(1)?;
        let next = last.map_or(earliest, |place| earliest.max(Place(place).offset().0 + 1));
        bounds.push(Bounds { earliest: Offset(earliest), next: Offset(next) });
    }
    Ok(bounds)
}

/// Holds the file for this process. SQLite's own locks would let a second writer in between two transactions.
fn lock(path: &Path) -> Result<File> {
    let lock_path = beside(path, ".lock");
    let unusable = |error: std::io::Error| Error::Unusable {
        reason: format!(
            "{} cannot be written ({error}); its directory must exist and be writable",
            lock_path.display()
        ),
        source: Some(Box::new(error)),
    };
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).open(&lock_path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The number is a kindness; without it the message still says what to do.
            let _ = file.read_to_string(&mut holder);
            let holder =
                if holder.is_empty() { "another process".to_owned() } else { format!("process {}", holder.trim()) };
            let reason = format!("{} is in use by {holder}; stop it, or name another data directory", path.display());
            return Err(Error::Unavailable { reason, source: None });
        }
        Err(TryLockError::Error(error)) => return Err(unusable(error)),
    }
    file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(unusable)?;
    Ok(file)
}

/// Makes the tables and topics that are missing, or refuses the file.
async fn prepare(connection: &mut SqliteConnection, options: &Options) -> Result<()> {
    let path = &options.path;
    let fail = |error| Failure::new(path, error);
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(fail)?;
    let owner: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(fail)?;
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *connection).await.map_err(fail)?;
    let unusable = |reason| Err(Error::Unusable { reason, source: None });
    if tables > 0 && owner != APPLICATION_ID {
        return unusable(format!("{} is a database of something else; name another file", path.display()));
    }
    if version > SCHEMA_VERSION {
        return unusable(format!(
            "{} has layout {version}, this program knows up to {SCHEMA_VERSION}; upgrade it, or name another file",
            path.display()
        ));
    }
    let mut transaction = connection.begin().await.map_err(fail)?;
    if tables == 0 {
        let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}");
        sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await.map_err(fail)?;
        sqlx::raw_sql(AssertSqlSafe(marks)).execute(&mut *transaction).await.map_err(fail)?;
    }
    add_missing_topics(&mut transaction, options.partitions).await.map_err(fail)?;
    transaction.commit().await.map_err(fail)?;
    Ok(())
}

/// A file of an older version may lack topics that this one has; their slots follow those that are there.
async fn add_missing_topics(connection: &mut SqliteConnection, partitions: u32) -> sqlx::Result<()> {
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM topics").fetch_all(&mut *connection).await?;
    let mut slot: i64 = sqlx::query_scalar("SELECT count(*) FROM slots").fetch_one(&mut *connection).await?;
    for topic in Topic::ALL.into_iter().filter(|topic| !names.iter().any(|name| name == topic.name())) {
        let partitions = i64::from(partitions_of(topic, partitions));
        sqlx::query("INSERT INTO topics (name, id, partitions, first_slot) VALUES (?, ?, ?, ?)")
            .bind(topic.name())
            .bind(Uuid::new_v4().into_bytes().to_vec())
            .bind(partitions)
            .bind(slot)
            .execute(&mut *connection)
            .await?;
        for slot in slot..slot + partitions {
            sqlx::query("INSERT INTO slots (slot, earliest) VALUES (?, 0)")
                .bind(slot)
                .execute(&mut *connection)
                .await?;
        }
        slot += partitions;
    }
    Ok(())
}

async fn topics(connection: &mut SqliteConnection, path: &Path) -> Result<Vec<Slots>> {
    let rows = sqlx::query("SELECT name, id, partitions, first_slot FROM topics ORDER BY first_slot")
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| Failure::new(path, error))?;
    let topics: Option<Vec<Slots>> = rows.iter().map(slots).collect();
    topics.ok_or_else(|| Error::Unusable {
        reason: format!("{} has a topic that this program does not know; upgrade it", path.display()),
        source: None,
    })
}

fn slots(row: &sqlx::sqlite::SqliteRow) -> Option<Slots> {
    let topic = Topic::from_name(row.try_get(0).ok()?)?;
    let id = TopicId(Uuid::from_slice(row.try_get(1).ok()?).ok()?);
    let partitions = u32::try_from(row.try_get::<i64, _>(2).ok()?).ok()?;
    let first_slot = usize::try_from(row.try_get::<i64, _>(3).ok()?).ok()?;
    Some(Slots { description: TopicDescription { topic, id, partitions }, first_slot })
}

/// SQLite syncs the directory for its WAL, not for the database file itself: without this a power loss could take a file just made.
fn sync_directory(path: &Path) -> std::io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
