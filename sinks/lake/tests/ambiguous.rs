//! A commit whose answer was lost: it is an error that may be retried, and the same commit again finds out what happened.

use framelake_lake::{Catalog, CommitOutcome, PostgresCatalog, Run, SegmentCommit};
use framelake_log::{Offset, TopicId, TopicPartition};
use framelake_wire::Topic;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

/// What the proxy does with the next COMMIT.
const PASS: u8 = 0;
const CUT_BEFORE: u8 = 1;
const CUT_AFTER: u8 = 2;

/// Passes bytes on to the server, until a COMMIT comes that it was told to cut.
async fn serve(listener: TcpListener, server: String, fault: Arc<AtomicU8>) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, fault) = (server.clone(), fault.clone());
        tokio::spawn(async move {
            let server = TcpStream::connect(server).await.expect("the server");
            let (mut from_server, mut to_server) = server.into_split();
            let (mut from_client, mut to_client) = client.into_split();
            let answers = tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
            let mut bytes = vec![0; 1 << 16];
            while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
                let commits = bytes[..count].windows(7).any(|window| window == b"COMMIT\0");
                let fault = if commits { fault.swap(PASS, Ordering::SeqCst) } else { PASS };
                if fault == CUT_AFTER {
                    // The answer must not get through.
                    answers.abort();
                }
                if fault == CUT_BEFORE || to_server.write_all(&bytes[..count]).await.is_err() {
                    break;
                }
                if fault == CUT_AFTER {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    break;
                }
            }
            answers.abort();
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_can_be_asked_again() {
    let Ok(url) = std::env::var("FRAMELAKE_TEST_POSTGRES") else {
        eprintln!(
            "SKIPPED a_commit_whose_answer_was_lost_can_be_asked_again: set FRAMELAKE_TEST_POSTGRES=postgres://user@host:port/database"
        );
        return;
    };
    let rest = url.split_once("://").expect("a scheme").1;
    let authority = rest.split('/').next().expect("an authority");
    let server = authority.rsplit('@').next().expect("a host").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
    let proxied = url.replace(&server, &listener.local_addr().expect("an address").to_string());
    let fault = Arc::new(AtomicU8::new(PASS));
    let proxy = tokio::spawn(serve(listener, server, fault.clone()));

    let catalog = PostgresCatalog::connect(&proxied).await.expect("connect");
    let incarnation = catalog.incarnation(Topic::Spans, TopicId(uuid::Uuid::new_v4())).await.expect("incarnation");
    let topic_partition = TopicPartition { topic: Topic::Spans, partition: 0 };
    let mut expected = None;
    for (number, kind, wanted) in [
        (1, CUT_BEFORE, CommitOutcome::Committed { visible: 0, duplicates: 0, conflicts: 0 }),
        (2, CUT_AFTER, CommitOutcome::AlreadyCommitted),
    ] {
        let commit = SegmentCommit {
            key: format!("segments/ambiguous/{}/{number}.avro", incarnation.0),
            topic: Topic::Spans,
            bytes: 1,
            record_count: 0,
            block_schema: None,
            runs: vec![Run { incarnation, topic_partition, expected, from: Offset(number - 1), next: Offset(number) }],
            last_records: Default::default(),
            blocks: Vec::new(),
            processes: Vec::new(),
            dead_letters: Vec::new(),
            gaps: Vec::new(),
        };
        fault.store(kind, Ordering::SeqCst);
        let error = catalog.commit_segment(commit.clone()).await.expect_err("the connection was cut");
        assert!(error.is_retryable(), "{error}");
        assert_eq!(fault.load(Ordering::SeqCst), PASS, "the COMMIT was seen");
        let outcome = catalog.commit_segment(commit).await.expect("a new connection");
        assert_eq!(outcome, wanted);
        expected = Some(Offset(number));
    }
    let progress = catalog.progress().await.expect("progress");
    let moved = progress.iter().find(|progress| progress.incarnation == incarnation).expect("its partition");
    assert_eq!(moved.next, Offset(2));
    proxy.abort();
}
