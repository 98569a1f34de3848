//! The embedded log: SQLite in WAL mode, appends of many callers grouped into one fsync.
//!
//! One task writes: it takes all appends that wait, puts them into one transaction and answers them together once that is synced. Readers have
//! connections of their own, each read is one statement, and what is where is known without asking the file ([`crate::tails`]).

mod failure;
mod file;
mod headers;
mod place;
mod writer;

use crate::{
    Appended, Batch, Bounds, Consumer, ConsumerOptions, Error, EventLog, NewRecord, Offset, ReadLimits, Result,
    StoredRecord, TopicDescription, TopicPartition, local_consumer::LocalConsumer, tails::Tails,
};
use async_trait::async_trait;
use bytes::Bytes;
use failure::Failure;
use futures::TryStreamExt;
use place::Place;
use sqlx::{Row, SqlitePool};
use std::{path::PathBuf, sync::Arc};
use tokio::sync::{Semaphore, mpsc, oneshot};
use writer::Command;

/// Most bytes of appends that wait for the writer: 64 MiB, 8 full batches of the gateway. Further ones wait before they queue.
const QUEUED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database file; its directory must exist.
    pub path: PathBuf,
    /// Partitions per topic, fixed when the file is made.
    pub partitions: u32,
}

impl Options {
    /// The file at `path`, with 12 partitions per topic if it is made now.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), partitions: 12 }
    }
}

/// The log in one SQLite file. Clones share it.
#[derive(Clone, Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    tails: Arc<Tails>,
    readers: SqlitePool,
    commands: mpsc::Sender<Command>,
    /// A permit is a KiB of queued appends.
    queued_kib: Arc<Semaphore>,
}

impl Embedded {
    /// Opens the file, or makes it. One process at a time can have it open.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where another process has it open or the disk is full; [`Error::Unusable`] where the directory is missing, the file is
    /// damaged, is something else, or was written by a newer version.
    pub async fn open(options: Options) -> Result<Self> {
        let opened = file::open(&options).await?;
        let (commands, queue) = mpsc::channel(writer::GROUP_APPENDS_MAX);
        let tails = Arc::new(opened.tails);
        let readers = file::readers(&options.path);
        let writer = writer::Writer::new(options.path.clone(), opened.connection, opened.lock, tails.clone(), queue);
        tokio::spawn(writer.run());
        let queued_kib = Arc::new(Semaphore::new(QUEUED_BYTES_MAX / 1024));
        Ok(Self { shared: Arc::new(Shared { path: options.path, tails, readers, commands, queued_kib }) })
    }

    /// Finishes what was appended before, closes the file and lets another process have it. Clones and consumers answer
    /// [`Error::Unavailable`] from then on.
    pub async fn close(&self) {
        self.shared.readers.close().await;
        let (reply, closed) = oneshot::channel();
        if self.shared.commands.send(Command::Close { reply }).await.is_ok() {
            // An error means that the writer is gone already, which is what was wanted.
            let _ = closed.await;
        }
    }

    async fn ask<T>(&self, command: Command, reply: oneshot::Receiver<Result<T, Failure>>) -> Result<T> {
        self.shared.commands.send(command).await.map_err(|_| self.closed())?;
        Ok(reply.await.map_err(|_| self.closed())??)
    }

    fn closed(&self) -> Error {
        Error::Unavailable { reason: format!("{} was closed", self.shared.path.display()), source: None }
    }

    /// The records from `from` to below `next`, until they come to `bytes_max`.
    async fn fetch(&self, slot: usize, from: Offset, next: Offset, bytes_max: usize) -> sqlx::Result<Batch> {
        let mut batch = Batch { records: Vec::new(), next: from };
        let mut rows = sqlx::query(
            "SELECT place, timestamp_ms, key, value, headers FROM records WHERE place >= ?1 AND place < ?2 ORDER BY place",
        )
        .bind(Place::new(slot, from).0)
        .bind(Place::new(slot, next).0)
        .fetch(&self.shared.readers);
        let mut bytes = 0;
        while let Some(row) = rows.try_next().await? {
            let value: Vec<u8> = row.try_get(3)?;
            bytes += value.len();
            if bytes > bytes_max && !batch.records.is_empty() {
                break;
            }
            let offset = Place(row.try_get(0)?).offset();
            batch.next = Offset(offset.0 + 1);
            batch.records.push(StoredRecord {
                offset,
                timestamp_ms: row.try_get(1)?,
                key: Bytes::from(row.try_get::<Vec<u8>, _>(2)?),
                value: Bytes::from(value),
                headers: headers::decode(row.try_get(4)?).map_err(|error| sqlx::Error::Decode(error.into()))?,
            });
        }
        Ok(batch)
    }
}

#[async_trait]
impl EventLog for Embedded {
    async fn topics(&self) -> Result<Vec<TopicDescription>> {
        if self.shared.commands.is_closed() {
            return Err(self.closed());
        }
        Ok(self.shared.tails.topics())
    }

    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Appended>> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        records.iter().try_for_each(NewRecord::check_size)?;
        let bytes: usize = records.iter().map(NewRecord::bytes).sum();
        let kib = bytes.div_ceil(1024).min(QUEUED_BYTES_MAX / 1024);
        let permits = u32::try_from(kib).expect("64 Ki at most");
        let permit = self.shared.queued_kib.clone().acquire_many_owned(permits).await.map_err(|_| self.closed())?;
        let (reply, appended) = oneshot::channel();
        self.ask(Command::Append { records, reply, permit }, appended).await
    }

    async fn read(&self, topic_partition: TopicPartition, from: Offset, limits: ReadLimits) -> Result<Batch> {
        let tails = &self.shared.tails;
        let slot = tails.slot(topic_partition)?;
        let bounds = tails.wait_beyond(topic_partition, from, limits.wait_max).await?;
        if bounds.next == from {
            return Ok(Batch { records: Vec::new(), next: from });
        }
        let batch = self.fetch(slot, from, bounds.next, limits.bytes_max).await;
        let batch = batch.map_err(|error| Failure::new(&self.shared.path, error))?;
        // A trim names its new bound before it deletes, so whoever may have missed a record sees it here.
        tails.bounds(slot).check(topic_partition, from)?;
        Ok(batch)
    }

    async fn bounds(&self, topic_partition: TopicPartition) -> Result<Bounds> {
        Ok(self.shared.tails.bounds(self.shared.tails.slot(topic_partition)?))
    }

    async fn consumer(&self, options: ConsumerOptions) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(LocalConsumer::new(self.clone(), self.shared.tails.clone(), &options)?))
    }

    /// Returns when the records are deleted and their pages given back; the new bound holds from the start. Appends go on in between.
    async fn trim(&self, topic_partition: TopicPartition, below: Offset) -> Result<()> {
        let slot = self.shared.tails.slot(topic_partition)?;
        let (reply, trimmed) = oneshot::channel();
        self.ask(Command::Trim { slot, below, reply }, trimmed).await
    }

    async fn disk_bytes(&self) -> Result<Option<u64>> {
        let mut bytes = 0;
        for suffix in ["", "-wal", "-shm"] {
            bytes += match tokio::fs::metadata(file::beside(&self.shared.path, suffix)).await {
                Ok(metadata) => metadata.len(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
                Err(error) => return Err(Failure::new(&self.shared.path, error.into()).into()),
            };
        }
        Ok(Some(bytes))
    }
}
