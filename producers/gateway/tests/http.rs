//! The gateway over real HTTP, on the log in memory and on logs that fail.

use async_trait::async_trait;
use bytes::Bytes;
use framelake_gateway::{Options, Stats, router};
use framelake_log::{
    Appended, Batch, Bounds, Consumer, ConsumerOptions, Error, EventLog, Memory, NewRecord, Offset, ReadLimits, Result,
    StoredRecord, TopicDescription, TopicPartition,
};
use framelake_wire::{
    Block, BlockId, Header, Process, ProcessId, Record, StreamId, StreamKind, TimeSample, Topic, batch,
    limits::BATCH_BYTES_MAX, partition_for,
};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Notify;

const PROCESS: ProcessId = ProcessId::from_bytes([7; 16]);

fn process() -> Vec<u8> {
    let process = Process {
        process_id: PROCESS,
        revision: 0,
        parent_process_id: None,
        exe: "game".into(),
        version: String::new(),
        user: "u".into(),
        host: "h".into(),
        os: "o".into(),
        arch: "a".into(),
        cpu: "c".into(),
        cores: 2,
        memory_bytes: 0,
        pid: 1,
        sdk: "test".into(),
        start_time: 0,
        last_seen: 0,
        end_time: None,
        exit_reason: None,
        properties: [].into(),
        dropped: [].into(),
    };
    process.encode()
}

fn block(sequence: u64, kind: StreamKind, payload_bytes: usize) -> Vec<u8> {
    let sample = TimeSample { ticks: 0, monotonic_ns: 0, wall_ns: 0 };
    let header = Header {
        format_version: framelake_wire::limits::FORMAT_VERSION,
        process_id: PROCESS,
        stream_id: StreamId::from_bytes([8; 16]),
        kind,
        thread_name: "main".into(),
        thread_number: 1,
        clock_domain: "tsc".into(),
        block_id: BlockId::from_bytes([9; 16]),
        sequence,
        first_ordinal: 0,
        ordinal_count: 1,
        event_count: 2,
        row_count: 1,
        dropped_count: 0,
        dropped_total: 0,
        anchor_ns: 0,
        begin: sample,
        end: sample,
        min_time: 0,
        max_time: 0,
        extensions: Vec::new(),
    };
    Block { header, payload: vec![1; payload_bytes] }.encode()
}

fn body(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (topic, record) in entries {
        batch::push(&mut body, topic, record);
    }
    body
}

/// A gateway that runs until the test ends.
struct Gateway {
    address: SocketAddr,
    stats: Stats,
}

struct Reply {
    status: u16,
    retry_after: Option<String>,
    body: Value,
}

impl Gateway {
    async fn start(log: impl EventLog, options: Options) -> Self {
        let stats = options.stats.clone();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router(Arc::new(log), options)).await });
        Self { address, stats }
    }

    async fn send(&self, request: impl FnOnce(String) -> ureq::http::Request<Vec<u8>> + Send + 'static) -> Reply {
        let base = format!("http://{}", self.address);
        tokio::task::spawn_blocking(move || {
            let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
            let mut response = agent.run(request(base)).expect("an answer");
            let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
            let text = response.body_mut().read_to_string().unwrap();
            let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text:?} is no JSON: {error}"));
            Reply { status: response.status().as_u16(), retry_after, body }
        })
        .await
        .unwrap()
    }

    async fn post_as(&self, media_type: &'static str, body: Vec<u8>) -> Reply {
        self.send(move |base| {
            let request = ureq::http::Request::post(format!("{base}/v1/records")).header("content-type", media_type);
            request.body(body).unwrap()
        })
        .await
    }

    async fn post(&self, body: Vec<u8>) -> Reply {
        self.post_as(batch::CONTENT_TYPE, body).await
    }

    async fn get(&self, path: &'static str) -> Reply {
        self.send(move |base| ureq::http::Request::get(format!("{base}{path}")).body(Vec::new()).unwrap()).await
    }
}

impl Reply {
    /// Every refusal says what is wrong and what to do.
    #[track_caller]
    fn assert_refused(&self, status: u16, retry_after: Option<&str>, error_has: &str) {
        let error = self.body["error"].as_str().unwrap_or_default();
        assert_eq!((self.status, self.retry_after.as_deref()), (status, retry_after), "{}", self.body);
        assert!(error.contains(error_has), "{error}");
        assert!(!self.body["remedy"].as_str().unwrap_or_default().is_empty(), "{}", self.body);
    }
}

async fn stored(log: &Memory, topic: Topic, partition: u32) -> Vec<StoredRecord> {
    let at = TopicPartition { topic, partition };
    let from = log.bounds(at).await.unwrap().earliest;
    let limits = ReadLimits { bytes_max: usize::MAX, wait_max: Duration::ZERO };
    log.read(at, from, limits).await.unwrap().records
}

#[tokio::test(flavor = "multi_thread")]
async fn records_reach_the_log_as_they_were_sealed() {
    let log = Memory::default();
    let gateway = Gateway::start(log.clone(), Options::default()).await;
    let (process, span, log_lines) = (process(), block(0, StreamKind::SPAN, 50_000), block(1, StreamKind::LOG, 10));
    let reply = gateway
        .post(body(&[("framelake.processes", &process), ("framelake.spans", &span), ("framelake.logs", &log_lines)]))
        .await;
    let key = PROCESS.to_string();
    let partition = partition_for(key.as_bytes(), 3);
    let position = json!({"partition": partition, "offset": 0});
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.body, json!({"positions": [position, position, position], "rejected": []}));
    for (topic, sent) in [(Topic::Processes, &process), (Topic::Spans, &span), (Topic::Logs, &log_lines)] {
        let record = stored(&log, topic, partition).await.remove(0);
        assert_eq!((&record.value[..], &record.key[..]), (&sent[..], key.as_bytes()), "{topic}");
        let headers = Record::decode(sent).unwrap().headers();
        let headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.to_owned(), Bytes::from(value))).collect();
        assert_eq!(record.headers, headers, "{topic}");
        assert!(headers.iter().any(|(name, value)| name == "process-id" && *value == key), "{headers:?}");
    }
    let snapshot = gateway.stats.snapshot();
    assert_eq!((snapshot.batches, snapshot.records, snapshot.rejected), (1, 3, 0));
    assert_eq!(snapshot.bytes as usize, process.len() + span.len() + log_lines.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_record_is_a_dead_letter_and_the_others_are_taken() {
    let log = Memory::default();
    let gateway = Gateway::start(log.clone(), Options::default()).await;
    let good = block(0, StreamKind::SPAN, 10);
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let reply = gateway
        .post(body(&[
            ("framelake.spans", &flipped),
            ("framelake.spans", &good),
            ("framelake.logs", &good),
            ("framelake.lake", &good),
            ("framelake.spans", b"\xff\xff\xff\x7f"),
        ]))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let rejected: Vec<_> =
        reply.body["rejected"].as_array().unwrap().iter().map(|r| r["index"].as_u64().unwrap()).collect();
    assert_eq!(rejected, [0, 2, 3, 4]);
    let reason = |n: usize| reply.body["rejected"][n]["reason"].as_str().unwrap().to_owned();
    assert!(reason(0).contains("checksum"), "{}", reason(0));
    assert!(reason(1).contains("belongs to framelake.spans"), "{}", reason(1));
    let taken: Vec<bool> = reply.body["positions"].as_array().unwrap().iter().map(Value::is_object).collect();
    assert_eq!(taken, [false, true, false, false, false]);

    let letters = stored(&log, Topic::DeadLetters, partition_for(b"", 3)).await;
    let values: Vec<&[u8]> = letters.iter().map(|letter| &letter.value[..]).collect();
    assert_eq!(values, [&flipped[..], &good, &good, b"\xff\xff\xff\x7f"], "byte for byte");
    assert!(letters[1].headers.contains(&("_dlq.errors.original.topic".into(), "framelake.logs".into())));
    let partition = partition_for(PROCESS.to_string().as_bytes(), 3);
    assert_eq!(stored(&log, Topic::Spans, partition).await.len(), 1);
    let snapshot = gateway.stats.snapshot();
    assert_eq!((snapshot.records, snapshot.rejected), (1, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_batch_is_refused_with_a_remedy() {
    let log = Memory::default();
    let gateway = Gateway::start(log.clone(), Options::default()).await;
    let whole = body(&[("framelake.spans", &block(0, StreamKind::SPAN, 10))]);
    gateway.post(whole[..whole.len() - 1].to_vec()).await.assert_refused(400, None, "truncated");
    gateway.post_as("application/json", b"{}".to_vec()).await.assert_refused(415, None, "application/json");
    gateway.post(vec![0; BATCH_BYTES_MAX + 1]).await.assert_refused(413, None, "8388608");
    gateway.get("/v1/records").await.assert_refused(405, None, "method");
    gateway.get("/nowhere").await.assert_refused(404, None, "nothing");
    for topic in Topic::ALL {
        for partition in 0..if topic == Topic::Lake { 1 } else { 3 } {
            assert_eq!(stored(&log, topic, partition).await, [], "{topic}");
        }
    }
    let refused = gateway.stats.snapshot().refused;
    assert_eq!(refused, [("unreadable", 1), ("media_type", 1), ("too_large", 1)].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_should_record_goes_back_with_the_reply() {
    let options = Options::default();
    let control = options.control.clone();
    let gateway = Gateway::start(Memory::default(), options).await;
    let put = async |body: String| {
        let request = |base| ureq::http::Request::put(format!("{base}/v1/control")).body(body.into_bytes()).unwrap();
        gateway.send(request).await
    };
    let span = body(&[("framelake.spans", &block(0, StreamKind::SPAN, 10))]);
    assert_eq!(gateway.post(span.clone()).await.body.get("control"), None, "nothing was said yet");
    let texts = json!({"default": null, "exes": {"game": "info,net=debug"}, "processes": {}});
    let reply = put(texts.to_string()).await;
    assert_eq!((reply.status, &reply.body), (200, &texts), "{}", reply.body);
    assert_eq!(gateway.get("/v1/control").await.body, texts);

    // Nobody knows yet which program this is.
    assert_eq!(gateway.post(span.clone()).await.body["control"], "");
    let reply = gateway.post(body(&[("framelake.processes", &process())])).await;
    assert_eq!(reply.body["control"], "info,net=debug");
    assert_eq!(gateway.post(span.clone()).await.body["control"], "info,net=debug");

    let process_id = PROCESS.to_string();
    assert_eq!(put(json!({"processes": {process_id: "off"}}).to_string()).await.status, 200);
    assert_eq!(gateway.post(span.clone()).await.body["control"], "off");
    assert_eq!(control.texts().exes, [].into(), "all that was is gone");

    let patch = async |body: serde_json::Value| {
        let body = body.to_string().into_bytes();
        let request = |base| ureq::http::Request::patch(format!("{base}/v1/control")).body(body).unwrap();
        gateway.send(request).await
    };
    let reply = patch(json!({"default": "warn", "exes": {"tool": "info"}})).await;
    let texts = json!({"default": "warn", "exes": {"tool": "info"}, "processes": {PROCESS.to_string(): "off"}});
    assert_eq!((reply.status, &reply.body), (200, &texts), "what is not named stays");
    assert_eq!(patch(json!({"default": null, "exes": {"tool": null}})).await.status, 200);
    assert_eq!(
        gateway.get("/v1/control").await.body,
        json!({"default": null, "exes": {}, "processes": {PROCESS.to_string(): "off"}})
    );
    patch(json!({"exe": {"tool": "info"}})).await.assert_refused(400, None, "exe");
    patch(json!({"exes": {"tool": 1}})).await.assert_refused(400, None, "expected a string");
    let both = tokio::join!(patch(json!({"exes": {"a": "info"}})), patch(json!({"exes": {"b": "info"}})));
    assert_eq!((both.0.status, both.1.status), (200, 200));
    assert_eq!(gateway.get("/v1/control").await.body["exes"], json!({"a": "info", "b": "info"}));

    put("loud".into()).await.assert_refused(400, None, "expected");
    put(json!({"defualt": "info"}).to_string()).await.assert_refused(400, None, "defualt");
    put(json!({"processes": {"game": "info"}}).to_string()).await.assert_refused(400, None, "no process id");
    put(json!({"default": "x".repeat(4097)}).to_string()).await.assert_refused(400, None, "over the limit of 4096");
    put("x".repeat(8 << 20)).await.assert_refused(413, None, "over the limit");
    assert_eq!(gateway.post(span).await.body["control"], "off", "what is refused changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_batch_is_taken() {
    let gateway = Gateway::start(Memory::default(), Options::default()).await;
    let record = block(0, StreamKind::SPAN, 600 * 1024);
    let mut full = Vec::new();
    while full.len() + batch::entry_bytes("framelake.spans", record.len()) <= BATCH_BYTES_MAX {
        batch::push(&mut full, "framelake.spans", &record);
    }
    // The rest as one record that is too short to be one, so that the batch has exactly the limit.
    let rest = BATCH_BYTES_MAX - full.len() - batch::entry_bytes("framelake.spans", 0);
    batch::push(&mut full, "framelake.spans", &vec![0; rest.min(700 * 1024)]);
    assert_eq!(full.len(), BATCH_BYTES_MAX);
    let reply = gateway.post(full).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.body["rejected"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_grows_beyond_its_limit_is_cut_off() {
    let gateway = Gateway::start(Memory::default(), Options::default()).await;
    let address = gateway.address;
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /v1/records HTTP/1.1\r\nhost: x\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n",
            batch::CONTENT_TYPE
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mebibyte = [b"100000\r\n".as_slice(), &vec![0; 1024 * 1024], b"\r\n"].concat();
        // The gateway stops reading somewhere behind the limit; what is written then may or may not pass.
        for _ in 0..9 {
            if stream.write_all(&mebibyte).is_err() {
                break;
            }
        }
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    })
    .await
    .unwrap();
    assert_eq!(answer, "HTTP/1.1 413");
}

/// A log whose appends do what the test says.
#[derive(Debug)]
struct Failing(Fault);

#[derive(Debug)]
enum Fault {
    Unavailable,
    Unusable,
    /// Appends wait until told to go on.
    Stuck(Arc<Notify>),
}

impl Failing {
    fn error(&self) -> Option<Error> {
        let reason = || "the broker is away".to_owned();
        match self.0 {
            Fault::Unavailable => Some(Error::Unavailable { reason: reason(), source: None }),
            Fault::Unusable => Some(Error::Unusable { reason: "damaged".into(), source: None }),
            Fault::Stuck(_) => None,
        }
    }
}

#[async_trait]
impl EventLog for Failing {
    async fn topics(&self) -> Result<Vec<TopicDescription>> {
        self.error().map_or(Ok(vec![]), Err)
    }
    async fn append(&self, _records: Vec<NewRecord>) -> Result<Vec<Appended>> {
        if let Fault::Stuck(go_on) = &self.0 {
            go_on.notified().await;
        }
        self.error().map_or(Ok(vec![]), Err)
    }
    async fn read(&self, _: TopicPartition, _: Offset, _: ReadLimits) -> Result<Batch> {
        unreachable!("a gateway does not read")
    }
    async fn bounds(&self, _: TopicPartition) -> Result<Bounds> {
        unreachable!("a gateway does not read")
    }
    async fn consumer(&self, _: ConsumerOptions) -> Result<Box<dyn Consumer>> {
        unreachable!("a gateway does not read")
    }
    async fn trim(&self, _: TopicPartition, _: Offset) -> Result<()> {
        unreachable!("a gateway does not trim")
    }
    async fn disk_bytes(&self) -> Result<Option<u64>> {
        unreachable!("a gateway does not ask")
    }
}

fn one_record() -> Vec<u8> {
    body(&[("framelake.spans", &block(0, StreamKind::SPAN, 100 * 1024))])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_fails_is_503_with_retry_after_never_500() {
    let away = Gateway::start(Failing(Fault::Unavailable), Options::default()).await;
    away.post(one_record()).await.assert_refused(503, Some("1"), "the broker is away");
    away.get("/ready").await.assert_refused(503, None, "the broker is away");
    assert_eq!(away.get("/health").await.status, 200, "the gateway itself lives");
    assert_eq!(away.stats.snapshot().refused, [("log_unavailable", 1)].into());

    let damaged = Gateway::start(Failing(Fault::Unusable), Options::default()).await;
    damaged.post(one_record()).await.assert_refused(503, Some("10"), "damaged");

    let options = Options { append_max: Duration::from_millis(50), ..Options::default() };
    let stuck = Gateway::start(Failing(Fault::Stuck(Arc::default())), options).await;
    stuck.post(one_record()).await.assert_refused(503, Some("1"), "within 50ms");
    assert_eq!(stuck.get("/ready").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_pressure_batches_are_put_off_and_taken_again_later() {
    let go_on = Arc::new(Notify::new());
    let options = Options { in_flight_bytes_max: BATCH_BYTES_MAX, ..Options::default() };
    let gateway = Arc::new(Gateway::start(Failing(Fault::Stuck(go_on.clone())), options).await);
    let small = one_record();
    let mut large = Vec::new();
    while large.len() < BATCH_BYTES_MAX - 100 * 1024 {
        large.extend_from_slice(&small);
    }
    let posting = {
        let (gateway, large) = (gateway.clone(), large.clone());
        tokio::spawn(async move { gateway.post(large).await.status })
    };
    // The large batch holds nearly all there is; one that does not fit beside it is answered at once.
    tokio::time::sleep(Duration::from_millis(300)).await;
    gateway.post(large).await.assert_refused(429, Some("1"), "on their way");
    go_on.notify_one();
    assert_eq!(posting.await.unwrap(), 200);
    go_on.notify_one();
    assert_eq!(gateway.post(small).await.status, 200, "what was held is free again");
    assert_eq!(gateway.stats.snapshot().refused, [("busy", 1)].into());
}
