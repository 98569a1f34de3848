//! The background task that writes through what queries asked for.

use crate::{
    Error, Offer, Options, Result, encode,
    plan::{Plan, TimeRange, plan},
    view_version, worthwhile,
    worthwhile::runs,
};
use framelake_definitions::RowView;
use framelake_lake::{
    AddOutcome, BlockEntry, BlockFilter, BlockIdentity, Lake, NewPartition, PositionRange, Scope, ViewPartition,
};
use framelake_wire::Block;
use futures::StreamExt;
use std::{
    collections::HashSet,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

/// How often an offer is planned again after another replica was first.
const ATTEMPTS_MAX: usize = 4;
/// Blocks that cannot be decoded and are remembered, so that they do not stop their neighbours again and again.
const UNDECODABLE_MAX: usize = 10_000;

/// What the materializer did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaterializerCounters {
    /// Offers taken.
    pub offers: u64,
    /// Offers dropped because the queue was full; they come again with the next query.
    pub offers_dropped: u64,
    /// Partitions added.
    pub partitions: u64,
    /// Rows in them.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Partitions discarded because another was first.
    pub superseded: u64,
    /// Offers given up with an error, which is logged.
    pub failed: u64,
}

/// Hands ranges to the background task. Clones share it; it ends when the last of them is gone and its queue is empty.
#[derive(Clone, Debug)]
pub struct Materializer {
    offers: mpsc::Sender<Offer>,
    state: Arc<State>,
    options: Arc<Options>,
}

#[derive(Debug, Default)]
struct State {
    /// Offers in the queue or being worked on.
    pending: Mutex<HashSet<Offer>>,
    idle: Notify,
    undecodable: Mutex<HashSet<BlockIdentity>>,
    offers: AtomicU64,
    offers_dropped: AtomicU64,
    partitions: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
    superseded: AtomicU64,
    failed: AtomicU64,
}

impl Materializer {
    /// Starts the task on the current tokio runtime.
    #[must_use]
    pub fn spawn(lake: Lake, options: Options) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Offer>(options.queue_max.max(1));
        let state = Arc::new(State::default());
        let options = Arc::new(options);
        let worker = Worker { lake, options: Arc::clone(&options), state: Arc::clone(&state) };
        tokio::spawn(async move {
            while let Some(offer) = receiver.recv().await {
                if let Err(error) = worker.write_through(&offer).await {
                    worker.state.failed.fetch_add(1, Relaxed);
                    tracing::warn!(view = offer.view, scope = %offer.scope, %error, "rows were not written through");
                }
                let mut pending = worker.state.pending();
                pending.remove(&offer);
                if pending.is_empty() {
                    worker.state.idle.notify_waiters();
                }
            }
        });
        Self { offers: sender, state, options }
    }

    /// What of the blocks that a query has to decode is worth an object is queued; returns at once, and never fails: what cannot be queued comes again
    /// with the next query.
    pub fn offer(&self, view: &dyn RowView, decode: &[BlockEntry]) {
        for offer in worthwhile(view.name(), view.scope_rule(), decode, &self.options) {
            let mut pending = self.state.pending();
            if pending.contains(&offer) {
                continue;
            }
            if self.offers.try_send(offer.clone()).is_ok() {
                pending.insert(offer);
                self.state.offers.fetch_add(1, Relaxed);
            } else {
                self.state.offers_dropped.fetch_add(1, Relaxed);
            }
        }
    }

    /// Waits until everything offered so far is written or given up.
    pub async fn idle(&self) {
        loop {
            let notified = self.state.idle.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.state.pending().is_empty() {
                return;
            }
            notified.await;
        }
    }

    /// What it did so far.
    #[must_use]
    pub fn counters(&self) -> MaterializerCounters {
        let state = &self.state;
        MaterializerCounters {
            offers: state.offers.load(Relaxed),
            offers_dropped: state.offers_dropped.load(Relaxed),
            partitions: state.partitions.load(Relaxed),
            rows: state.rows.load(Relaxed),
            bytes: state.bytes.load(Relaxed),
            superseded: state.superseded.load(Relaxed),
            failed: state.failed.load(Relaxed),
        }
    }

    /// When and how much is written through.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }
}

impl State {
    fn pending(&self) -> std::sync::MutexGuard<'_, HashSet<Offer>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_undecodable(&self, block: &BlockEntry) -> bool {
        self.undecodable.lock().unwrap_or_else(PoisonError::into_inner).contains(&block.identity())
    }

    fn remember_undecodable(&self, block: &BlockEntry) {
        let mut undecodable = self.undecodable.lock().unwrap_or_else(PoisonError::into_inner);
        if undecodable.len() < UNDECODABLE_MAX {
            undecodable.insert(block.identity());
        }
    }
}

struct Worker {
    lake: Lake,
    options: Arc<Options>,
    state: Arc<State>,
}

/// What became of one run of an offer.
enum Written {
    Added {
        counter: u64,
    },
    /// Another was first, or a block turned out not to decode: plan the offer again.
    PlanAgain,
}

impl Worker {
    async fn write_through(&self, offer: &Offer) -> Result<()> {
        let Some(view) = framelake_definitions::by_name(offer.view) else { return Ok(()) };
        for _ in 0..ATTEMPTS_MAX {
            if self.write_runs(view, offer).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// True when every run of the offer was written.
    async fn write_runs(&self, view: &'static dyn RowView, offer: &Offer) -> Result<bool> {
        let (mut counter, runs) = self.plan(view, offer).await?;
        for run in runs {
            match self.write_run(view, offer, run, counter).await? {
                Written::Added { counter: next } => counter = next,
                Written::PlanAgain => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The scope's counter, and the blocks of each partition to be written.
    async fn plan(&self, view: &'static dyn RowView, offer: &Offer) -> Result<(u64, Vec<Vec<BlockEntry>>)> {
        let catalog = self.lake.catalog();
        // Coverage first: a block that becomes visible afterwards lies beyond every range in it.
        let coverage = catalog.coverage(&view_version(view), &[offer.scope]).await?;
        let counter = coverage.first().map_or(0, |scope| scope.counter);
        let mut blocks = catalog.blocks(&all_blocks_of(view, offer)).await?;
        blocks.sort_by_key(|block| block.position.offset);
        let Plan { decode, .. } = plan(blocks.clone(), view.scope_rule(), &coverage, TimeRange::ALL);
        let uncovered: HashSet<_> = decode.iter().map(|block| block.position).collect();
        let mut apart: Vec<_> = coverage
            .iter()
            .flat_map(|scope| &scope.partitions)
            .map(|partition| partition.range)
            .filter(|range| {
                (range.incarnation, range.topic_partition) == (offer.range.incarnation, offer.range.topic_partition)
            })
            .collect();
        // After the blocks: of what expired until then, nothing is in them or all of it is here.
        apart.extend(catalog.expired(&offer.range).await?);
        let apart: Vec<_> = apart.iter().map(|range| range.from.0..range.to.0).collect();
        let marked = blocks
            .into_iter()
            .map(|block| {
                // A block that cannot be decoded parts runs as a covered one does: no range may claim it.
                let apart = !uncovered.contains(&block.position) || self.state.is_undecodable(&block);
                (block, apart)
            })
            .collect();
        Ok((counter, runs(marked, &apart, &self.options)))
    }

    async fn write_run(
        &self,
        view: &'static dyn RowView,
        offer: &Offer,
        run: Vec<BlockEntry>,
        counter: u64,
    ) -> Result<Written> {
        let Some(range) = range_of(&run) else { return Ok(Written::Added { counter }) };
        let mut blocks: Vec<Block> = Vec::with_capacity(run.len());
        let mut stream = pin!(self.lake.read_blocks(&run));
        while let Some(read) = stream.next().await {
            match read {
                Ok((_, block)) => blocks.push(block),
                Err(framelake_lake::Error::Corrupt { key, byte_offset, source }) => {
                    tracing::warn!(object = key, byte_offset, error = %source, "a block cannot be read");
                    let corrupt = run.iter().find(|entry| *entry.object == *key && entry.byte_offset == byte_offset);
                    let Some(entry) = corrupt else {
                        return Err(framelake_lake::Error::Corrupt { key, byte_offset, source }.into());
                    };
                    self.state.remember_undecodable(entry);
                    return Ok(Written::PlanAgain);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let options = Arc::clone(&self.options);
        let encoded = tokio::task::spawn_blocking(move || encode(view, blocks, &options)).await?;
        let (bytes, rows) = match encoded {
            Err(Error::Decode { stream, sequence, view, source }) => {
                tracing::warn!(%stream, sequence, view, error = %source, "a block cannot be decoded");
                let entries = run.iter().filter(|entry| entry.stream_id == stream && entry.sequence == sequence);
                entries.for_each(|entry| self.state.remember_undecodable(entry));
                return Ok(Written::PlanAgain);
            }
            other => other?,
        };
        let partition = ViewPartition {
            object: object_key(view, offer.scope, &range),
            range,
            rows,
            bytes: bytes.len() as u64,
            min_time: run.iter().map(|block| block.min_time).min().unwrap_or_default(),
            max_time: run.iter().map(|block| block.max_time).max().unwrap_or_default(),
        };
        self.lake.put_new(&partition.object, bytes).await?;
        let size = partition.bytes;
        let added = self
            .lake
            .catalog()
            .add_partition(NewPartition {
                view: view_version(view),
                scope: offer.scope,
                expected_counter: counter,
                partition,
            })
            .await?;
        match added {
            AddOutcome::Added => {
                self.state.partitions.fetch_add(1, Relaxed);
                self.state.rows.fetch_add(rows, Relaxed);
                self.state.bytes.fetch_add(size, Relaxed);
                Ok(Written::Added { counter: counter + 1 })
            }
            // The object is nobody's now; `maintain` finds and removes it.
            AddOutcome::Superseded => {
                self.state.superseded.fetch_add(1, Relaxed);
                Ok(Written::PlanAgain)
            }
        }
    }
}

fn all_blocks_of(view: &dyn RowView, offer: &Offer) -> BlockFilter {
    BlockFilter {
        stream_ids: match offer.scope {
            Scope::All => None,
            Scope::Stream(id) => Some(vec![id]),
        },
        kind: Some(view.kind()),
        positions: Some(offer.range),
        ..BlockFilter::default()
    }
}

/// From the first to the last block, which are in the order of their offsets.
fn range_of(run: &[BlockEntry]) -> Option<PositionRange> {
    let (first, last) = (run.first()?.position, run.last()?.position);
    let to = framelake_log::Offset(last.offset.0 + 1);
    Some(PositionRange {
        incarnation: first.incarnation,
        topic_partition: first.topic_partition,
        from: first.offset,
        to,
    })
}

/// A key of its own for every attempt, so that an object is never written over and a loser's never taken for the winner's.
fn object_key(view: &dyn RowView, scope: Scope, range: &PositionRange) -> String {
    let scope = match scope {
        Scope::All => "all".to_owned(),
        Scope::Stream(id) => format!("stream-{id}"),
    };
    format!(
        "views/{}/v{}/{scope}/{}-{}-{}/{:020}-{:020}-{}.parquet",
        view.name(),
        view.version(),
        range.topic_partition.topic,
        range.topic_partition.partition,
        range.incarnation.0,
        range.from.0,
        range.to.0,
        Uuid::now_v7()
    )
}
