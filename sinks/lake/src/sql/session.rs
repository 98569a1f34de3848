//! Transactions on SQLite or Postgres behind one face.
//!
//! Both take `$1` placeholders and the same statements; the columns have three types (64-bit integers, text, bytes). What differs
//! stands here: how a transaction begins, whose clock is asked, which errors may pass.

use crate::{Error, Result};
use framelake_wire::UnixNanos;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Row as _, Sqlite, SqlitePool, Transaction};
use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

/// Most placeholders in a statement: SQLite's limit is 32,766, Postgres's 65,535.
const PLACEHOLDERS_MAX: usize = 30_000;

/// Where sessions come from.
#[derive(Clone, Debug)]
pub(super) enum Store {
    /// One connection writes; the others read beside it (WAL).
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

impl Store {
    /// A transaction that may write. On SQLite it waits for the one before; on Postgres see [`Session::lock`].
    pub(super) async fn write(&self) -> Result<Session> {
        Ok(match self {
            Store::Sqlite { writer, .. } => Session::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Store::Postgres(pool) => Session::Postgres(pool.begin().await?),
        })
    }

    /// A transaction that only reads, and sees one state throughout.
    pub(super) async fn read(&self) -> Result<Session> {
        Ok(match self {
            Store::Sqlite { readers, .. } => Session::Sqlite(readers.begin().await?),
            Store::Postgres(pool) => {
                Session::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        })
    }
}

/// A transaction; rolled back when it is dropped.
#[derive(Debug)]
pub(super) enum Session {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Locks that Postgres needs where SQLite has one writer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lock {
    /// Names an object: no key may be doomed meanwhile.
    Name,
    /// Dooms keys: nobody may name an object meanwhile.
    Doom,
    /// Changes the tables.
    Migrate,
}

impl Session {
    /// Runs a statement and returns how many rows it changed.
    pub(super) async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64> {
        Ok(match self {
            Session::Sqlite(tx) => bind!(sqlx::query(sql), values).execute(&mut **tx).await?.rows_affected(),
            Session::Postgres(tx) => bind!(sqlx::query(sql), values).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// Runs a query and returns its rows.
    pub(super) async fn rows(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>> {
        Ok(match self {
            Session::Sqlite(tx) => {
                let rows = bind!(sqlx::query(sql), values).fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Session::Postgres(tx) => {
                let rows = bind!(sqlx::query(sql), values).fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Runs a query put together at run time from constant parts, its placeholders in order; the database does not keep its plan.
    pub(super) async fn rows_of(&mut self, sql: String, values: Vec<Value>) -> Result<Vec<Row>> {
        Ok(match self {
            Session::Sqlite(tx) => {
                let sql = AssertSqlSafe(nameless(&sql));
                let rows = bind!(sqlx::query(sql).persistent(false), values).fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Session::Postgres(tx) => {
                let sql = AssertSqlSafe(sql);
                let rows = bind!(sqlx::query(sql).persistent(false), values).fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// As [`Session::rows_of`], for statements that change rows.
    pub(super) async fn execute_of(&mut self, sql: String, values: Vec<Value>) -> Result<u64> {
        Ok(match self {
            Session::Sqlite(tx) => {
                let sql = AssertSqlSafe(nameless(&sql));
                bind!(sqlx::query(sql).persistent(false), values).execute(&mut **tx).await?.rows_affected()
            }
            Session::Postgres(tx) => {
                let sql = AssertSqlSafe(sql);
                bind!(sqlx::query(sql).persistent(false), values).execute(&mut **tx).await?.rows_affected()
            }
        })
    }

    /// `{head} VALUES (…), (…) {tail}` in as few statements as the number of placeholders allows.
    pub(super) async fn insert(&mut self, head: &str, rows: Vec<Vec<Value>>, tail: &str) -> Result<u64> {
        let Some(columns) = rows.first().map(Vec::len) else { return Ok(0) };
        let mut changed = 0;
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let mut sql = format!("{head} VALUES ");
            let mut values = Vec::new();
            while values.len() + columns <= PLACEHOLDERS_MAX
                && let Some(row) = rows.next()
            {
                sql.push_str(if values.is_empty() { "(" } else { ", (" });
                push_placeholders(&mut sql, values.len() + 1, columns);
                sql.push(')');
                values.extend(row);
            }
            sql.push(' ');
            sql.push_str(tail);
            changed += self.execute_of(sql, values).await?;
        }
        Ok(changed)
    }

    /// `{head} IN (…) {tail}` with the keys, after `first` values, in as few queries as the number of placeholders allows.
    pub(super) async fn rows_in(
        &mut self,
        head: &str,
        keys: Vec<Value>,
        tail: &str,
        first: &[Value],
    ) -> Result<Vec<Row>> {
        let mut found = Vec::new();
        for keys in keys.chunks(PLACEHOLDERS_MAX - first.len()) {
            let values = first.iter().chain(keys).cloned().collect();
            found.extend(self.rows_of(in_list(head, first.len(), keys.len(), tail), values).await?);
        }
        Ok(found)
    }

    /// As [`Session::rows_in`], for statements that change rows.
    pub(super) async fn execute_in(&mut self, head: &str, keys: Vec<Value>, tail: &str) -> Result<u64> {
        let mut changed = 0;
        for keys in keys.chunks(PLACEHOLDERS_MAX) {
            changed += self.execute_of(in_list(head, 0, keys.len(), tail), keys.to_vec()).await?;
        }
        Ok(changed)
    }

    /// Takes a lock until the transaction ends. SQLite has it already: it has one writer.
    pub(super) async fn lock(&mut self, lock: Lock) -> Result<()> {
        // "frml" in the upper half, so that others' advisory locks in the same database are others.
        const NAMES: i64 = 0x6672_6d6c_0000_0001;
        const TABLES: i64 = 0x6672_6d6c_0000_0002;
        if let Session::Postgres(_) = self {
            match lock {
                Lock::Name => self.rows("SELECT 1 FROM pg_advisory_xact_lock_shared($1)", vec![NAMES.into()]).await?,
                Lock::Doom => self.rows("SELECT 1 FROM pg_advisory_xact_lock($1)", vec![NAMES.into()]).await?,
                Lock::Migrate => self.rows("SELECT 1 FROM pg_advisory_xact_lock($1)", vec![TABLES.into()]).await?,
            };
        }
        Ok(())
    }

    /// `FOR UPDATE` where there can be another writer.
    pub(super) fn for_update(&self) -> &'static str {
        match self {
            Session::Sqlite(_) => "",
            Session::Postgres(_) => "FOR UPDATE",
        }
    }

    /// The catalog's clock: the server's, or this machine's when the catalog is a file on it.
    pub(super) async fn now(&mut self) -> Result<UnixNanos> {
        match self {
            Session::Sqlite(_) => Ok(SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))),
            Session::Postgres(_) => {
                let rows = self
                    .rows("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) * 1000", vec![])
                    .await?;
                rows[0].int(0)
            }
        }
    }

    /// Gives pages that are free now back to the file system, some 16 MiB at a time. Postgres does that by itself.
    pub(super) async fn release_space(&mut self) -> Result<()> {
        if let Session::Sqlite(_) = self {
            self.script("PRAGMA incremental_vacuum(1000)").await?;
        }
        Ok(())
    }

    /// Runs the statements of a migration.
    pub(super) async fn script(&mut self, sql: &'static str) -> Result<()> {
        match self {
            Session::Sqlite(tx) => {
                sqlx::raw_sql(sql).execute(&mut **tx).await?;
            }
            Session::Postgres(tx) => {
                sqlx::raw_sql(sql).execute(&mut **tx).await?;
            }
        }
        Ok(())
    }

    /// Ends the transaction; what it did is durable when this returns. After an error it may or may not have happened.
    pub(super) async fn commit(self) -> Result<()> {
        match self {
            Session::Sqlite(tx) => tx.commit().await?,
            Session::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

macro_rules! bind {
    ($query:expr, $values:expr) => {{
        let mut query = $query;
        for value in $values {
            query = match value {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
            };
        }
        query
    }};
}
use bind;

fn in_list(head: &str, first: usize, count: usize, tail: &str) -> String {
    let mut sql = format!("{head} IN (");
    push_placeholders(&mut sql, first + 1, count);
    let _ = write!(sql, ") {tail}");
    sql
}

/// `?` for every `$1`, `$2`, … which must stand in this order. SQLite looks the name of a parameter up in a list, so that 30,000 names take
/// seconds; parameters without names are only counted.
fn nameless(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut parts = sql.split('$');
    out.extend(parts.next());
    for (number, part) in (1..).zip(parts) {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        assert_eq!(part[..digits].parse(), Ok(number), "placeholders out of order in {sql}");
        out.push('?');
        out.push_str(&part[digits..]);
    }
    out
}

fn push_placeholders(sql: &mut String, from: usize, count: usize) {
    for number in from..from + count {
        let comma = if number > from { ", " } else { "" };
        let _ = write!(sql, "{comma}${number}");
    }
}

/// A value to bind.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Int(Option<i64>),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(Some(value))
    }
}
impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Value::Int(value)
    }
}
impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Value::Int(Some(value.into()))
    }
}
impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Value::Int(Some(value.into()))
    }
}
/// Counts beyond 2^63 − 1 stay at it.
impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Value::Int(Some(i64::try_from(value).unwrap_or(i64::MAX)))
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        // Postgres's text takes every character but this one.
        Value::Text(value.replace('\0', "\u{fffd}"))
    }
}
impl From<&String> for Value {
    fn from(value: &String) -> Self {
        value.as_str().into()
    }
}
impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Value::Bytes(value.to_vec())
    }
}
impl From<&[u8; 16]> for Value {
    fn from(value: &[u8; 16]) -> Self {
        Value::Bytes(value.to_vec())
    }
}
impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Value::Bytes(value)
    }
}

/// A row of an answer; columns by number.
#[derive(Debug)]
pub(super) enum Row {
    Sqlite(sqlx::sqlite::SqliteRow),
    Postgres(sqlx::postgres::PgRow),
}

impl Row {
    pub(super) fn int(&self, column: usize) -> Result<i64> {
        Ok(match self {
            Row::Sqlite(row) => row.try_get(column)?,
            Row::Postgres(row) => row.try_get(column)?,
        })
    }
    pub(super) fn optional_int(&self, column: usize) -> Result<Option<i64>> {
        Ok(match self {
            Row::Sqlite(row) => row.try_get(column)?,
            Row::Postgres(row) => row.try_get(column)?,
        })
    }
    pub(super) fn count(&self, column: usize) -> Result<u64> {
        Ok(self.int(column)?.max(0).unsigned_abs())
    }
    pub(super) fn text(&self, column: usize) -> Result<&str> {
        Ok(match self {
            Row::Sqlite(row) => row.try_get(column)?,
            Row::Postgres(row) => row.try_get(column)?,
        })
    }
    pub(super) fn bytes(&self, column: usize) -> Result<&[u8]> {
        Ok(match self {
            Row::Sqlite(row) => row.try_get(column)?,
            Row::Postgres(row) => row.try_get(column)?,
        })
    }
    pub(super) fn optional_bytes(&self, column: usize) -> Result<Option<&[u8]>> {
        Ok(match self {
            Row::Sqlite(row) => row.try_get(column)?,
            Row::Postgres(row) => row.try_get(column)?,
        })
    }
    pub(super) fn id(&self, column: usize) -> Result<[u8; 16]> {
        self.bytes(column)?.try_into().map_err(|_| damaged("an id is not 16 bytes"))
    }
}

/// The catalog holds what this program never wrote.
pub(super) fn damaged(what: impl std::fmt::Display) -> Error {
    Error::CatalogUnusable {
        reason: format!("it is damaged: {what}; restore it from a backup or rebuild it"),
        source: None,
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if passes(&error) {
            Error::CatalogUnavailable { reason: error.to_string(), source: Some(Box::new(error)) }
        } else {
            Error::CatalogUnusable { reason: error.to_string(), source: Some(Box::new(error)) }
        }
    }
}

/// Whether the same statement may succeed later.
fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
                // Connection, transaction rolled back (serialization, deadlock), resources, operator; read-only, lock not there, unique.
                ["08", "40", "53", "57"].contains(&code.get(..2).unwrap_or_default())
                    || ["25006", "55P03", "23505"].contains(&code.as_ref())
            } else {
                // SQLITE_BUSY, LOCKED, NOMEM, READONLY (a disk that turned so), IOERR, FULL, CANTOPEN; the low byte of extended codes.
                let code = code.parse::<i32>().unwrap_or_default() & 0xff;
                [5, 6, 7, 8, 10, 13, 14].contains(&code)
            }
        }
        _ => false,
    }
}
