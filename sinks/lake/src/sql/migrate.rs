//! The tables of the catalog, brought up to what this program knows.

use super::session::{Lock, Session, Store};
use crate::{Error, Result};

/// Every change of the tables so far, in order: the version of a catalog is how many of them it has.
const SQLITE: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_catalog.sql"),
    include_str!("../../migrations/sqlite/0002_renamed_threads.sql"),
    include_str!("../../migrations/sqlite/0003_last_record.sql"),
    include_str!("../../migrations/sqlite/0004_tombstones.sql"),
    include_str!("../../migrations/sqlite/0005_expired_ranges.sql"),
    include_str!("../../migrations/sqlite/0006_block_schema.sql"),
    include_str!("../../migrations/sqlite/0007_letters_by_time.sql"),
];
const POSTGRES: &[&str] = &[
    include_str!("../../migrations/postgres/0001_catalog.sql"),
    include_str!("../../migrations/postgres/0002_renamed_threads.sql"),
    include_str!("../../migrations/postgres/0003_last_record.sql"),
    include_str!("../../migrations/postgres/0004_tombstones.sql"),
    include_str!("../../migrations/postgres/0005_expired_ranges.sql"),
    include_str!("../../migrations/postgres/0006_block_schema.sql"),
    include_str!("../../migrations/postgres/0007_letters_by_time.sql"),
];

const _: () = assert!(SQLITE.len() == POSTGRES.len(), "both databases have the same versions");

/// Applies what is missing, in one transaction, while no other does; refuses a catalog that a newer program wrote.
pub(super) async fn migrate(store: &Store) -> Result<()> {
    let mut session = store.write().await?;
    session.lock(Lock::Migrate).await?;
    session.script("CREATE TABLE IF NOT EXISTS catalog_version (version BIGINT NOT NULL)").await?;
    let rows = session.rows("SELECT version FROM catalog_version", vec![]).await?;
    let found = rows.first().map(|row| row.count(0)).transpose()?;
    let known = migrations(&session);
    let missing = missing(found.unwrap_or(0), known)?;
    if missing.is_empty() {
        return Ok(());
    }
    for migration in missing {
        session.script(migration).await?;
    }
    let version = vec![(known.len() as u64).into()];
    if found.is_none() {
        session.execute("INSERT INTO catalog_version (version) VALUES ($1)", version).await?;
    } else {
        session.execute("UPDATE catalog_version SET version = $1", version).await?;
    }
    session.commit().await
}

fn migrations(session: &Session) -> &'static [&'static str] {
    match session {
        Session::Sqlite(_) => SQLITE,
        Session::Postgres(_) => POSTGRES,
    }
}

fn missing<'a>(found: u64, known: &'a [&'a str]) -> Result<&'a [&'a str]> {
    usize::try_from(found).ok().and_then(|found| known.get(found..)).ok_or_else(|| Error::CatalogUnusable {
        reason: format!(
            "its version {found} is newer than this program knows ({}); start the version of framelake that wrote it, or a newer one",
            known.len()
        ),
        source: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_applied_and_a_newer_catalog_is_refused() {
        let known = &["one", "two"];
        assert_eq!(missing(0, known).expect("missing"), ["one", "two"]);
        assert_eq!(missing(1, known).expect("missing"), ["two"]);
        assert!(missing(2, known).expect("missing").is_empty());
        let error = missing(3, known).expect_err("a newer catalog");
        assert!(!error.is_retryable());
        assert!(error.to_string().contains("version 3 is newer than this program knows (2)"), "{error}");
    }
}
