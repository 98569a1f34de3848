//! A log, a lake, and what was sent to them.

use framelake_lake::{BlockEntry, BlockFilter, Catalog, DurableLocal, Lake, SqliteCatalog};
use framelake_log::{EventLog, Memory, NewRecord, Offset, ReadLimits, TopicPartition};
use framelake_wire::{
    Block, BlockId, Process, ProcessId, Record, StreamId, StreamKind, TimeSample, Topic,
    encode::{CallSite, Dictionary, LogEncoder, PropertiesId, Seal, SiteId, SpanEncoder, ThreadId},
};
use framelake_writer::{Failpoints, Options, Stats, Writer, lag};
use futures::TryStreamExt;
use object_store::ObjectStore;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test says that it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) log: Memory,
    dir: TempDir,
    /// Every block that was acknowledged, by identity.
    sent: BTreeMap<(StreamId, u64), Block>,
    /// Processes that were acknowledged.
    processes: BTreeSet<ProcessId>,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(dir.path().join("objects")).expect("a directory for objects");
        Self { log: Memory::new(3), dir, sent: BTreeMap::new(), processes: BTreeSet::new() }
    }

    /// The catalog, opened anew as another process would.
    pub(crate) async fn catalog(&self) -> Arc<dyn Catalog> {
        Arc::new(SqliteCatalog::open(self.dir.path().join("catalog.sqlite")).await.expect("the catalog opens"))
    }

    /// The lake over that catalog.
    pub(crate) fn lake_with(&self, catalog: Arc<dyn Catalog>) -> Lake {
        Lake::new(catalog, self.objects_store())
    }

    pub(crate) fn objects_store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(DurableLocal::new(self.dir.path().join("objects")).expect("the directory is there"))
    }

    pub(crate) async fn lake(&self) -> Lake {
        self.lake_with(self.catalog().await)
    }

    /// Keys of all segments in the store, committed or not.
    pub(crate) fn objects(&self) -> Vec<String> {
        fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path()) {
                if entry.is_dir() { walk(&entry, found) } else { found.push(entry) }
            }
        }
        let (root, mut found) = (self.dir.path().join("objects"), Vec::new());
        walk(&root, &mut found);
        let key = |path: PathBuf| path.strip_prefix(&root).expect("below the root").display().to_string();
        found.into_iter().map(key).collect()
    }

    /// The file of a segment.
    pub(crate) fn object(&self, key: &str) -> PathBuf {
        self.dir.path().join("objects").join(key)
    }

    pub(crate) async fn send_block(&mut self, block: Block) {
        self.append(Record::Block(block.clone())).await;
        self.sent.insert((block.header.stream_id, block.header.sequence), block);
    }

    pub(crate) async fn send_process(&mut self, process: Process) {
        self.processes.insert(process.process_id);
        self.append(Record::Process(process)).await;
    }

    /// Sends what was sent before once more, as after a lost reply.
    pub(crate) async fn send_again(&self, every: usize) {
        for block in self.sent.values().step_by(every) {
            self.append(Record::Block(block.clone())).await;
        }
    }

    pub(crate) async fn send_bytes(&self, topic: Topic, key: &str, value: impl Into<bytes::Bytes>) {
        let record = NewRecord { topic, key: key.to_owned().into(), value: value.into(), headers: vec![] };
        self.log.append(vec![record]).await.expect("memory takes it");
    }

    async fn append(&self, record: Record) {
        let (topic, key) = (record.topic(), record.process_id().to_string());
        let value = match record {
            Record::Block(block) => block.encode(),
            Record::Process(process) => process.encode(),
        };
        self.send_bytes(topic, &key, value).await;
    }

    /// What stands in the topic, partition by partition, as text.
    pub(crate) async fn values(&self, topic: Topic) -> Vec<String> {
        let mut values = Vec::new();
        for description in self.log.topics().await.expect("topics").into_iter().filter(|found| found.topic == topic) {
            for partition in 0..description.partitions {
                let limits = ReadLimits { bytes_max: usize::MAX, wait_max: Duration::ZERO };
                let at = TopicPartition { topic, partition };
                let batch = self.log.read(at, Offset(0), limits).await.expect("records can be read");
                values.extend(batch.records.iter().map(|record| String::from_utf8_lossy(&record.value).into_owned()));
            }
        }
        values
    }

    /// Waits until everything in the log is in the lake.
    pub(crate) async fn drained(&self, catalog: &dyn Catalog) {
        let drained = async {
            loop {
                let lags = lag(&self.log, catalog).await.expect("the lag can be told");
                if lags.iter().all(|lag| lag.offsets() == 0) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, drained).await.expect("the log is drained in time");
    }

    /// Every acknowledged block and process is visible, once, with the bytes that were sent.
    pub(crate) async fn assert_exactly_once(&self) {
        let lake = self.lake().await;
        let visible = lake.catalog().blocks(&BlockFilter::default()).await.expect("blocks can be listed");
        let identity = |entry: &BlockEntry| (entry.stream_id, entry.sequence);
        let found: Vec<_> = visible.iter().map(identity).collect();
        assert_eq!(found, self.sent.keys().copied().collect::<Vec<_>>(), "each block once, none lost, none foreign");
        let read: Vec<(BlockEntry, Block)> =
            lake.read_blocks(&visible).try_collect().await.expect("visible blocks can be read");
        assert_eq!(read.len(), visible.len());
        for (entry, block) in &read {
            assert_eq!(block, &self.sent[&identity(entry)], "{} holds what was sent", entry.object);
        }
        let processes = lake.catalog().processes(None).await.expect("processes can be listed");
        let named = processes.iter().filter(|entry| entry.process.is_some()).map(|entry| entry.process_id);
        assert_eq!(named.collect::<BTreeSet<_>>(), self.processes);
    }
}

/// A writer on a task of its own.
pub(crate) struct Worker {
    pub(crate) task: JoinHandle<framelake_writer::Result<()>>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) stats: Stats,
}

impl Worker {
    pub(crate) fn start(world: &World, lake: Lake, options: Options) -> Self {
        Self::start_on(Arc::new(world.log.clone()), lake, options)
    }

    pub(crate) fn start_on(log: Arc<dyn EventLog>, lake: Lake, options: Options) -> Self {
        let writer = Writer::new(log, lake, options);
        let (stats, shutdown) = (writer.stats(), CancellationToken::new());
        Self { task: tokio::spawn(writer.run(shutdown.clone())), shutdown, stats }
    }

    /// Orderly: what it holds is committed.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        let ended = timeout(PATIENCE, self.task).await.expect("a shutdown ends in time");
        ended.expect("the worker did not panic").expect("the worker did not fail");
    }

    /// As kill -9 would: nothing after this step happens.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _cancelled = self.task.await;
    }
}

/// Options that make many small segments fast.
pub(crate) fn options(member: &str) -> Options {
    Options {
        segment_records_max: 5,
        segment_age_max: Duration::from_millis(20),
        segment_linger: Duration::from_millis(2),
        backoff_min: Duration::from_millis(2),
        backoff_max: Duration::from_millis(20),
        ..Options::embedded(member)
    }
}

pub(crate) fn failing(member: &str, failpoints: Failpoints) -> Options {
    Options { failpoints, ..options(member) }
}

/// A process with its log stream and one thread's spans.
pub(crate) struct Program {
    pub(crate) process: Process,
    log: StreamId,
    spans: StreamId,
}

impl Program {
    pub(crate) fn start() -> Self {
        let process = Process {
            process_id: ProcessId::now_v7(),
            revision: 0,
            parent_process_id: None,
            exe: "game".into(),
            version: "1".into(),
            user: "user".into(),
            host: "host".into(),
            os: "os".into(),
            arch: "x86_64".into(),
            cpu: "cpu".into(),
            cores: 2,
            memory_bytes: 0,
            pid: 1,
            sdk: "test".into(),
            start_time: 0,
            last_seen: 0,
            end_time: None,
            exit_reason: None,
            properties: BTreeMap::new(),
            dropped: BTreeMap::new(),
        };
        Self { process, log: StreamId::now_v7(), spans: StreamId::now_v7() }
    }

    /// A block of `lines` log lines.
    pub(crate) fn log_block(&self, sequence: u64, lines: u64) -> Block {
        let mut encoder = LogEncoder::new();
        for line in 0..lines {
            encoder.push(SiteId(0), ThreadId(0), line, Some(&format!("line {line} of block {sequence}")));
        }
        encoder.seal(&self.seal(self.log, StreamKind::LOG, None, sequence), &Names)
    }

    /// A block of `spans` spans.
    pub(crate) fn span_block(&self, sequence: u64, spans: u64) -> Block {
        let mut encoder = SpanEncoder::new();
        for span in 0..spans {
            encoder.begin(SiteId(0), 2 * span);
            encoder.end(2 * span + 1);
        }
        encoder.seal(&self.seal(self.spans, StreamKind::SPAN, Some(ThreadId(0)), sequence), &Names)
    }

    fn seal(&self, stream_id: StreamId, kind: StreamKind, thread: Option<ThreadId>, sequence: u64) -> Seal<'_> {
        let at = |ticks| TimeSample { ticks, monotonic_ns: ticks as i64, wall_ns: ticks as i64 };
        Seal {
            process_id: self.process.process_id,
            stream_id,
            kind,
            thread,
            clock_domain: "monotonic",
            block_id: BlockId::now_v7(),
            sequence,
            dropped_total: 0,
            anchor_ns: 0,
            begin: at(0),
            end: at(1_000_000),
        }
    }
}

struct Names;

impl Dictionary for Names {
    fn site(&self, _: SiteId) -> CallSite<'_> {
        CallSite { name: "site", target: "target", file: "file.rs", line: 1, level: 4, unit: "", ..CallSite::default() }
    }

    fn properties(&self, _: PropertiesId) -> &[(String, String)] {
        &[]
    }

    fn thread(&self, _: ThreadId) -> (&str, u64) {
        ("main", 1)
    }
}
