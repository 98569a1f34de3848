//! The [`Catalog`] of everything that has a [`Store`].

use super::{commit, expired, index, letters, objects, progress, session::Store, streams, views};
use crate::{
    AddOutcome, BlockEntry, BlockFilter, Catalog, CommitOutcome, DeadLetterEntry, Gap, Incarnation, NewPartition,
    OutboxEntry, PositionRange, ProcessEntry, Progress, Result, Scope, ScopeCoverage, SegmentCommit, SegmentEntry,
    Status, StreamEntry, StreamFilter, ViewPartition, ViewVersion,
};
use async_trait::async_trait;
use framelake_log::TopicId;
use framelake_wire::{ProcessId, Topic, UnixNanos};
use std::{fmt, time::Duration};

/// A catalog whose tables are in a SQL database.
pub(super) trait Stored: fmt::Debug + Send + Sync + 'static {
    fn store(&self) -> &Store;
}

#[async_trait]
impl<T: Stored> Catalog for T {
    async fn incarnation(&self, topic: Topic, id: TopicId) -> Result<Incarnation> {
        progress::incarnation(self.store(), topic, id).await
    }
    async fn next_incarnation(
        &self,
        topic: Topic,
        id: TopicId,
        previous: Incarnation,
        lost: &[u32],
    ) -> Result<Incarnation> {
        progress::next_incarnation(self.store(), topic, id, previous, lost).await
    }
    async fn progress(&self) -> Result<Vec<Progress>> {
        progress::progress(self.store()).await
    }
    async fn commit_segment(&self, commit: SegmentCommit) -> Result<CommitOutcome> {
        commit::commit_segment(self.store(), &commit).await
    }
    async fn blocks(&self, filter: &BlockFilter) -> Result<Vec<BlockEntry>> {
        index::blocks(self.store(), filter).await
    }
    async fn newest_blocks(&self, filter: &StreamFilter) -> Result<Vec<BlockEntry>> {
        streams::newest_blocks(self.store(), filter).await
    }
    async fn streams(&self, filter: &StreamFilter) -> Result<Vec<StreamEntry>> {
        streams::streams(self.store(), filter).await
    }
    async fn processes(&self, ids: Option<&[ProcessId]>) -> Result<Vec<ProcessEntry>> {
        streams::processes(self.store(), ids).await
    }
    async fn dead_letters(&self, limit: u64) -> Result<Vec<DeadLetterEntry>> {
        letters::dead_letters(self.store(), limit).await
    }
    async fn gaps(&self, limit: u64) -> Result<Vec<Gap>> {
        letters::gaps(self.store(), limit).await
    }
    async fn forget_letters(&self, found: UnixNanos, limit: u64) -> Result<u64> {
        letters::forget(self.store(), found, limit).await
    }
    async fn status(&self) -> Result<Status> {
        progress::status(self.store()).await
    }
    async fn coverage(&self, view: &ViewVersion, scopes: &[Scope]) -> Result<Vec<ScopeCoverage>> {
        views::coverage(self.store(), view, scopes).await
    }
    async fn add_partition(&self, partition: NewPartition) -> Result<AddOutcome> {
        views::add_partition(self.store(), &partition).await
    }
    async fn retire_partitions(&self, objects: &[String]) -> Result<u64> {
        views::retire_partitions(self.store(), objects).await
    }
    async fn partitions(&self, topic: Topic, limit: u64) -> Result<Vec<ViewPartition>> {
        views::partitions(self.store(), topic, limit).await
    }
    async fn outbox(&self, limit: u64) -> Result<Vec<OutboxEntry>> {
        letters::outbox(self.store(), limit).await
    }
    async fn outbox_relayed(&self, number: i64) -> Result<()> {
        letters::outbox_relayed(self.store(), number).await
    }
    async fn lease(&self, name: &str, owner: &str, duration: Duration) -> Result<bool> {
        progress::lease(self.store(), name, owner, duration).await
    }
    async fn segments(&self, topic: Option<Topic>, limit: u64) -> Result<Vec<SegmentEntry>> {
        objects::segments(self.store(), topic, limit).await
    }
    async fn expire_segments(&self, keys: &[String]) -> Result<()> {
        objects::expire_segments(self.store(), keys).await
    }
    async fn expired(&self, range: &PositionRange) -> Result<Vec<PositionRange>> {
        expired::expired(self.store(), range).await
    }
    async fn unknown_objects(&self, keys: &[String]) -> Result<Vec<String>> {
        objects::unknown_objects(self.store(), keys).await
    }
    async fn doom(&self, keys: &[String]) -> Result<()> {
        objects::doom(self.store(), keys).await
    }
    async fn doomed(&self, grace: Duration, limit: u64) -> Result<Vec<String>> {
        objects::doomed(self.store(), grace, limit).await
    }
    async fn objects_deleted(&self, keys: &[String]) -> Result<()> {
        objects::objects_deleted(self.store(), keys).await
    }
    async fn forget_deleted(&self, keep: Duration, keep_max: u64, limit: u64) -> Result<u64> {
        objects::forget_deleted(self.store(), keep, keep_max, limit).await
    }
}
