//! The one task that writes: appends that wait together share a transaction and its fsync.

use super::{failure::Failure, file, headers, place::Place};
use crate::{
    Appended, NewRecord, Offset, Result,
    memory::now_ms,
    tails::{Slots, Tails},
};
use sqlx::{Connection, SqliteConnection};
use std::{
    collections::VecDeque,
    fs::File,
    path::PathBuf,
    sync::{Arc, LazyLock},
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Most appends in one transaction, and most that wait in the queue. Their bytes are bounded by the queue's permits.
pub(super) const GROUP_APPENDS_MAX: usize = 256;

/// Rows of one INSERT. Each statement is a trip to SQLite's thread and back, some 15 µs: shared by 16 rows it no longer counts.
const INSERT_ROWS: usize = 16;

/// Records deleted in one transaction of a trim: 64 blocks of 64 KiB are 4 MiB, a few milliseconds that an append may have to wait.
const TRIM_RECORDS: i64 = 64;

/// Pages given back in one transaction of a trim: 64 × 16 KiB = 1 MiB.
const VACUUM_PAGES: i64 = 64;

/// A file may keep this share of its pages free for what is appended next.
const FREE_PAGES_SHARE: i64 = 8;

pub(super) type Reply<T> = oneshot::Sender<Result<T, Failure>>;

/// What the writer is asked for.
pub(super) enum Command {
    Append { records: Vec<NewRecord>, reply: Reply<Vec<Appended>>, permit: OwnedSemaphorePermit },
    Trim { slot: usize, below: Offset, reply: Reply<()> },
    Close { reply: oneshot::Sender<()> },
}

struct Append {
    records: Vec<NewRecord>,
    reply: Reply<Vec<Appended>>,
    _permit: OwnedSemaphorePermit,
}

struct Trim {
    slot: usize,
    below: Offset,
    reply: Reply<()>,
}

pub(super) struct Writer {
    path: PathBuf,
    /// `None` after a failure: what SQLite then has is not sure, so the next use opens it anew and reads the ends again.
    connection: Option<SqliteConnection>,
    /// Held until the connection is closed.
    lock: File,
    tails: Arc<Tails>,
    queue: mpsc::Receiver<Command>,
    trims: VecDeque<Trim>,
}

impl Writer {
    pub(super) fn new(
        path: PathBuf,
        connection: SqliteConnection,
        lock: File,
        tails: Arc<Tails>,
        queue: mpsc::Receiver<Command>,
    ) -> Self {
        Self { path, connection: Some(connection), lock, tails, queue, trims: VecDeque::new() }
    }

    /// Works until it is told to close, or nobody is left to ask.
    pub(super) async fn run(mut self) {
        let mut commands = Vec::with_capacity(GROUP_APPENDS_MAX);
        let closing = loop {
            if self.trims.is_empty() {
                if self.queue.recv_many(&mut commands, GROUP_APPENDS_MAX).await == 0 {
                    break None;
                }
            } else {
                while commands.len() < GROUP_APPENDS_MAX
                    && let Ok(command) = self.queue.try_recv()
                {
                    commands.push(command);
                }
            }
            let closing = self.serve(&mut commands).await;
            if closing.is_some() {
                break closing;
            }
            self.trim_step().await;
        };
        self.disconnect().await;
        drop(self.lock);
        if let Some(reply) = closing {
            // Whoever asked may have stopped waiting; it is closed all the same.
            let _ = reply.send(());
        }
    }

    /// Commits the appends among the commands and takes note of the trims. Returns who asked to close.
    async fn serve(&mut self, commands: &mut Vec<Command>) -> Option<oneshot::Sender<()>> {
        let mut group = Vec::with_capacity(commands.len());
        let mut closing = None;
        for command in commands.drain(..) {
            match command {
                Command::Append { records, reply, permit } => group.push(Append { records, reply, _permit: permit }),
                Command::Trim { slot, below, reply } => self.trims.push_back(Trim { slot, below, reply }),
                Command::Close { reply } => closing = Some(reply),
            }
        }
        if !group.is_empty() {
            self.commit(group).await;
        }
        closing
    }

    async fn commit(&mut self, group: Vec<Append>) {
        match self.try_commit(&group).await {
            Ok(appended) => {
                let ends = appended.iter().flatten();
                self.tails.appended(ends.map(|(slot, appended)| (*slot, Offset(appended.offset.0 + 1))));
                for (append, places) in group.into_iter().zip(appended) {
                    // A caller that is gone has an unsure append, as it was told.
                    let _ = append.reply.send(Ok(places.into_iter().map(|(_, appended)| appended).collect()));
                }
            }
            Err(error) => {
                let failure = self.fail(error).await;
                for append in group {
                    let _ = append.reply.send(Err(failure.clone()));
                }
            }
        }
    }

    /// Appends the records of all in one transaction, and says for each append where its records stand, with their slots.
    async fn try_commit(&mut self, group: &[Append]) -> sqlx::Result<Vec<Vec<(usize, Appended)>>> {
        let tails = self.tails.clone();
        let connection = self.connect().await?;
        let timestamp_ms = now_ms();
        // After connecting, which may have read them anew.
        let mut ends = tails.all_bounds();
        let mut rows: Vec<(Place, &NewRecord)> = Vec::new();
        let mut all = Vec::with_capacity(group.len());
        for append in group {
            let mut places = Vec::with_capacity(append.records.len());
            for record in &append.records {
                let (topic_partition, slot) = tails.slot_of_key(record.topic, &record.key);
                let offset = ends[slot].next;
                ends[slot].next = Offset(offset.0 + 1);
                rows.push((Place::new(slot, offset), record));
                places.push((slot, Appended { topic_partition, offset }));
            }
            all.push(places);
        }
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for rows in rows.chunks(INSERT_ROWS) {
            insert(&mut transaction, rows, timestamp_ms).await?;
        }
        transaction.commit().await?;
        Ok(all)
    }

    /// One small step of the trim at the head of the line, so that appends never wait long.
    async fn trim_step(&mut self) {
        let Some(trim) = self.trims.pop_front() else { return };
        match self.try_trim_step(trim.slot, trim.below).await {
            Ok(true) => {
                let _ = trim.reply.send(Ok(()));
            }
            Ok(false) => self.trims.push_front(trim),
            Err(error) => {
                let failure = self.fail(error).await;
                let _ = trim.reply.send(Err(failure));
            }
        }
    }

    /// Returns whether nothing is left to do. What a crash leaves is below `earliest`, unseen, and goes with the next trim.
    async fn try_trim_step(&mut self, slot: usize, below: Offset) -> sqlx::Result<bool> {
        let tails = self.tails.clone();
        let connection = self.connect().await?;
        let bounds = tails.bounds(slot);
        let below = below.min(bounds.next);
        if below > bounds.earliest {
            sqlx::query("UPDATE slots SET earliest = ?2 WHERE slot = ?1")
                .bind(i64::try_from(slot).expect("slots are few"))
                .bind(below.0)
                .execute(&mut *connection)
                .await?;
            tails.trimmed(slot, below);
        }
        let below = Place::new(slot, tails.bounds(slot).earliest);
        let first: Option<i64> = sqlx::query_scalar("SELECT min(place) FROM records WHERE place >= ?1 AND place < ?2")
            .bind(Place::new(slot, Offset(0)).0)
            .bind(below.0)
            .fetch_one(&mut *connection)
            .await?;
        if let Some(first) = first {
            sqlx::query("DELETE FROM records WHERE place >= ?1 AND place < ?2")
                .bind(first)
                .bind(below.0.min(first + TRIM_RECORDS))
                .execute(&mut *connection)
                .await?;
            return Ok(false);
        }
        let free: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&mut *connection).await?;
        let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *connection).await?;
        let spare = (free - pages / FREE_PAGES_SHARE).min(VACUUM_PAGES);
        if spare <= 0 {
            return Ok(true);
        }
        let vacuum = format!("PRAGMA incremental_vacuum({spare})");
        sqlx::raw_sql(sqlx::AssertSqlSafe(vacuum)).execute(&mut *connection).await?;
        Ok(false)
    }

    async fn connect(&mut self) -> sqlx::Result<&mut SqliteConnection> {
        if self.connection.is_none() {
            let mut connection = file::connect(&self.path).await?;
            let topics: Vec<Slots> = self.tails.slots();
            self.tails.set_bounds(file::bounds(&mut connection, &topics).await?);
            self.connection = Some(connection);
        }
        Ok(self.connection.as_mut().expect("just connected"))
    }

    async fn fail(&mut self, error: sqlx::Error) -> Failure {
        let failure = Failure::new(&self.path, error);
        tracing::warn!(?failure, "the embedded log could not write");
        self.disconnect().await;
        failure
    }

    async fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, path = %self.path.display(), "the embedded log did not close cleanly");
        }
    }
}

/// Inserts up to [`INSERT_ROWS`] rows.
async fn insert(
    connection: &mut SqliteConnection,
    rows: &[(Place, &NewRecord)],
    timestamp_ms: i64,
) -> sqlx::Result<()> {
    let mut query = sqlx::query(INSERTS[rows.len() - 1].as_str());
    for (place, record) in rows {
        query = query
            .bind(place.0)
            .bind(timestamp_ms)
            .bind(record.key.to_vec())
            .bind(record.value.to_vec())
            .bind(headers::encode(&record.headers));
    }
    query.execute(connection).await?;
    Ok(())
}

/// The statement for each number of rows, from one.
static INSERTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let insert = |rows: usize| {
        let values = vec!["(?, ?, ?, ?, ?)"; rows].join(", ");
        format!("INSERT INTO records (place, timestamp_ms, key, value, headers) VALUES {values}")
    };
    (1..=INSERT_ROWS).map(insert).collect()
});
