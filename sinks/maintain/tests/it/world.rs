//! An embedded log and a lake in a temporary directory, filled without a writer.

use framelake_lake::{
    CommitOutcome, DurableLocal, Lake, Run, SqliteCatalog,
    segment::{Builder, Content},
};
use framelake_log::{Bounds, Embedded, EmbeddedOptions, EventLog, NewRecord, Offset, ReadLimits, TopicPartition};
use framelake_maintain::{Maintain, Options};
use framelake_wire::Topic;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) log: Embedded,
    pub(crate) lake: Lake,
    dir: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = EmbeddedOptions { path: dir.path().join("log.sqlite"), partitions: 1 };
        let log = Embedded::open(options).await.expect("the log opens");
        let catalog = SqliteCatalog::open(dir.path().join("catalog.sqlite")).await.expect("the catalog opens");
        let objects = DurableLocal::new(dir.path().join("objects")).expect("the directory can be made");
        Self { log, lake: Lake::new(Arc::new(catalog), Arc::new(objects)), dir }
    }

    pub(crate) fn maintain(&self, options: Options) -> Maintain {
        Maintain::new(Arc::new(self.log.clone()), self.lake.clone(), options)
    }

    pub(crate) async fn append(&self, topic: Topic, count: usize, bytes: usize) {
        let record = NewRecord { topic, key: "key".into(), value: vec![7; bytes].into(), headers: vec![] };
        self.log.append(vec![record; count]).await.expect("the log takes it");
    }

    pub(crate) async fn bounds(&self, topic: Topic) -> Bounds {
        self.log.bounds(partition(topic)).await.expect("bounds can be asked")
    }

    /// Takes the next `count` records of the topic into the lake, as a writer would, and returns the segment's key.
    pub(crate) async fn take_in(&self, topic: Topic, count: i64) -> String {
        let topics = self.log.topics().await.expect("topics can be listed");
        let id = topics.iter().find(|found| found.topic == topic).expect("the topic is there").id;
        let catalog = self.lake.catalog();
        let incarnation = catalog.incarnation(topic, id).await.expect("an incarnation");
        let progress = catalog.progress().await.expect("progress can be read");
        let expected = progress.iter().find(|at| at.topic_partition == partition(topic)).map(|at| at.next);
        let from = expected.unwrap_or(Offset(0));
        let next = Offset(from.0 + count);
        let limits = ReadLimits { bytes_max: usize::MAX, wait_max: Duration::ZERO };
        let batch = self.log.read(partition(topic), from, limits).await.expect("records can be read");
        let mut builder = Builder::new(topic, incarnation);
        for record in batch.records.into_iter().take_while(|record| record.offset < next) {
            builder.push(0, record.offset, record.key, record.value, Content::Poison("a test's".into()));
        }
        let run = Run { incarnation, topic_partition: partition(topic), expected, from, next };
        let sealed = builder.finish(vec![run]);
        let key = sealed.key.clone();
        self.lake.put_new(&key, sealed.bytes.clone()).await.expect("the store takes it");
        let outcome = catalog.commit_segment(sealed.into_commit(vec![])).await.expect("the catalog takes it");
        assert!(matches!(outcome, CommitOutcome::Committed { .. }), "{outcome:?}");
        key
    }

    pub(crate) async fn put(&self, key: &str) {
        self.lake.put_new(key, "bytes".into()).await.expect("the store takes it");
    }

    pub(crate) fn has_object(&self, key: &str) -> bool {
        self.object(key).exists()
    }

    fn object(&self, key: &str) -> PathBuf {
        self.dir.path().join("objects").join(key)
    }
}

pub(crate) fn partition(topic: Topic) -> TopicPartition {
    TopicPartition { topic, partition: 0 }
}

/// Bounds that nothing reaches, and no grace.
pub(crate) fn options() -> Options {
    Options { orphan_grace: Duration::ZERO, doomed_grace: Duration::ZERO, ..Options::new("test") }
}
