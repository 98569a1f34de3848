//! The writer over an in-memory log, a SQLite catalog and a local object store.

mod crashes;
mod faults;
mod faulty_catalog;
mod takeover;
mod visibility;
mod world;
