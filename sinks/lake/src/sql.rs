//! The catalog on SQL: one text of every statement for SQLite and Postgres.
//!
//! [`session`] hides which of the two it is behind transactions, values of three types and rows; everything above it is written once.
//! Rows grow with processes, not with blocks: [`entries`] packs the blocks of one process in one segment into one row of `block_index`,
//! [`sequences`] packs what a stream has into one row of `streams`.

mod commit;
mod entries;
mod expired;
mod implementation;
mod index;
mod letters;
mod migrate;
mod objects;
mod plan;
mod postgres;
mod progress;
mod sequences;
mod session;
mod sqlite;
mod streams;
mod views;

pub use postgres::PostgresCatalog;
pub use sqlite::SqliteCatalog;
