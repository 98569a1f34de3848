//! The `Process` record: what is known of one run of a program.

use crate::{ProcessId, Result, StreamId, UnixNanos};
use std::collections::BTreeMap;

/// One run of an instrumented program. An upsert: of two records with the same id, the greater `revision` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// This run.
    pub process_id: ProcessId,
    /// Grows with every record of this process, from 0.
    pub revision: u64,
    /// The run that started this one, when it was instrumented too.
    pub parent_process_id: Option<ProcessId>,
    /// The executable's file name.
    pub exe: String,
    /// The whole path and arguments are not recorded: they may hold secrets. The version the program gives of itself.
    pub version: String,
    /// The operating system's user.
    pub user: String,
    /// The machine's host name.
    pub host: String,
    /// The operating system and its version, for people.
    pub os: String,
    /// The processor's architecture, as Rust names it (`x86_64`).
    pub arch: String,
    /// The processor's model, for people.
    pub cpu: String,
    /// Logical cores that the process may use.
    pub cores: u32,
    /// Memory of the machine, in bytes; 0 where unknown.
    pub memory_bytes: u64,
    /// The operating system's process number.
    pub pid: u32,
    /// The SDK that recorded it, name and version.
    pub sdk: String,
    /// When the SDK was started.
    pub start_time: UnixNanos,
    /// When this record was written.
    pub last_seen: UnixNanos,
    /// When the program ended, in the last record of an orderly end.
    pub end_time: Option<UnixNanos>,
    /// How it ended: `exit`, `panic: …`.
    pub exit_reason: Option<String>,
    /// What the user gave (`FRAMELAKE_PROPERTIES="build=1234,map=castle"` or the builder).
    pub properties: BTreeMap<String, String>,
    /// Rows lost so far, by stream (see [`crate::Header::dropped_total`]); streams that lost nothing are left out.
    pub dropped: BTreeMap<StreamId, u64>,
}

impl Process {
    /// The record as Avro single-object bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        todo!()
    }

    /// Reads a record that [`Process::encode`] wrote, now or in an older version. Never panics, and allocates no more than four times
    /// the input's length plus 64 KiB.
    ///
    /// # Errors
    /// Names the field and what is wrong with it.
    pub fn decode(_record: &[u8]) -> Result<Self> {
        todo!()
    }
}
