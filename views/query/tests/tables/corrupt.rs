//! Blocks that cannot be read.

use crate::fixture::*;
use framelake_wire::Block;

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
