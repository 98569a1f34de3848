//! The second half of a topic's pipeline: from batches to the lake.

use crate::{
    Options, Result, Stats, Step,
    batch::Batch,
    reader::Feedback,
    retry::{Backoff, until_done},
    stats::Content,
};
use framelake_lake::{CommitOutcome, Lake};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Commits the batches of one topic, one after the other.
#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) lake: Lake,
    pub(crate) options: Arc<Options>,
    pub(crate) stats: Stats,
    pub(crate) queue: mpsc::Receiver<Batch>,
    pub(crate) feedback: mpsc::UnboundedSender<Feedback>,
    /// Stop trying: what is not committed by now is read again by the next worker.
    pub(crate) give_up: CancellationToken,
}

impl Committer {
    /// Commits until the reader is done.
    pub(crate) async fn run(mut self) -> Result<()> {
        // Batches of earlier generations follow on one that was superseded: they cannot be committed.
        let mut generation = 0;
        while let Some(batch) = self.queue.recv().await {
            if batch.generation < generation {
                continue;
            }
            let batch_generation = batch.generation;
            let Some(news) = self.commit(batch).await? else { return Ok(()) };
            if matches!(news, Feedback::Superseded { .. }) {
                generation = batch_generation + 1;
            }
            // The reader may be gone already; then nobody needs the news.
            let _ = self.feedback.send(news);
        }
        Ok(())
    }

    /// Takes one batch all the way; `None` when told to give up.
    async fn commit(&self, batch: Batch) -> Result<Option<Feedback>> {
        let generation = batch.generation;
        let content = content(&batch);
        let attempt = batch.attempt;
        let (sealed, gaps) = tokio::task::spawn_blocking(move || batch.seal()).await?;
        let object = sealed.bytes.clone();
        let commit = sealed.into_commit(gaps);
        let failpoints = &self.options.failpoints;
        failpoints.reach(Step::BeforePut).await;
        let put = async || Ok(self.lake.put_new(&commit.key, object.clone()).await?);
        let Some(()) = self.until_done("put a segment", put).await? else { return Ok(None) };
        failpoints.reach(Step::AfterPut).await;
        drop(object);
        failpoints.reach(Step::BeforeCommit).await;
        // The same commit each time: a first try that was only unsure answers the second with what it did.
        let try_commit = async || Ok(self.lake.catalog().commit_segment(commit.clone()).await?);
        let Some(outcome) = self.until_done("commit a segment", try_commit).await? else { return Ok(None) };
        failpoints.reach(Step::AfterCommit).await;
        let committed = content.ends.iter().map(|&(partition, _, next)| (partition, next)).collect();
        self.stats.committed(Content { bytes: commit.bytes, ..content }, outcome);
        Ok(Some(match outcome {
            CommitOutcome::Committed { .. } | CommitOutcome::AlreadyCommitted => Feedback::Committed(committed),
            CommitOutcome::Superseded => {
                tracing::info!(key = %commit.key, "progress is elsewhere, another worker was first: the batch is dropped");
                Feedback::Superseded { generation, runs: commit.runs, attempt }
            }
        }))
    }

    async fn until_done<T, F: Future<Output = Result<T>>>(
        &self,
        what: &str,
        attempt: impl FnMut() -> F,
    ) -> Result<Option<T>> {
        until_done(what, Backoff::new(&self.options), &self.stats, &self.give_up, attempt).await
    }
}

fn content(batch: &Batch) -> Content {
    Content {
        records: batch.records.len() as u64,
        bytes: 0,
        poison: batch.poison_count() as u64,
        gaps: batch.gaps.len() as u64,
        ends: batch.runs.values().map(|run| (run.topic_partition, run.incarnation, run.next)).collect(),
    }
}
