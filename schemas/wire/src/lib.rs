//! What goes over the wire: blocks, processes, ids and clock samples, and their bytes.
//!
//! This crate does no IO and knows neither Arrow nor an async runtime, so the SDK that people link
//! into a game can use it. It writes its few fixed Avro schemas itself (`schemas/avro/*.avsc`); its
//! tests hold the bytes against apache-avro.
//!
//! - [`Block`] is the unit that travels: a [`Header`] and a compressed column payload.
//! - [`encode`] turns raw events into payloads, [`decode`] turns payloads into rows. A block decodes
//!   alone, in any order, on any machine.
//! - [`schema`] has the Avro schemas themselves, for those who write records into Avro object container files.
//! - [`batch`] frames records for `POST /v1/records`.

mod args;
mod avro;
pub mod batch;
mod block;
mod columns;
pub mod decode;
pub mod encode;
mod error;
mod id;
pub mod limits;
mod partition;
mod process;
mod record;
pub mod schema;
pub mod template;
mod time;
mod topic;
mod varint;

pub use args::Arg;
pub use block::{Block, Header};
pub use error::{Error, Result};
pub use id::{BlockId, ProcessId, StreamId};
pub use partition::{murmur2, partition_for};
pub use process::Process;
pub use record::{Kind as RecordKind, Record, record_kind};
pub use time::{TimeMap, TimeSample, UnixNanos};
pub use topic::{StreamKind, Topic};
