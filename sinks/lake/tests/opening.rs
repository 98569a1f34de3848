//! Catalogs are opened: by many at once, by an older program, from a file that is none.

use framelake_lake::{Catalog, SqliteCatalog};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_open_a_new_catalog_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("catalog.db");
    let opened: Vec<_> = (0..4).map(|_| tokio::spawn(SqliteCatalog::open(path.clone()))).collect();
    for catalog in opened {
        let catalog = catalog.await.expect("a task").expect("open");
        assert_eq!(catalog.status().await.expect("status").segments, 0);
        catalog.close().await;
    }
}

#[tokio::test]
async fn a_newer_catalog_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("catalog.db");
    SqliteCatalog::open(&path).await.expect("open").close().await;
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display())).await.expect("connect");
    sqlx::query("UPDATE catalog_version SET version = 999").execute(&pool).await.expect("update");
    let error = SqliteCatalog::open(&path).await.expect_err("a newer catalog");
    assert!(error.to_string().contains("999") && error.to_string().contains("newer"), "{error}");
    assert!(!error.is_retryable());
    let version: i64 =
        sqlx::query_scalar("SELECT version FROM catalog_version").fetch_one(&pool).await.expect("version");
    assert_eq!(version, 999);
    pool.close().await;
}

#[tokio::test]
async fn a_file_that_is_no_catalog_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("catalog.db");
    std::fs::write(&path, "not a database at all, but long enough to look like one".repeat(100)).expect("write");
    let error = SqliteCatalog::open(&path).await.expect_err("no catalog");
    assert!(!error.is_retryable(), "{error}");
}
