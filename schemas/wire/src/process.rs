//! The `Process` record: what is known of one run of a program.

use crate::{
    Error, ProcessId, RecordKind, Result, StreamId, UnixNanos,
    avro::{self, Version},
    limits::{PROPERTIES_MAX, RECORD_BYTES_MAX, STRING_BYTES_MAX},
    schema, varint,
    varint::Reader,
};
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
    /// The record as Avro single-object bytes, never more than a record may have: texts are cut at 1 KiB (`exit_reason` at 32 KiB), and of
    /// `properties` and `dropped` go out the first 256 and the newest 4,096 entries.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut record = Vec::with_capacity(512);
        schema::put_header(&mut record, RecordKind::Process);
        self.write(FIELDS, &mut record);
        record
    }

    /// Reads a record that [`Process::encode`] wrote, now or in an older version. Never panics, and allocates no more than four times
    /// the input's length plus 64 KiB.
    ///
    /// # Errors
    /// Names the field and what is wrong with it.
    pub fn decode(record: &[u8]) -> Result<Self> {
        Self::decode_among(record, VERSIONS)
    }

    fn decode_among(record: &[u8], versions: &[Version<Field>]) -> Result<Self> {
        Error::within("record", record.len() as u64, RECORD_BYTES_MAX)?;
        let version = avro::version_of(record, versions)?;
        Self::read(schema::record_body(record), version.fields)
    }

    fn write(&self, fields: &[Field], record: &mut Vec<u8>) {
        for &field in fields {
            self.put(field, record);
        }
    }

    fn put(&self, field: Field, out: &mut Vec<u8>) {
        match field {
            Field::ProcessId => out.extend_from_slice(self.process_id.as_bytes()),
            Field::Revision => avro::put_unsigned(out, self.revision),
            Field::ParentProcessId => avro::put_option(out, self.parent_process_id, |out, id| {
                out.extend_from_slice(id.as_bytes());
            }),
            Field::Exe => put_text(out, &self.exe),
            Field::Version => put_text(out, &self.version),
            Field::User => put_text(out, &self.user),
            Field::Host => put_text(out, &self.host),
            Field::Os => put_text(out, &self.os),
            Field::Arch => put_text(out, &self.arch),
            Field::Cpu => put_text(out, &self.cpu),
            Field::Cores => avro::put_unsigned(out, u64::from(self.cores)),
            Field::MemoryBytes => avro::put_unsigned(out, self.memory_bytes),
            Field::Pid => avro::put_unsigned(out, u64::from(self.pid)),
            Field::Sdk => put_text(out, &self.sdk),
            Field::StartTime => varint::put_signed(out, self.start_time),
            Field::LastSeen => varint::put_signed(out, self.last_seen),
            Field::EndTime => avro::put_option(out, self.end_time, varint::put_signed),
            Field::ExitReason => avro::put_option(out, self.exit_reason.as_deref(), avro::put_string),
            Field::Properties => {
                avro::put_map(out, self.properties.iter().take(PROPERTIES_MAX), |out, (key, value)| {
                    put_text(out, key);
                    put_text(out, value);
                })
            }
            Field::Dropped => avro::put_map(
                out,
                self.dropped.iter().skip(self.dropped.len().saturating_sub(DROPPED_MAX)),
                |out, (stream_id, count)| {
                    avro::put_string(out, &stream_id.to_string());
                    avro::put_unsigned(out, *count);
                },
            ),
        }
    }

    fn read(body: &[u8], fields: &[Field]) -> Result<Self> {
        let mut process = Self::unset();
        let mut reader = Reader::new(body);
        for field in fields {
            let r = &mut reader;
            match field {
                Field::ProcessId => process.process_id = ProcessId::from_bytes(r.array("process_id")?),
                Field::Revision => process.revision = avro::count(r, "revision")?,
                Field::ParentProcessId => {
                    let id = |r: &mut Reader<'_>| r.array("parent_process_id").map(ProcessId::from_bytes);
                    process.parent_process_id = avro::option(r, "parent_process_id", id)?;
                }
                Field::Exe => process.exe = avro::string(r, "exe")?.to_owned(),
                Field::Version => process.version = avro::string(r, "version")?.to_owned(),
                Field::User => process.user = avro::string(r, "user")?.to_owned(),
                Field::Host => process.host = avro::string(r, "host")?.to_owned(),
                Field::Os => process.os = avro::string(r, "os")?.to_owned(),
                Field::Arch => process.arch = avro::string(r, "arch")?.to_owned(),
                Field::Cpu => process.cpu = avro::string(r, "cpu")?.to_owned(),
                Field::Cores => process.cores = avro::small(r, "cores")?,
                Field::MemoryBytes => process.memory_bytes = avro::count(r, "memory_bytes")?,
                Field::Pid => process.pid = avro::small(r, "pid")?,
                Field::Sdk => process.sdk = avro::string(r, "sdk")?.to_owned(),
                Field::StartTime => process.start_time = r.signed("start_time")?,
                Field::LastSeen => process.last_seen = r.signed("last_seen")?,
                Field::EndTime => process.end_time = avro::option(r, "end_time", |r| r.signed("end_time"))?,
                Field::ExitReason => {
                    let reason = avro::option(r, "exit_reason", |r| avro::string(r, "exit_reason"))?;
                    process.exit_reason = reason.map(str::to_owned);
                }
                Field::Properties => avro::map(r, "properties", PROPERTIES_MAX, |r| {
                    let key = avro::string(r, "properties")?.to_owned();
                    process.properties.insert(key, avro::string(r, "properties")?.to_owned());
                    Ok(())
                })?,
                Field::Dropped => avro::map(r, "dropped", RECORD_BYTES_MAX, |r| {
                    let stream_id = avro::string(r, "dropped")?.parse()?;
                    process.dropped.insert(stream_id, avro::count(r, "dropped")?);
                    Ok(())
                })?,
            }
        }
        reader.finish("record")?;
        Ok(process)
    }

    /// A process of which nothing is known yet: what a field that an older version lacks stays at.
    fn unset() -> Self {
        Self {
            process_id: ProcessId::from_bytes([0; 16]),
            revision: 0,
            parent_process_id: None,
            exe: String::new(),
            version: String::new(),
            user: String::new(),
            host: String::new(),
            os: String::new(),
            arch: String::new(),
            cpu: String::new(),
            cores: 0,
            memory_bytes: 0,
            pid: 0,
            sdk: String::new(),
            start_time: 0,
            last_seen: 0,
            end_time: None,
            exit_reason: None,
            properties: BTreeMap::new(),
            dropped: BTreeMap::new(),
        }
    }
}

/// Most bytes of a text that is not `exit_reason`.
const TEXT_BYTES_MAX: usize = 1024;
/// Most streams whose losses go out.
const DROPPED_MAX: usize = 4096;
/// 8 texts, the exit reason, properties, losses (36 characters, their length and 10 bytes of number), and the numbers between.
const RECORD_BYTES: usize =
    8 * TEXT_BYTES_MAX + STRING_BYTES_MAX + PROPERTIES_MAX * 2 * (TEXT_BYTES_MAX + 2) + DROPPED_MAX * 47 + 256;
const _: () = assert!(RECORD_BYTES <= RECORD_BYTES_MAX);

fn put_text(out: &mut Vec<u8>, text: &str) {
    avro::put_string(out, avro::cut(text, TEXT_BYTES_MAX));
}

/// The fields of all versions of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    ProcessId,
    Revision,
    ParentProcessId,
    Exe,
    Version,
    User,
    Host,
    Os,
    Arch,
    Cpu,
    Cores,
    MemoryBytes,
    Pid,
    Sdk,
    StartTime,
    LastSeen,
    EndTime,
    ExitReason,
    Properties,
    Dropped,
}

/// The fields of `schemas/avro/process.avsc`.
const FIELDS: &[Field] = &[
    Field::ProcessId,
    Field::Revision,
    Field::ParentProcessId,
    Field::Exe,
    Field::Version,
    Field::User,
    Field::Host,
    Field::Os,
    Field::Arch,
    Field::Cpu,
    Field::Cores,
    Field::MemoryBytes,
    Field::Pid,
    Field::Sdk,
    Field::StartTime,
    Field::LastSeen,
    Field::EndTime,
    Field::ExitReason,
    Field::Properties,
    Field::Dropped,
];

/// Every version of the schema that was ever written, the newest first.
pub(crate) const VERSIONS: &[Version<Field>] = &[Version { fingerprint: schema::PROCESS_FINGERPRINT, fields: FIELDS }];

#[cfg(test)]
mod tests;
