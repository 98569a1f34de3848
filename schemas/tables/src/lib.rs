//! The Arrow schemas of Framelake's SQL tables: names, types and order of their columns, and nothing else.
//!
//! Types are chosen so that every client reads them: times are `Timestamp(ns, "UTC")`, durations `Int64` nanoseconds, numbers signed (JDBC reads large
//! unsigned ones as -1), text that repeats a dictionary, ids lower-case text, so that `WHERE process_id = '…'` works as it stands.
//!
//! - [`row_views`]: one row per event, decoded from blocks.
//! - [`catalog_tables`]: what the catalog knows of processes, streams, blocks and of what is missing.

pub mod catalog_tables;
mod field;
pub mod row_views;

pub use field::{dictionary_of_text, map_of_text, timestamp};
