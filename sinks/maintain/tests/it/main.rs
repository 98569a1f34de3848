//! The chores over an embedded log, a SQLite catalog and a local object store.

mod chores;
mod world;
