//! DataFusion tables over the lake, and the FlightSQL server.
//!
//! - [`Engine`] is what all queries share; [`Engine::session`] gives each a DataFusion session with the tables.
//! - [`tables`] are those: row views decoded from blocks as they stream, and what the catalog knows.
//! - [`flight`] serves them, [`client`] asks.

pub mod client;
mod column;
mod counters;
mod decode_errors;
mod engine;
pub mod flight;
mod on_corrupt;
mod query_memory;
pub mod tables;

pub use counters::CounterValues;
pub use engine::{CATALOG, Engine, EngineOptions, SCHEMA};
pub use on_corrupt::OnCorrupt;
