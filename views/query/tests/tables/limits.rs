//! What one query may take.

use crate::fixture::*;
use datafusion::error::DataFusionError;
use framelake_query::{Engine, EngineOptions};

async fn busy() -> TestLake {
    let mut lake = TestLake::new().await;
    let mut main = spans(1, 0);
    let blocks: Vec<_> = (0..200).map(|_| main.second()).collect();
    lake.commit(&blocks).await;
    lake
}

/// 40,000 spans of 87 bytes do not fit in 256 KiB, nor do as many groups.
const SORT: &str = "SELECT * FROM thread_spans ORDER BY self_ns, ordinal";

#[tokio::test]
async fn a_query_over_its_memory_fails_and_says_what_to_do() {
    let lake = busy().await;
    let options = EngineOptions { query_memory_limit: Some(256 * 1024), ..options() };
    let engine = Engine::new(lake.lake.clone(), None, options).unwrap();
    let groups = "SELECT ordinal, count(*) FROM thread_spans GROUP BY ordinal";
    let error = try_ask(&engine, groups).await.unwrap_err().to_string();
    assert!(error.contains("the query is over its memory limit; narrow it or raise the limit"), "{error}");
    let error = try_ask(&engine, SORT).await.unwrap_err();
    assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{error}");
    assert_eq!(number(&engine, "SELECT count(*) FROM thread_spans").await, 40_000, "others go on");
}

#[tokio::test]
async fn a_sort_spills_where_it_may() {
    let lake = busy().await;
    let directory = tempfile::tempdir().unwrap();
    let limited = EngineOptions {
        query_memory_limit: Some(12 * 1024 * 1024),
        spill_directory: Some(directory.path().to_owned()),
        ..options()
    };
    let engine = Engine::new(lake.lake.clone(), None, limited).unwrap();
    let count = format!("SELECT count(*) FROM ({SORT})");
    assert_eq!(number(&engine, &count).await, 40_000);
}

#[tokio::test]
async fn the_smaller_side_of_a_join_is_the_one_that_is_kept() {
    let mut lake = busy().await;
    lake.commit(&[logs(1).second()]).await;
    let engine = lake.engine();
    let sql = "EXPLAIN SELECT count(*) FROM thread_spans s JOIN log_entries l ON s.process_id = l.process_id AND s.ordinal = l.ordinal";
    let plan = ask(&engine, sql).await;
    let first =
        plan.lines().skip_while(|line| !line.contains("HashJoinExec")).find(|line| line.contains("BlockScanExec"));
    assert!(first.unwrap().contains("view=log_entries"), "{plan}");
}
