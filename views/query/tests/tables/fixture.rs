//! A lake that tests fill block by block, and a program whose events are known.

use arrow::util::pretty::pretty_format_batches;
use bytes::Bytes;
use framelake_lake::{CommitOutcome, DurableLocal, Incarnation, Lake, Run, SqliteCatalog, segment};
use framelake_log::{Offset, TopicId, TopicPartition};
use framelake_materialize::{Materializer, Options};
use framelake_query::{Engine, EngineOptions};
use framelake_wire::{
    Arg, Block, BlockId, Process, ProcessId, StreamId, StreamKind, TimeSample, Topic, UnixNanos,
    encode::{
        AsyncEncoder, Attachment, AttachmentEncoder, CallSite, Dictionary, FrameEncoder, LogEncoder, MetricEncoder,
        PropertiesId, Seal, SiteId, SpanEncoder, ThreadId, Value,
    },
    raw::RawBuf,
};
use object_store::{ObjectStore, ObjectStoreExt, PutMode, memory::InMemory};
use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

/// 2026-01-01T00:00:00Z: the second 0 of every program here.
pub(crate) const EPOCH: UnixNanos = 1_767_225_600_000_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const MILLI: u64 = 1_000_000;

pub(crate) fn process_id(number: u8) -> ProcessId {
    ProcessId::from_bytes([number; 16])
}

pub(crate) fn stream_id(process: u8, number: u8) -> StreamId {
    let mut bytes = [process; 16];
    bytes[15] = number;
    StreamId::from_bytes(bytes)
}

/// A lake in memory, its catalog in a file.
pub(crate) struct TestLake {
    pub(crate) lake: Lake,
    pub(crate) objects: Arc<dyn ObjectStore>,
    next: HashMap<Topic, (Incarnation, i64)>,
    _directory: TempDir,
}

impl TestLake {
    pub(crate) async fn new() -> Self {
        Self::over(|_| Arc::new(InMemory::new())).await
    }

    /// Objects in a directory, as the embedded server keeps them.
    pub(crate) async fn in_a_directory() -> Self {
        Self::over(|directory| Arc::new(DurableLocal::new(directory.join("objects")).unwrap())).await
    }

    async fn over(objects: impl FnOnce(&Path) -> Arc<dyn ObjectStore>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let catalog = SqliteCatalog::open(directory.path().join("catalog.db")).await.unwrap();
        let objects = objects(directory.path());
        let lake = Lake::new(Arc::new(catalog), Arc::clone(&objects));
        Self { lake, objects, next: HashMap::new(), _directory: directory }
    }

    /// One segment of these blocks, all of one topic, in this order of the log.
    pub(crate) async fn commit(&mut self, blocks: &[Block]) {
        let topic = blocks[0].header.kind.topic();
        let records: Vec<_> =
            blocks.iter().map(|block| (Bytes::from(block.encode()), segment::Content::from(block))).collect();
        self.commit_records(topic, records).await;
    }

    pub(crate) async fn commit_process(&mut self, process: &Process) {
        let content = segment::Content::Process(Box::new(process.clone()));
        self.commit_records(Topic::Processes, vec![(process.encode().into(), content)]).await;
    }

    /// Like [`Self::commit`], and damages the stored bytes of the segment afterwards.
    pub(crate) async fn commit_damaged(&mut self, blocks: &[Block], damage: impl FnOnce(&mut Vec<u8>)) {
        let before = self.keys().await;
        self.commit(blocks).await;
        let key = self.keys().await.into_iter().find(|key| !before.contains(key)).unwrap();
        let mut bytes = self.objects.get(&key).await.unwrap().bytes().await.unwrap().to_vec();
        damage(&mut bytes);
        self.objects.put_opts(&key, bytes.into(), PutMode::Overwrite.into()).await.unwrap();
    }

    async fn keys(&self) -> Vec<object_store::path::Path> {
        use futures::TryStreamExt;
        self.objects.list(None).map_ok(|object| object.location).try_collect().await.unwrap()
    }

    async fn commit_records(&mut self, topic: Topic, records: Vec<(Bytes, segment::Content)>) {
        let topic_partition = TopicPartition { topic, partition: 0 };
        if !self.next.contains_key(&topic) {
            let incarnation = self.lake.catalog().incarnation(topic, TopicId(uuid::Uuid::new_v4())).await.unwrap();
            self.next.insert(topic, (incarnation, -1));
        }
        let (incarnation, last) = self.next[&topic];
        let from = last.max(0);
        let mut builder = segment::Builder::new(topic, incarnation);
        let mut offset = from;
        for (record, content) in records {
            builder.push(0, Offset(offset), Bytes::from_static(b"key"), record, content);
            offset += 1;
        }
        let sealed = builder.finish(vec![Run {
            incarnation,
            topic_partition,
            expected: (last >= 0).then_some(Offset(last)),
            from: Offset(from),
            next: Offset(offset),
        }]);
        self.lake.put_new(&sealed.key, sealed.bytes.clone()).await.unwrap();
        let outcome = self.lake.catalog().commit_segment(sealed.into_commit(Vec::new())).await.unwrap();
        assert!(matches!(outcome, CommitOutcome::Committed { .. }), "{outcome:?}");
        self.next.insert(topic, (incarnation, offset));
    }

    /// An engine that only decodes.
    pub(crate) fn engine(&self) -> Engine {
        Engine::new(self.lake.clone(), None, options()).unwrap()
    }

    /// An engine that writes through whatever it is asked for, and keeps no decoded blocks.
    pub(crate) fn materializing(&self, options: Options) -> (Engine, Materializer) {
        let materializer = Materializer::spawn(self.lake.clone(), options);
        let engine_options = EngineOptions { block_cache_bytes: 0, ..self::options() };
        let engine = Engine::new(self.lake.clone(), Some(materializer.clone()), engine_options).unwrap();
        (engine, materializer)
    }
}

pub(crate) fn options() -> EngineOptions {
    EngineOptions { target_partitions: 2, ..EngineOptions::default() }
}

/// Writes through every range, however small.
pub(crate) fn everything() -> Options {
    Options { payload_bytes_min: 1, duration_min: Duration::from_nanos(1), ..Options::default() }
}

/// The answer as text, as `framelake sql` prints it.
pub(crate) async fn ask(engine: &Engine, sql: &str) -> String {
    match try_ask(engine, sql).await {
        Ok(text) => text,
        Err(error) => panic!("{sql}: {error}"),
    }
}

pub(crate) async fn try_ask(engine: &Engine, sql: &str) -> datafusion::error::Result<String> {
    let batches = engine.session().sql(sql).await?.collect().await?;
    Ok(pretty_format_batches(&batches)?.to_string())
}

/// The one number that the query answers.
pub(crate) async fn number(engine: &Engine, sql: &str) -> i64 {
    let batches = engine.session().sql(sql).await.unwrap().collect().await.unwrap();
    let batch = batches.iter().find(|batch| batch.num_rows() == 1).unwrap_or_else(|| panic!("{sql}: one row"));
    let column = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Int64).unwrap();
    use arrow::array::AsArray;
    column.as_primitive::<arrow::datatypes::Int64Type>().value(0)
}

/// The line of EXPLAIN (ANALYZE) that speaks of decoding.
pub(crate) async fn explain(engine: &Engine, sql: &str) -> String {
    let text = ask(engine, sql).await;
    let line = text.lines().find(|line| line.contains("BlockScanExec")).unwrap_or_else(|| panic!("no scan in\n{text}"));
    line.trim_matches(|c: char| c == '|' || c.is_whitespace()).to_owned()
}

/// The names that the program's numbers stand for.
pub(crate) struct Names;

pub(crate) const UPDATE: SiteId = SiteId(0);
pub(crate) const PHYSICS: SiteId = SiteId(1);
pub(crate) const LOADED: SiteId = SiteId(2);
pub(crate) const BODIES: SiteId = SiteId(3);
pub(crate) const REQUEST: SiteId = SiteId(4);
pub(crate) const MAP: PropertiesId = PropertiesId(0);

impl Dictionary for Names {
    fn site(&self, id: SiteId) -> CallSite<'_> {
        let (name, line, level, unit) = match id {
            UPDATE => ("update", 10, 0, ""),
            PHYSICS => ("physics", 20, 0, ""),
            LOADED => ("level loaded", 30, 4, ""),
            REQUEST => ("request", 50, 0, ""),
            _ => ("bodies", 40, 0, "1"),
        };
        static FIELDS: std::sync::LazyLock<[String; 2]> =
            std::sync::LazyLock::new(|| ["number", "map"].map(str::to_owned));
        let args: &[String] = if id == REQUEST { FIELDS.as_slice() } else { &[] };
        CallSite { name, target: "game", file: "src/game.rs", line, level, unit, args, ..CallSite::default() }
    }

    fn properties(&self, _id: PropertiesId) -> &[(String, String)] {
        static SETS: std::sync::LazyLock<Vec<(String, String)>> =
            std::sync::LazyLock::new(|| vec![("map".into(), "castle".into()), ("mode".into(), "siege".into())]);
        &SETS
    }

    fn thread(&self, id: ThreadId) -> (&str, u64) {
        if id.0 == 0 { ("main", 100) } else { ("", 100 + u64::from(id.0)) }
    }
}

fn sample(ticks: u64) -> TimeSample {
    TimeSample { ticks, monotonic_ns: ticks.cast_signed(), wall_ns: EPOCH + ticks.cast_signed() }
}

/// A stream being recorded: what its blocks have in common.
pub(crate) struct Recording<E> {
    pub(crate) encoder: E,
    process: u8,
    stream: u8,
    kind: StreamKind,
    thread: Option<ThreadId>,
    sequence: u64,
    begin: u64,
}

impl<E> Recording<E> {
    fn of(encoder: E, process: u8, stream: u8, kind: StreamKind, thread: Option<ThreadId>) -> Self {
        Self { encoder, process, stream, kind, thread, sequence: 0, begin: 0 }
    }

    fn next_seal(&mut self, end: u64) -> Seal<'static> {
        let mut block = [self.process; 16];
        block[14] = self.stream;
        block[8..14].copy_from_slice(&self.sequence.to_be_bytes()[2..]);
        let seal = Seal {
            process_id: process_id(self.process),
            stream_id: stream_id(self.process, self.stream),
            kind: self.kind.clone(),
            thread: self.thread,
            clock_domain: "monotonic",
            block_id: BlockId::from_bytes(block),
            sequence: self.sequence,
            dropped_total: 0,
            anchor_ns: EPOCH,
            begin: sample(self.begin),
            end: sample(end),
        };
        self.sequence += 1;
        self.begin = end;
        seal
    }
}

pub(crate) fn spans(process: u8, thread: u32) -> Recording<SpanEncoder> {
    Recording::of(SpanEncoder::new(), process, thread as u8, StreamKind::SPAN, Some(ThreadId(thread)))
}

impl Recording<SpanEncoder> {
    pub(crate) fn seal(&mut self, end: u64) -> Block {
        let seal = self.next_seal(end);
        self.encoder.seal(&seal, &Names)
    }

    /// A second's block: 100 times an update of 5 ms with 2 ms of physics in it, 200 rows.
    pub(crate) fn second(&mut self) -> Block {
        let start = self.begin;
        for update in 0..100 {
            let at = start + update * 10 * MILLI;
            self.encoder.begin(UPDATE, at);
            self.encoder.begin(PHYSICS, at + MILLI);
            self.encoder.end(at + 3 * MILLI);
            self.encoder.end(at + 5 * MILLI);
        }
        self.seal(start + SECOND)
    }
}

pub(crate) fn asyncs(process: u8) -> Recording<AsyncEncoder> {
    Recording::of(AsyncEncoder::new(), process, 204, StreamKind::ASYNC, None)
}

impl Recording<AsyncEncoder> {
    pub(crate) fn seal(&mut self, end: u64) -> Block {
        let seal = self.next_seal(end);
        self.encoder.seal(&seal, &Names)
    }

    /// A second's block of 5 requests that overlap; the last of them never ends.
    pub(crate) fn second(&mut self) -> Block {
        let start = self.begin;
        for number in 0..5_u64 {
            let (id, at) = (start + number + 1, start + number * 200 * MILLI);
            let fields = RawBuf::of(&[Arg::U64(number), Arg::Str("castle")]);
            self.encoder.begin(id, 0, REQUEST, ThreadId(0), at, fields.as_raw());
            if number > 0 {
                self.encoder.end(id - 1, at + 50 * MILLI);
            }
        }
        self.seal(start + SECOND)
    }
}

pub(crate) fn logs(process: u8) -> Recording<LogEncoder> {
    Recording::of(LogEncoder::new(), process, 200, StreamKind::LOG, None)
}

impl Recording<LogEncoder> {
    pub(crate) fn seal(&mut self, end: u64) -> Block {
        let seal = self.next_seal(end);
        self.encoder.seal(&seal, &Names)
    }

    /// A second's block of 10 lines.
    pub(crate) fn second(&mut self) -> Block {
        let start = self.begin;
        for line in 0..10 {
            let text = format!("line {line}");
            let message = (line % 2 == 1).then_some(text.as_str());
            self.encoder.push(LOADED, ThreadId(line % 2), start + u64::from(line) * 100 * MILLI, message);
        }
        self.seal(start + SECOND)
    }
}

pub(crate) fn metrics(process: u8) -> Recording<MetricEncoder> {
    Recording::of(MetricEncoder::new(), process, 201, StreamKind::METRIC, None)
}

impl Recording<MetricEncoder> {
    pub(crate) fn seal(&mut self, end: u64) -> Block {
        let seal = self.next_seal(end);
        self.encoder.seal(&seal, &Names)
    }

    /// A second's block of 4 measurements.
    pub(crate) fn second(&mut self) -> Block {
        let start = self.begin;
        for number in 0..4_u32 {
            let properties = (number % 2 == 0).then_some(MAP);
            let value =
                if number < 2 { Value::Integer(i64::from(number)) } else { Value::Float(f64::from(number) + 0.5) };
            self.encoder.push(BODIES, ThreadId(0), start + u64::from(number) * 250 * MILLI, value, properties);
        }
        self.seal(start + SECOND)
    }
}

pub(crate) fn frames(process: u8) -> Recording<FrameEncoder> {
    Recording::of(FrameEncoder::new(), process, 202, StreamKind::FRAME, None)
}

impl Recording<FrameEncoder> {
    pub(crate) fn seal(&mut self, end: u64) -> Block {
        let seal = self.next_seal(end);
        self.encoder.seal(&seal, &Names)
    }

    /// A second's block of 50 marks.
    pub(crate) fn second(&mut self) -> Block {
        let start = self.begin;
        for mark in 0..50 {
            self.encoder.mark(start + mark * 20 * MILLI);
        }
        self.seal(start + SECOND)
    }
}

pub(crate) fn attachments(process: u8) -> Recording<AttachmentEncoder> {
    Recording::of(AttachmentEncoder::new(), process, 203, StreamKind::ATTACHMENT, None)
}

impl Recording<AttachmentEncoder> {
    pub(crate) fn seal(&mut self, end: u64) -> Block {
        let seal = self.next_seal(end);
        self.encoder.seal(&seal, &Names)
    }

    /// A second's block: one part of a file that has one for each second.
    pub(crate) fn part(&mut self, bytes: &[u8], part: u32) -> Block {
        let attachment = Attachment { number: 0, name: Some("dump"), media_type: "application/octet-stream", bytes };
        let start = self.begin;
        self.encoder.push(LOADED, ThreadId(0), start + MILLI, &attachment, part);
        self.seal(start + SECOND)
    }

    /// A second's block of 2 small files.
    pub(crate) fn second(&mut self) -> Block {
        let start = self.begin;
        for number in 0..2_u64 {
            let bytes = [number as u8; 3];
            let attachment = Attachment { number, name: Some("shot.png"), media_type: "image/png", bytes: &bytes };
            self.encoder.push(LOADED, ThreadId(0), start + number * 500 * MILLI, &attachment, 0);
        }
        self.seal(start + SECOND)
    }
}

pub(crate) fn process(number: u8) -> Process {
    Process {
        process_id: process_id(number),
        revision: 0,
        parent_process_id: None,
        exe: "game".into(),
        version: "1.2".into(),
        user: "ada".into(),
        host: "workshop".into(),
        os: "Linux 6.1".into(),
        arch: "x86_64".into(),
        cpu: "a processor".into(),
        cores: 2,
        memory_bytes: 8 << 30,
        pid: 4_000_000_000,
        sdk: "framelake 0.1".into(),
        start_time: EPOCH,
        last_seen: EPOCH + 1,
        end_time: None,
        exit_reason: None,
        properties: [("build".to_owned(), "1234".to_owned())].into(),
        dropped: Default::default(),
    }
}
