//! The writer over an in-memory log, a SQLite catalog and a local object store.

mod crashes;
mod dice;
mod faults;
mod faulty_catalog;
mod faulty_objects;
mod rebalancing;
mod rolled_back;
mod takeover;
mod visibility;
mod world;
