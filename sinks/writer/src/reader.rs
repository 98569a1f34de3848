//! The first half of a topic's pipeline: from the log to batches.

use crate::{
    Options, Result, Stats, Step,
    batch::{Batch, Cursor},
    cut::{self, Due, Filling, due, full},
    open::open_all,
    retry::{Backoff, until_done},
    start::{log_ends_before_progress, own_progress, rolled_back, start, witness},
};
use framelake_lake::{Gap, Incarnation, Lake, Progress, RecordMark, Run};
use framelake_log::{
    Bounds, Consumer, ConsumerOptions, EventLog, Offset, Polled, ReadLimits, StoredRecord, TopicId, TopicPartition,
};
use framelake_wire::Topic;
use futures::{StreamExt, TryStreamExt, stream};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The longest poll: how late the news of a commit may reach the reader of an idle topic.
const POLL_WAIT_MAX: Duration = Duration::from_millis(250);

/// How often the log is asked again before it is believed to end before the lake's progress; Kafka's new leaders learn their end within a fetch.
const END_ASKED_MAX: u32 = 10;
const END_ASKED_EVERY: Duration = Duration::from_millis(200);

/// Partitions that are compared with what was read of them at the same time: as many as the Kafka log keeps readers for.
const COMPARED_AT_ONCE: usize = 4;

/// What the committer says of a batch.
#[derive(Debug)]
pub(crate) enum Feedback {
    /// It is in the lake up to these offsets.
    Committed(Vec<(TopicPartition, Offset)>),
    /// It is not, and neither will be any other of its generation.
    Superseded { generation: u64, runs: Vec<Run>, attempt: u32 },
}

/// Reads one topic.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) topic: Topic,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) lake: Lake,
    pub(crate) options: Arc<Options>,
    pub(crate) stats: Stats,
    /// Full while the committer is behind: then the reader waits, and so bounds what is in memory.
    pub(crate) batches: mpsc::Sender<Batch>,
    pub(crate) feedback: mpsc::UnboundedReceiver<Feedback>,
    /// Ends every wait for something that does not come.
    pub(crate) give_up: CancellationToken,
}

/// What changes while it reads.
#[derive(Debug)]
struct Reading {
    consumer: Box<dyn Consumer>,
    cursors: BTreeMap<TopicPartition, Cursor>,
    batch: Batch,
    last_cut: Option<Instant>,
    /// Of the next batch: how many keys of what it begins with are doomed, see [`Reader::avoid_key`].
    attempt: u32,
}

/// A partition that is this worker's, and the log it is taken for.
#[derive(Clone, Copy, Debug)]
struct Owned {
    partition: TopicPartition,
    id: TopicId,
    incarnation: Incarnation,
}

impl Owned {
    /// Whether both are of one log.
    fn is_of(self, other: Self) -> bool {
        (self.id, self.incarnation) == (other.id, other.incarnation)
    }
}

impl Reader {
    /// Reads until `shutdown`, then hands over what it holds. Returns early, and without an error, when the committer is gone.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<()> {
        let Some(mut reading) = self.open().await? else { return Ok(()) };
        while !shutdown.is_cancelled() {
            while let Ok(feedback) = self.feedback.try_recv() {
                self.take_feedback(&mut reading, feedback).await?;
            }
            let wait = match due(reading.filling(), self.limits(), Instant::now()) {
                Due::Now => {
                    if !self.hand_over(&mut reading).await {
                        return Ok(());
                    }
                    continue;
                }
                Due::In(wait) => wait.min(POLL_WAIT_MAX),
                Due::Never => POLL_WAIT_MAX,
            };
            if let Some(polled) = self.poll(&mut reading, wait, &shutdown).await? {
                self.take(&mut reading, polled).await?;
            }
        }
        self.hand_over(&mut reading).await;
        self.hear_out(&mut reading).await
    }

    async fn open(&self) -> Result<Option<Reading>> {
        let options = ConsumerOptions {
            group: self.options.group_of(self.topic),
            member: self.options.member.clone(),
            topics: vec![self.topic],
            poll_bytes_max: self.options.poll_bytes_max,
        };
        let consumer =
            self.until_done("join the consumer group", async || Ok(self.log.consumer(options.clone()).await?)).await?;
        Ok(consumer.map(|consumer| Reading {
            consumer,
            cursors: BTreeMap::new(),
            batch: Batch::new(self.topic, 0),
            last_cut: None,
            attempt: 0,
        }))
    }

    /// What the log has next; `None` when shutting down, or when it cannot say at the moment.
    async fn poll(
        &self,
        reading: &mut Reading,
        wait: Duration,
        shutdown: &CancellationToken,
    ) -> Result<Option<Polled>> {
        match shutdown.run_until_cancelled(reading.consumer.poll(wait)).await {
            None => Ok(None),
            Some(Ok(polled)) => Ok(Some(polled)),
            Some(Err(error)) if error.is_retryable() => {
                // Not in the retry loop: a batch that is being filled must still be cut in time.
                self.stats.retried();
                tracing::warn!(topic = %self.topic, %error, "cannot read the log yet, trying again");
                shutdown.run_until_cancelled(tokio::time::sleep(wait.max(self.options.backoff_min))).await;
                Ok(None)
            }
            Some(Err(error)) => Err(error.into()),
        }
    }

    async fn take(&self, reading: &mut Reading, polled: Polled) -> Result<()> {
        match polled {
            Polled::Idle => Ok(()),
            Polled::Records(partition, records) => self.group(reading, partition, records).await,
            Polled::Assigned(partitions) => self.begin(reading, partitions).await,
            Polled::Revoked(partitions) => {
                for partition in partitions {
                    reading.cursors.remove(&partition);
                    reading.batch.drop_partition(partition);
                }
                Ok(())
            }
            Polled::OutOfRange(partition, bounds) => self.skip(reading, partition, bounds).await,
        }
    }

    /// Opens records and adds them to the batch.
    async fn group(&self, reading: &mut Reading, partition: TopicPartition, records: Vec<StoredRecord>) -> Result<()> {
        let polled = Instant::now();
        self.stats.read(records.len());
        self.options.failpoints.reach(Step::AfterPoll).await;
        let topic = self.topic;
        let opened = tokio::task::spawn_blocking(move || open_all(topic, records)).await?;
        self.options.failpoints.reach(Step::AfterDecode).await;
        for record in opened {
            // A partition that is not ours any more is another's to read.
            let Some(&cursor) = reading.cursors.get(&partition) else { return Ok(()) };
            let due = !reading.batch.fits(cursor.incarnation, &record) || full(reading.filling(), self.limits());
            if due && !self.hand_over(reading).await {
                return Ok(());
            }
            let Some(cursor) = reading.cursors.get_mut(&partition) else { return Ok(()) };
            reading.batch.push(partition, cursor, record, polled);
        }
        self.options.failpoints.reach(Step::AfterGroup).await;
        Ok(())
    }

    /// Learns where to read newly assigned partitions from.
    async fn begin(&self, reading: &mut Reading, partitions: Vec<(TopicPartition, TopicId)>) -> Result<()> {
        let mut assigned = Vec::new();
        for (partition, id) in partitions {
            let incarnation = self
                .until_done("ask the catalog for the topic's incarnation", async || {
                    Ok(self.lake.catalog().incarnation(partition.topic, id).await?)
                })
                .await?;
            let Some(incarnation) = incarnation else { return Ok(()) };
            // An earlier assignment's leftovers would begin at an offset that this one does not follow on.
            reading.batch.drop_partition(partition);
            assigned.push(Owned { partition, id, incarnation });
        }
        self.seek_to_progress(reading, assigned).await
    }

    /// Reads progress and begins from there; under another incarnation where the log turns out not to be the one that was read.
    async fn seek_to_progress(&self, reading: &mut Reading, mut partitions: Vec<Owned>) -> Result<()> {
        let (progress, bounds) = loop {
            let progress = self.until_done("read progress", async || Ok(self.lake.catalog().progress().await?)).await?;
            let Some(progress) = progress else { return Ok(()) };
            let Some((bounds, lost)) = self.compare(&partitions, &progress).await? else { return Ok(()) };
            let Some(first) = lost.first().copied() else { break (progress, bounds) };
            let lost: Vec<_> = lost.iter().filter(|lost| lost.is_of(first)).map(|lost| lost.partition).collect();
            let renewed = self.take_next_incarnation(reading, partitions, first, &lost).await?;
            let Some(renewed) = renewed else { return Ok(()) };
            partitions = renewed;
        };
        for (Owned { partition, id, incarnation }, bounds) in partitions.into_iter().zip(bounds) {
            let start = start(partition, incarnation, &progress, bounds);
            let cursor = Cursor { id, incarnation, expected: start.expected, next: start.seek };
            self.go_on(reading, partition, cursor, start.gaps).await?;
        }
        Ok(())
    }

    /// What is there of each partition, and which of them are not the log that was read.
    async fn compare(&self, partitions: &[Owned], progress: &[Progress]) -> Result<Option<(Vec<Bounds>, Vec<Owned>)>> {
        let asked =
            stream::iter(partitions.to_vec()).map(|owned| self.compare_one(owned, progress)).buffered(COMPARED_AT_ONCE);
        let answers: Vec<_> = asked.try_collect().await?;
        let (mut bounds, mut lost) = (Vec::new(), Vec::new());
        for (owned, answer) in partitions.iter().zip(answers) {
            let Some((found, reason)) = answer else { return Ok(None) };
            bounds.push(found);
            if let Some(reason) = reason {
                tracing::error!(partition = %owned.partition, reason, "the log was rolled back, it is read as another one from here on");
                lost.push(*owned);
            }
        }
        Ok(Some((bounds, lost)))
    }

    async fn compare_one(&self, owned: Owned, progress: &[Progress]) -> Result<Option<(Bounds, Option<String>)>> {
        let partition = owned.partition;
        let own = own_progress(partition, owned.incarnation, progress);
        let Some(bounds) = self.bounds(partition, own.map(|own| own.next)).await? else { return Ok(None) };
        let Some(own) = own else { return Ok(Some((bounds, None))) };
        let mut found = None;
        if let Some(at) = witness(own, bounds) {
            let read = async || self.read_one(partition, at).await;
            let Some(record) = self.until_done("read the log's last known record", read).await? else {
                return Ok(None);
            };
            found = record.map(|record| RecordMark::of(&record.key, &record.value));
        }
        Ok(Some((bounds, rolled_back(own, bounds, found))))
    }

    /// The record at this very offset; `None` where there is none.
    async fn read_one(&self, partition: TopicPartition, at: Offset) -> Result<Option<StoredRecord>> {
        let limits = ReadLimits { bytes_max: 1, wait_max: Duration::ZERO };
        match self.log.read(partition, at, limits).await {
            Ok(batch) => Ok(batch.records.into_iter().next().filter(|record| record.offset == at)),
            // Retention passed it since the bounds were asked for.
            Err(framelake_log::Error::OffsetOutOfRange { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the log of `first` the next number, since its partitions `lost` are not what they were. All that this worker reads of it goes on under that
    /// number, so that it does not cut a segment with every change from one to the other.
    async fn take_next_incarnation(
        &self,
        reading: &mut Reading,
        mut partitions: Vec<Owned>,
        first: Owned,
        lost: &[TopicPartition],
    ) -> Result<Option<Vec<Owned>>> {
        let lost: Vec<u32> = lost.iter().map(|partition| partition.partition).collect();
        let Owned { id, incarnation: previous, .. } = first;
        let take = async || Ok(self.lake.catalog().next_incarnation(self.topic, id, previous, &lost).await?);
        let Some(incarnation) = self.until_done("take the next incarnation", take).await? else { return Ok(None) };
        for (&partition, cursor) in &reading.cursors {
            if partitions.iter().all(|owned| owned.partition != partition) {
                partitions.push(Owned { partition, id: cursor.id, incarnation: cursor.incarnation });
            }
        }
        for owned in partitions.iter_mut().filter(|owned| owned.is_of(first)) {
            owned.incarnation = incarnation;
            // It is read again from where the catalog says.
            reading.batch.drop_partition(owned.partition);
        }
        Ok(Some(partitions))
    }

    /// What is there of the partition, asked again for a while when that would mean that the log lost its end.
    async fn bounds(&self, partition: TopicPartition, progress: Option<Offset>) -> Result<Option<Bounds>> {
        for asked in 1.. {
            let bounds =
                self.until_done("ask the log for its bounds", async || Ok(self.log.bounds(partition).await?)).await?;
            let Some(bounds) = bounds else { return Ok(None) };
            if asked == END_ASKED_MAX || !log_ends_before_progress(progress, bounds) {
                return Ok(Some(bounds));
            }
            tokio::time::sleep(END_ASKED_EVERY).await;
        }
        unreachable!("the loop returns at its limit")
    }

    /// The log no longer has what comes next: goes on where it has something, and reports what is missing.
    async fn skip(&self, reading: &mut Reading, partition: TopicPartition, bounds: Bounds) -> Result<()> {
        let Some(&cursor) = reading.cursors.get(&partition) else { return Ok(()) };
        // What the batch holds comes before the gap, so it goes first.
        self.hand_over(reading).await;
        let cursor = Cursor { expected: reading.cursors.get(&partition).and_then(|cursor| cursor.expected), ..cursor };
        let mut bounds = bounds;
        if log_ends_before_progress(Some(cursor.next), bounds) {
            let Some(asked_again) = self.bounds(partition, Some(cursor.next)).await? else { return Ok(()) };
            bounds = asked_again;
        }
        let reached = Progress {
            incarnation: cursor.incarnation,
            topic_partition: partition,
            next: cursor.next,
            last_segment: String::new(),
            last_record: None,
        };
        if let Some(reason) = rolled_back(&reached, bounds, None) {
            tracing::error!(%partition, reason, "the log was rolled back, it is read as another one from here on");
            let owned = Owned { partition, id: cursor.id, incarnation: cursor.incarnation };
            let renewed = self.take_next_incarnation(reading, vec![owned], owned, &[partition]).await?;
            return match renewed {
                Some(partitions) => self.seek_to_progress(reading, partitions).await,
                None => Ok(()),
            };
        }
        let start = start(partition, cursor.incarnation, &[reached], bounds);
        self.go_on(reading, partition, Cursor { next: start.seek, ..cursor }, start.gaps).await
    }

    async fn go_on(
        &self,
        reading: &mut Reading,
        partition: TopicPartition,
        cursor: Cursor,
        gaps: Vec<Gap>,
    ) -> Result<()> {
        for gap in &gaps {
            tracing::error!(from = %gap.from, to = %gap.to, reason = %gap.reason, "records are missing from the log");
        }
        if !reading.batch.is_of(cursor.incarnation) {
            self.hand_over(reading).await;
        }
        reading.batch.push_gaps(partition, &cursor, gaps, Instant::now());
        reading.cursors.insert(partition, cursor);
        let mut failures = 0;
        let backoff = Backoff::new(&self.options);
        while let Err(error) = reading.consumer.seek(partition, cursor.next).await {
            if !error.is_retryable() {
                return Err(error.into());
            }
            failures += 1;
            self.stats.retried();
            tracing::warn!(%partition, %error, "cannot seek yet, trying again");
            let wait = tokio::time::sleep(backoff.wait(failures, rand::random()));
            if self.give_up.run_until_cancelled(wait).await.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Cuts the batch and queues it; waits while the committer is behind. False when the committer is gone.
    async fn hand_over(&self, reading: &mut Reading) -> bool {
        if reading.batch.is_empty() {
            return true;
        }
        let next = Batch::new(self.topic, reading.batch.generation);
        let mut batch = std::mem::replace(&mut reading.batch, next);
        batch.attempt = std::mem::take(&mut reading.attempt);
        for (partition, run) in &batch.runs {
            if let Some(cursor) = reading.cursors.get_mut(partition) {
                cursor.expected = Some(run.next);
            }
        }
        reading.last_cut = Some(Instant::now());
        self.batches.send(batch).await.is_ok()
    }

    async fn take_feedback(&self, reading: &mut Reading, feedback: Feedback) -> Result<()> {
        match feedback {
            Feedback::Committed(positions) => {
                if let Err(error) = reading.consumer.hint(&positions).await {
                    tracing::debug!(topic = %self.topic, %error, "the log did not take the hint of what is committed");
                }
                self.options.failpoints.reach(Step::AfterHint).await;
                Ok(())
            }
            Feedback::Superseded { generation, runs, attempt } if generation == reading.batch.generation => {
                reading.batch = Batch::new(self.topic, generation + 1);
                let owned = reading.cursors.iter().map(|(&partition, cursor)| Owned {
                    partition,
                    id: cursor.id,
                    incarnation: cursor.incarnation,
                });
                let owned = owned.collect();
                self.seek_to_progress(reading, owned).await?;
                self.avoid_key(reading, &runs, attempt).await;
                Ok(())
            }
            Feedback::Superseded { .. } => Ok(()),
        }
    }

    /// A batch that was superseded although nobody moved progress has a key that is doomed: a worker that died put the object, and `maintain` took it
    /// for an orphan. The same records would make the same key, so the next batch asks for another.
    async fn avoid_key(&self, reading: &mut Reading, runs: &[Run], attempt: u32) {
        let unmoved =
            |run: &Run| reading.cursors.get(&run.topic_partition).is_some_and(|cursor| cursor.expected == run.expected);
        if !runs.iter().all(unmoved) {
            return;
        }
        tracing::warn!(topic = %self.topic, attempt, "a segment's key is doomed, making another one");
        reading.attempt = attempt + 1;
        self.give_up.run_until_cancelled(tokio::time::sleep(self.options.backoff_max)).await;
    }

    /// Passes on the last hints until the committer is done.
    async fn hear_out(mut self, reading: &mut Reading) -> Result<()> {
        drop(std::mem::replace(&mut self.batches, mpsc::channel(1).0));
        while let Some(feedback) = self.feedback.recv().await {
            if matches!(feedback, Feedback::Committed(_)) {
                self.take_feedback(reading, feedback).await?;
            }
        }
        Ok(())
    }

    async fn until_done<T, F: Future<Output = Result<T>>>(
        &self,
        what: &str,
        attempt: impl FnMut() -> F,
    ) -> Result<Option<T>> {
        until_done(what, Backoff::new(&self.options), &self.stats, &self.give_up, attempt).await
    }

    fn limits(&self) -> cut::Limits {
        cut::Limits {
            bytes_max: self.options.segment_bytes_max,
            records_max: self.options.segment_records_max,
            age_max: self.options.segment_age_max,
            linger: self.options.segment_linger,
        }
    }
}

impl Reading {
    fn filling(&self) -> Filling {
        Filling {
            bytes: self.batch.bytes,
            records: self.batch.records.len(),
            oldest: self.batch.oldest,
            last_cut: self.last_cut,
        }
    }
}
