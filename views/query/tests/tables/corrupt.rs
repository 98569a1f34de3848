//! Blocks that cannot be read.

use crate::fixture::*;
use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::Schema,
};
use framelake_query::{Engine, EngineOptions, OnCorrupt, client::Client, flight};
use framelake_wire::Block;
use std::sync::Arc;
use tokio::{net::TcpListener, sync::oneshot};

/// A block that says of itself what is not so: its checksum fits, its payload does not open.
fn undecodable(mut block: Block) -> Block {
    let length = block.payload.len();
    block.payload[length / 2..].fill(0xaa);
    block
}

#[tokio::test]
async fn a_block_that_does_not_decode_is_listed_and_the_rest_answers() {
    let mut lake = TestLake::new().await;
    let mut log = logs(1);
    let blocks = [log.second(), undecodable(log.second()), log.second()];
    lake.commit(&blocks).await;
    let (engine, materializer) = lake.materializing(everything());
    for _ in 0..3 {
        assert_eq!(number(&engine, "SELECT count(*) FROM log_entries").await, 20);
        materializer.idle().await;
    }
    let sql = "SELECT view, sequence, stream_id FROM decode_errors";
    let errors = ask(&engine, sql).await;
    assert_eq!(errors.lines().filter(|line| line.contains("log_entries")).count(), 1, "{errors}");
    assert!(errors.contains(&format!("| log_entries | 1        | {} |", stream_id(1, 200))), "{errors}");
    assert_eq!(number(&engine, "SELECT count(*) FROM decode_errors WHERE reason <> ''").await, 1);
    // Its neighbours are written through, each for itself.
    let line = explain(&engine, "EXPLAIN SELECT * FROM log_entries").await;
    assert!(line.contains("decode=1, reuse=2 (2 objects)"), "{line}");
}

/// Serves the engine until the client is done with it.
async fn served(engine: Engine) -> (Client, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("grpc://{}", listener.local_addr().unwrap());
    let service = flight::service(Arc::new(engine), flight::Options::default()).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(flight::serve(listener, service, async {
        let _ = stopped.await;
    }));
    (Client::connect(&url).await.unwrap(), stop)
}

#[tokio::test]
async fn a_client_may_have_its_query_fail_instead() {
    let mut lake = TestLake::new().await;
    let mut log = logs(1);
    let blocks = [log.second(), undecodable(log.second()), log.second()];
    lake.commit(&blocks).await;
    let sql = "SELECT count(*) FROM log_entries";
    let past_it = "SELECT count(*) FROM log_entries WHERE time < '2026-01-01T00:00:00.95Z'";
    let strict = EngineOptions { on_corrupt: OnCorrupt::Error, ..options() };
    // What the server's setting is, what the client asks for, and whether it fails.
    for (options, asked, fails) in [
        (options(), None, false),
        (options(), Some(OnCorrupt::Error), true),
        (strict.clone(), None, true),
        (strict, Some(OnCorrupt::Skip), false),
    ] {
        let engine = Engine::new(lake.lake.clone(), None, options).unwrap();
        let (mut client, _stop) = served(engine).await;
        if let Some(asked) = asked {
            client.set_on_corrupt(asked);
        }
        // As a statement, and prepared with nothing to bind.
        for answer in [client.query_all(sql).await, client.query_with(sql, no_parameters()).await] {
            match answer {
                Ok(_) => assert!(!fails, "{asked:?}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(fails && text.contains("block 1 of stream") && text.contains("framelake.logs"), "{text}");
                }
            }
        }
        client.query_all(past_it).await.expect("it does not read that block");
        let listed = client.query_all("SELECT count(*) AS n FROM decode_errors").await.unwrap();
        let listed = arrow::util::pretty::pretty_format_batches(&listed).unwrap().to_string();
        assert!(listed.contains("| 1 |"), "listed either way: {listed}");
    }
}

/// A row that binds nothing.
fn no_parameters() -> RecordBatch {
    let rows = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &rows).unwrap()
}

#[tokio::test]
async fn a_checksum_that_does_not_match_fails_and_names_the_object() {
    let mut lake = TestLake::new().await;
    let mut log = logs(1);
    let block = log.second();
    let payload = block.payload.clone();
    let damage = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(payload.len()).position(|window| window == payload).unwrap();
        bytes[at + payload.len() / 2] ^= 1;
    };
    lake.commit_damaged(&[block], damage).await;
    let error = try_ask(&lake.engine(), "SELECT count(*) FROM log_entries").await.unwrap_err().to_string();
    assert!(error.contains("checksum mismatch") && error.contains("framelake.logs"), "{error}");
}
