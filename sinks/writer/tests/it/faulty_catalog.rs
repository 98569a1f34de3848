//! A catalog whose connection is cut, seeded: before a call arrives, or before its answer does.

use crate::dice::Dice;
use async_trait::async_trait;
use framelake_lake::{
    AddOutcome, BlockEntry, BlockFilter, Catalog, CommitOutcome, DeadLetterEntry, Error, Gap, Incarnation,
    NewPartition, OutboxEntry, PositionRange, ProcessEntry, Progress, Result, Scope, ScopeCoverage, SegmentCommit,
    SegmentEntry, Status, StreamEntry, StreamFilter, ViewPartition, ViewVersion,
};
use framelake_log::TopicId;
use framelake_wire::{ProcessId, Topic, UnixNanos};
use std::{sync::Arc, time::Duration};

#[derive(Debug)]
pub(crate) struct Faulty {
    inner: Arc<dyn Catalog>,
    dice: Dice,
    /// Of 100 calls, how many fail before, and how many after they happened.
    percent: u64,
}

impl Faulty {
    pub(crate) fn new(inner: Arc<dyn Catalog>, seed: u64, percent: u64) -> Self {
        Self { inner, dice: Dice::new(seed), percent }
    }

    fn may_fail(&self, when: &str) -> Result<()> {
        if self.dice.falls(self.percent) {
            let reason = format!("the connection was cut {when} (by the test)");
            return Err(Error::CatalogUnavailable { reason, source: None });
        }
        Ok(())
    }
}

macro_rules! faulty {
    ($(async fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $result:ty;)*) => {
        #[async_trait]
        impl Catalog for Faulty {
            $(async fn $name(&self $(, $argument: $type)*) -> Result<$result> {
                self.may_fail("before the call arrived")?;
                let result = self.inner.$name($($argument),*).await?;
                self.may_fail("before the answer arrived")?;
                Ok(result)
            })*
        }
    };
}

faulty! {
    async fn incarnation(&self, topic: Topic, id: TopicId) -> Incarnation;
    async fn next_incarnation(&self, topic: Topic, id: TopicId, previous: Incarnation, lost: &[u32]) -> Incarnation;
    async fn progress(&self) -> Vec<Progress>;
    async fn commit_segment(&self, commit: SegmentCommit) -> CommitOutcome;
    async fn blocks(&self, filter: &BlockFilter) -> Vec<BlockEntry>;
    async fn newest_blocks(&self, filter: &StreamFilter) -> Vec<BlockEntry>;
    async fn streams(&self, filter: &StreamFilter) -> Vec<StreamEntry>;
    async fn processes(&self, ids: Option<&[ProcessId]>) -> Vec<ProcessEntry>;
    async fn dead_letters(&self, limit: u64) -> Vec<DeadLetterEntry>;
    async fn gaps(&self, limit: u64) -> Vec<Gap>;
    async fn forget_letters(&self, found: UnixNanos, limit: u64) -> u64;
    async fn status(&self) -> Status;
    async fn coverage(&self, view: &ViewVersion, scopes: &[Scope]) -> Vec<ScopeCoverage>;
    async fn add_partition(&self, partition: NewPartition) -> AddOutcome;
    async fn retire_partitions(&self, objects: &[String]) -> u64;
    async fn partitions(&self, topic: Topic, limit: u64) -> Vec<ViewPartition>;
    async fn outbox(&self, limit: u64) -> Vec<OutboxEntry>;
    async fn outbox_relayed(&self, number: i64) -> ();
    async fn lease(&self, name: &str, owner: &str, duration: Duration) -> bool;
    async fn segments(&self, topic: Option<Topic>, limit: u64) -> Vec<SegmentEntry>;
    async fn expire_segments(&self, keys: &[String]) -> ();
    async fn expired(&self, range: &PositionRange) -> Vec<PositionRange>;
    async fn unknown_objects(&self, keys: &[String]) -> Vec<String>;
    async fn doom(&self, keys: &[String]) -> ();
    async fn doomed(&self, grace: Duration, limit: u64) -> Vec<String>;
    async fn objects_deleted(&self, keys: &[String]) -> ();
    async fn forget_deleted(&self, keep: Duration, keep_max: u64, limit: u64) -> u64;
}
