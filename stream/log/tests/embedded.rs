//! What the embedded log owes beyond the contract: its file.

use bytes::Bytes;
use framelake_log::{
    Embedded, EmbeddedOptions, Error, EventLog, NewRecord, Offset, ReadLimits, StoredRecord, TopicPartition,
};
use framelake_wire::Topic;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{path::Path, time::Duration};

fn options(directory: &Path) -> EmbeddedOptions {
    EmbeddedOptions { path: directory.join("log.db"), partitions: 3 }
}

fn record(value: impl Into<Bytes>) -> NewRecord {
    NewRecord { topic: Topic::Lake, key: "key".into(), value: value.into(), headers: vec![] }
}

async fn execute(path: &Path, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("connect");
    sqlx::raw_sql(sql).execute(&mut connection).await.expect(sql);
    connection.close().await.expect("close");
}

async fn unusable(directory: &Path) -> String {
    match Embedded::open(options(directory)).await {
        Err(error @ Error::Unusable { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_without_a_clean_close() {
    let directory = tempfile::tempdir().unwrap();
    let log = Embedded::open(options(directory.path())).await.unwrap();
    let appended = log.append((0..100).map(|i| record(i.to_string())).collect()).await.unwrap();
    // A copy of the files, as a crash would leave them.
    let crashed = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("log.db{suffix}");
        std::fs::copy(directory.path().join(&name), crashed.path().join(&name)).unwrap();
    }
    let log = Embedded::open(options(crashed.path())).await.unwrap();
    let limits = ReadLimits { bytes_max: 1 << 20, wait_max: Duration::ZERO };
    let batch = log.read(appended[0].topic_partition, appended[0].offset, limits).await.unwrap();
    let values: Vec<Bytes> = batch.records.into_iter().map(|StoredRecord { value, .. }| value).collect();
    assert_eq!(values, (0..100).map(|i| Bytes::from(i.to_string())).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_in_use_is_refused_and_free_after_close() {
    let directory = tempfile::tempdir().unwrap();
    let log = Embedded::open(options(directory.path())).await.unwrap();
    let error = Embedded::open(options(directory.path())).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())), "{error}");
    let clone = log.clone();
    log.close().await;
    Embedded::open(options(directory.path())).await.unwrap();
    let error = clone.append(vec![record("late")]).await.unwrap_err();
    assert!(error.to_string().contains("was closed"), "{error}");
}

#[tokio::test]
async fn files_that_are_no_log_of_ours_are_refused_with_a_remedy() {
    let newer = tempfile::tempdir().unwrap();
    Embedded::open(options(newer.path())).await.unwrap().close().await;
    execute(&newer.path().join("log.db"), "PRAGMA user_version = 99").await;
    let message = unusable(newer.path()).await;
    assert!(message.contains("has layout 99") && message.contains("upgrade"), "{message}");

    let foreign = tempfile::tempdir().unwrap();
    execute(&foreign.path().join("log.db"), "CREATE TABLE cats (name TEXT)").await;
    let message = unusable(foreign.path()).await;
    assert!(message.contains("something else"), "{message}");

    let garbage = tempfile::tempdir().unwrap();
    std::fs::write(garbage.path().join("log.db"), vec![7; 100_000]).unwrap();
    let message = unusable(garbage.path()).await;
    assert!(message.contains("damaged"), "{message}");

    let nowhere = tempfile::tempdir().unwrap();
    let message = unusable(&nowhere.path().join("missing")).await;
    assert!(message.contains("directory must exist"), "{message}");
}

#[tokio::test]
async fn partitions_are_fixed_when_the_file_is_made() {
    let directory = tempfile::tempdir().unwrap();
    Embedded::open(options(directory.path())).await.unwrap().close().await;
    let log = Embedded::open(EmbeddedOptions { partitions: 7, ..options(directory.path()) }).await.unwrap();
    let topics = log.topics().await.unwrap();
    assert!(topics.iter().all(|topic| topic.partitions == if topic.topic == Topic::Lake { 1 } else { 3 }));
}

#[tokio::test]
async fn a_trim_gives_disk_back_while_appends_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let log = Embedded::open(options(directory.path())).await.unwrap();
    let block = Bytes::from(vec![3; 64 * 1024]);
    for _ in 0..16 {
        log.append((0..32).map(|_| record(block.clone())).collect()).await.unwrap();
    }
    let at = TopicPartition { topic: Topic::Lake, partition: 0 };
    let (trimmed, appended) = tokio::join!(log.trim(at, Offset(500)), async {
        let mut last = Offset(0);
        for _ in 0..20 {
            last = log.append(vec![record("between")]).await.unwrap()[0].offset;
        }
        last
    });
    trimmed.unwrap();
    assert_eq!(appended, Offset(16 * 32 + 19));
    let limits = ReadLimits { bytes_max: 64 << 20, wait_max: Duration::ZERO };
    let batch = log.read(at, Offset(500), limits).await.unwrap();
    assert_eq!(batch.records.len(), 12 + 20);
    let file = std::fs::metadata(directory.path().join("log.db")).unwrap().len();
    let all = log.disk_bytes().await.unwrap().unwrap();
    assert!(all >= file, "the -wal counts too: {all} and {file}");
    log.close().await;
    // 12 blocks are left of 512: the file may keep an eighth of its pages beside them.
    let file = std::fs::metadata(directory.path().join("log.db")).unwrap().len();
    assert!(file < 3 * 1024 * 1024, "{file} bytes");
}
