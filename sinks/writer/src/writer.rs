//! A worker: one pipeline for each of its topics.

use crate::{Options, Result, Stats, commit::Committer, reader::Reader};
use framelake_lake::Lake;
use framelake_log::EventLog;
use framelake_wire::Topic;
use std::sync::Arc;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Drains topics of the log into the lake.
#[derive(Debug)]
pub struct Writer {
    log: Arc<dyn EventLog>,
    lake: Lake,
    options: Arc<Options>,
    stats: Stats,
}

impl Writer {
    /// A worker; it does nothing until it is run.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, lake: Lake, options: Options) -> Self {
        Self { log, lake, options: Arc::new(options), stats: Stats::default() }
    }

    /// Its counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats.clone()
    }

    /// Drains until `shutdown`, then commits what it holds. Dropping the future stops it at once, as a crash would: nothing is lost by that.
    ///
    /// # Errors
    /// What trying again cannot help: the log or the catalog is unusable. Outages are waited out.
    pub async fn run(self, shutdown: CancellationToken) -> Result<()> {
        let mut tasks = JoinSet::new();
        let give_up = CancellationToken::new();
        for &topic in &self.options.topics {
            self.start_pipeline(topic, &mut tasks, &shutdown, &give_up);
        }
        let shutdown_max = self.options.shutdown_max;
        let patience = async {
            shutdown.cancelled().await;
            tokio::time::sleep(shutdown_max).await;
            give_up.cancel();
            std::future::pending().await
        };
        // Dropping the set on an error stops the other pipelines.
        tokio::select! {
            ended = all(&mut tasks) => ended,
            never = patience => never,
        }
    }

    fn start_pipeline(
        &self,
        topic: Topic,
        tasks: &mut JoinSet<Result<()>>,
        shutdown: &CancellationToken,
        give_up: &CancellationToken,
    ) {
        let (batches, queue) = mpsc::channel(self.options.batches_waiting_max.max(1));
        let (news, feedback) = mpsc::unbounded_channel();
        let reader = Reader {
            topic,
            log: self.log.clone(),
            lake: self.lake.clone(),
            options: self.options.clone(),
            stats: self.stats.clone(),
            batches,
            feedback,
            give_up: give_up.clone(),
        };
        let committer = Committer {
            lake: self.lake.clone(),
            options: self.options.clone(),
            stats: self.stats.clone(),
            queue,
            feedback: news,
            give_up: give_up.clone(),
        };
        tasks.spawn(reader.run(shutdown.clone()));
        tasks.spawn(committer.run());
    }
}

/// Waits for all tasks, or for the first that fails.
async fn all(tasks: &mut JoinSet<Result<()>>) -> Result<()> {
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}
