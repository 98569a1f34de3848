//! Segments: what is packed comes back, from any Avro reader and from ours.

use apache_avro::{Reader, types::Value};
use bytes::Bytes;
use framelake_lake::{
    BlockFilter, CommitOutcome, DurableLocal, Error, Incarnation, Lake, RecordMark, Run, SqliteCatalog,
    segment::{Builder, Content, Sealed},
};
use framelake_log::{Offset, TopicPartition};
use framelake_wire::{
    Block, BlockId, Header, Process, ProcessId, StreamId, StreamKind, TimeSample, Topic,
    schema::{BLOCK_FINGERPRINT, record_body},
};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, path::Path};
use std::{path, sync::Arc};

const INCARNATION: Incarnation = Incarnation(1);

fn block(process: u8, stream: u8, sequence: u64) -> Block {
    let begin = sequence as i64 * 1_000;
    Block {
        header: Header {
            format_version: framelake_wire::limits::FORMAT_VERSION,
            process_id: ProcessId::from_bytes([process; 16]),
            stream_id: StreamId::from_bytes([stream; 16]),
            kind: StreamKind::SPAN,
            thread_name: "main".to_owned(),
            thread_number: 1,
            clock_domain: "monotonic".to_owned(),
            block_id: BlockId::from_bytes([sequence as u8; 16]),
            sequence,
            first_ordinal: sequence * 10,
            ordinal_count: 10,
            event_count: 20,
            row_count: 10,
            dropped_count: 0,
            dropped_total: 0,
            anchor_ns: 5,
            begin: TimeSample { ticks: 1, monotonic_ns: begin, wall_ns: begin },
            end: TimeSample { ticks: 2, monotonic_ns: begin + 1_000, wall_ns: begin + 1_000 },
            min_time: begin,
            max_time: begin + 999,
            extensions: Vec::new(),
        },
        payload: vec![stream ^ sequence as u8; 60_000],
    }
}

fn process() -> Process {
    Process {
        process_id: ProcessId::from_bytes([1; 16]),
        revision: 3,
        parent_process_id: None,
        exe: "game".to_owned(),
        version: String::new(),
        user: String::new(),
        host: String::new(),
        os: String::new(),
        arch: String::new(),
        cpu: String::new(),
        cores: 2,
        memory_bytes: 1,
        pid: 1,
        sdk: String::new(),
        start_time: 0,
        last_seen: 0,
        end_time: None,
        exit_reason: None,
        properties: [("map".to_owned(), "castle".to_owned())].into(),
        dropped: [(StreamId::from_bytes([9; 16]), 4)].into(),
    }
}

/// Partition, offset and record: two streams in turn, a process and poison among them.
fn records() -> Vec<(u32, i64, Bytes, Content)> {
    let mut records = Vec::new();
    for sequence in 0..20 {
        for stream in [11, 10] {
            let block = block(1, stream, sequence);
            let offset = 100 + records.len() as i64;
            records.push((3, offset, block.encode().into(), Content::from(&block)));
        }
    }
    records.push((4, 7, process().encode().into(), Content::Process(Box::new(process()))));
    records.push((4, 9, Bytes::from_static(b"\x00poison"), Content::Poison("no magic".to_owned())));
    records
}

fn run(partition: u32, from: i64, next: i64) -> Run {
    let topic_partition = TopicPartition { topic: Topic::Spans, partition };
    Run { incarnation: INCARNATION, topic_partition, expected: None, from: Offset(from), next: Offset(next) }
}

fn runs() -> Vec<Run> {
    vec![run(3, 100, 140), run(4, 7, 10)]
}

fn seal(records: impl IntoIterator<Item = (u32, i64, Bytes, Content)>, runs: Vec<Run>) -> Sealed {
    let mut builder = Builder::new(Topic::Spans, INCARNATION);
    for (partition, offset, record, content) in records {
        assert!(builder.fits(&content, &record));
        builder.push(partition, Offset(offset), Bytes::from_static(b"key"), record, content);
    }
    builder.finish(runs)
}

fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    let Value::Record(fields) = value else { panic!("{value:?} is no record") };
    &fields.iter().find(|(field, _)| field == name).unwrap_or_else(|| panic!("no field {name}")).1
}

#[test]
fn a_stock_avro_reader_reads_all_of_it() {
    let sealed = seal(records(), runs());
    assert!(sealed.bytes.len() > 2 << 20, "several file blocks");
    let reader = Reader::new(&sealed.bytes[..]).expect("an Avro object container file");
    assert_eq!(reader.user_metadata().get("framelake.runs").map(Vec::as_slice), Some(&b"3@100-140,4@7-10"[..]));
    let entries: Vec<Value> = reader.map(|entry| entry.expect("an entry")).collect();
    assert_eq!(entries.len(), 42);

    let mut positions = Vec::new();
    let mut blocks = Vec::new();
    for entry in &entries {
        let (Value::Int(partition), Value::Long(offset)) = (field(entry, "partition"), field(entry, "offset")) else {
            panic!("a position is an int and a long")
        };
        positions.push((*partition, *offset));
        assert_eq!(field(entry, "key"), &Value::Bytes(b"key".to_vec()));
        let Value::Union(branch, record) = field(entry, "record") else { panic!("a record is a union") };
        match branch {
            0 => assert_eq!(field(record, "exe"), &Value::String("game".to_owned())),
            1 => {
                let (Value::Long(sequence), Value::Bytes(payload)) =
                    (field(record, "sequence"), field(record, "payload"))
                else {
                    panic!("a block has a sequence and a payload")
                };
                blocks.push((payload[0] ^ *sequence as u8, *sequence, payload.len()));
            }
            _ => assert_eq!(**record, Value::Bytes(b"\x00poison".to_vec())),
        }
    }
    let expected: Vec<_> = [10, 11].iter().flat_map(|&stream| (0..20).map(move |at| (stream, at, 60_000))).collect();
    assert_eq!(blocks, expected, "blocks of one stream stand together, in order");
    positions.sort_unstable();
    let expected: Vec<_> = (100..140).map(|offset| (3, offset)).chain([(4, 7), (4, 9)]).collect();
    assert_eq!(positions, expected, "every record of the runs is there");
}

#[test]
fn the_same_runs_are_the_same_bytes_under_the_same_key() {
    let sealed = seal(records(), runs());
    let mut reversed_runs = runs();
    reversed_runs.reverse();
    let reversed = seal(records().into_iter().rev(), reversed_runs);
    assert_eq!((&sealed.key, &sealed.bytes), (&reversed.key, &reversed.bytes));
    assert!(sealed.key.starts_with("segments/framelake.spans/1/0003-000000000100-000000000140+1-"), "{}", sealed.key);
    assert!(sealed.key.ends_with(".avro"));

    let mut other_record = records();
    other_record[5].2 = block(1, 10, 99).encode().into();
    assert_ne!(seal(other_record, runs()).key, sealed.key, "another record");
    assert_ne!(seal(records(), vec![run(3, 100, 141), run(4, 7, 10)]).key, sealed.key, "another run");

    let attempt = |attempt| {
        let mut builder = Builder::new(Topic::Spans, INCARNATION).attempt(attempt);
        for (partition, offset, record, content) in records() {
            builder.push(partition, Offset(offset), Bytes::from_static(b"key"), record, content);
        }
        builder.finish(runs()).key
    };
    assert_eq!(attempt(1), attempt(1));
    assert!(attempt(0) != attempt(1) && attempt(1) != attempt(2), "a doomed key is not made again");
}

#[test]
fn a_commit_names_where_each_block_stands() {
    let sealed = seal(records(), runs());
    let bytes = sealed.bytes.clone();
    let commit = sealed.into_commit(Vec::new());
    assert_eq!((commit.record_count, commit.bytes, commit.topic), (42, bytes.len() as u64, Topic::Spans));
    let last = |partition| commit.last_records.get(&run(partition, 0, 0).topic_partition).copied();
    assert_eq!(last(4), Some(RecordMark::of(b"key", b"\x00poison")), "the record at the run's end, whatever it is");
    let (.., record, _) = &records()[39];
    assert_eq!(last(3), Some(RecordMark::of(b"key", record)));
    assert_eq!(commit.block_schema, Some(BLOCK_FINGERPRINT));
    assert_eq!(commit.processes, [process()]);
    assert_eq!((commit.dead_letters.len(), &*commit.dead_letters[0].reason), (1, "no magic"));
    assert!(commit.blocks.is_sorted_by_key(|block| block.position));
    for block in &commit.blocks {
        let from = block.byte_offset as usize;
        assert_eq!(&bytes[from..from + block.byte_length as usize], record_body(&block.record));
    }
}

/// A block is read by the schema that its segment has, not by the newest one.
#[tokio::test]
async fn a_block_is_read_by_the_schema_of_its_segment() {
    let directory = tempfile::tempdir().expect("a directory");
    let lake = lake(directory.path()).await;
    let sealed = seal(records(), runs());
    lake.put_new(&sealed.key, sealed.bytes.clone()).await.expect("put");
    lake.catalog().commit_segment(sealed.into_commit(Vec::new())).await.expect("commit");
    let mut entries = lake.catalog().blocks(&BlockFilter::default()).await.expect("blocks");
    entries.truncate(1);
    assert_eq!(entries[0].schema, BLOCK_FINGERPRINT);
    entries[0].schema = 7;
    let error = lake.read_blocks(&entries).try_collect::<Vec<_>>().await.expect_err("nobody knows that schema");
    let unknown = framelake_wire::Error::UnknownSchema { fingerprint: 7 };
    assert!(matches!(&error, Error::Corrupt { source, .. } if *source == unknown), "{error}");
}

/// Segments of catalogs that did not keep their schema yet are of the first one.
#[tokio::test]
async fn a_segment_from_before_schemas_were_kept_has_the_first() {
    let directory = tempfile::tempdir().expect("a directory");
    let lake = lake(directory.path()).await;
    let mut commit = seal(records(), runs()).into_commit(Vec::new());
    commit.block_schema = None;
    lake.catalog().commit_segment(commit).await.expect("commit");
    let entries = lake.catalog().blocks(&BlockFilter::default()).await.expect("blocks");
    assert!(!entries.is_empty() && entries.iter().all(|entry| entry.schema == 0x20b5_5391_01a6_142b));
}

#[test]
fn records_of_another_schema_begin_another_segment() {
    let mut builder = Builder::new(Topic::Spans, INCARNATION);
    let block = block(1, 10, 0);
    let record = block.encode();
    let content = Content::from(&block);
    let mut older = record.clone();
    older[2] ^= 1;
    assert!(builder.fits(&content, &older));
    builder.push(0, Offset(0), Bytes::new(), record.clone().into(), content.clone());
    assert!(builder.fits(&content, &record));
    assert!(!builder.fits(&content, &older));
    assert!(builder.fits(&Content::Poison(String::new()), &older));
}

async fn lake(directory: &path::Path) -> Lake {
    let catalog = SqliteCatalog::open(directory.join("catalog.db")).await.expect("a catalog");
    Lake::new(Arc::new(catalog), Arc::new(DurableLocal::new(directory.join("objects")).expect("a directory")))
}

#[tokio::test]
async fn blocks_come_back_from_a_committed_segment() {
    let directory = tempfile::tempdir().expect("a directory");
    let lake = lake(directory.path()).await;
    let sealed = seal(records(), runs());
    let (key, bytes) = (sealed.key.clone(), sealed.bytes.clone());
    lake.put_new(&key, bytes.clone()).await.expect("put");
    lake.put_new(&key, bytes.clone()).await.expect("put again");
    let outcome = lake.catalog().commit_segment(sealed.into_commit(Vec::new())).await.expect("commit");
    assert_eq!(outcome, CommitOutcome::Committed { visible: 40, duplicates: 0, conflicts: 0 });

    let entries = lake.catalog().blocks(&BlockFilter::default()).await.expect("blocks");
    let found: Vec<_> = lake.read_blocks(&entries).try_collect().await.expect("blocks");
    assert_eq!(found.len(), 40);
    for (entry, found) in &found {
        assert_eq!(*found, block(1, entry.stream_id.as_bytes()[0], entry.sequence));
    }

    // One bit of the second block, on the disk.
    let mut damaged = bytes.to_vec();
    let at = entries[1].byte_offset as usize + 30_000;
    damaged[at] ^= 1;
    std::fs::write(directory.path().join("objects").join(&key), damaged).expect("write");
    assert_eq!(lake.read_blocks(&entries[..1]).try_collect::<Vec<_>>().await.expect("sound blocks").len(), 1);
    let error = lake.read_blocks(&entries).try_collect::<Vec<_>>().await.expect_err("a damaged block");
    assert!(!error.is_retryable());
    let Error::Corrupt { key: named, byte_offset, .. } = &error else { panic!("{error}") };
    assert_eq!((named, *byte_offset), (&key, entries[1].byte_offset));

    // Another sound block in its place.
    let mut swapped = entries[0].clone();
    swapped.byte_offset = entries[2].byte_offset;
    let error = lake.read_blocks(&[swapped]).try_collect::<Vec<_>>().await.expect_err("another block");
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");

    lake.objects().delete(&Path::from(key.as_str())).await.expect("delete");
    let error = lake.read_blocks(&entries[..1]).try_collect::<Vec<_>>().await.expect_err("no object");
    assert!(matches!(&error, Error::Object { key: named, .. } if *named == key), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_directory_keeps_the_first_put_and_shows_no_half_ones() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = DurableLocal::new(directory.path()).expect("a store");
    let path = Path::from("a/b/c.avro");
    let create = || PutMode::Create.into();
    store.put_opts(&path, Bytes::from_static(b"first").into(), create()).await.expect("put");
    let again = store.put_opts(&path, Bytes::from_static(b"second").into(), create()).await;
    assert!(matches!(again, Err(object_store::Error::AlreadyExists { .. })), "{again:?}");
    assert_eq!(store.get(&path).await.expect("get").bytes().await.expect("bytes"), "first");
    store.put(&path, Bytes::from_static(b"third").into()).await.expect("overwrite");
    assert_eq!(store.get(&path).await.expect("get").bytes().await.expect("bytes"), "third");

    // What a crash leaves of an upload is no object.
    std::fs::write(directory.path().join("a/b/d.avro#4711000001"), b"half").expect("write");
    let mut upload = store.put_multipart(&Path::from("a/e.parquet")).await.expect("an upload");
    upload.put_part(Bytes::from_static(b"part").into()).await.expect("a part");
    let listed = |objects: Vec<object_store::ObjectMeta>| {
        objects.into_iter().map(|object| object.location.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(listed(store.list(None).try_collect().await.expect("list")), ["a/b/c.avro"]);
    upload.complete().await.expect("complete");
    let mut all = listed(store.list(None).try_collect().await.expect("list"));
    all.sort_unstable();
    assert_eq!(all, ["a/b/c.avro", "a/e.parquet"]);
    let left: Vec<_> = std::fs::read_dir(directory.path().join("a/b")).expect("the directory").collect();
    assert_eq!(left.len(), 2, "puts leave nothing beside the object");
}
