//! What a ticket or a prepared statement's handle says.

use super::asked::{self, Asked};
use super::error;
use crate::OnCorrupt;
use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use prost::Message;
use tonic::Status;
use uuid::Uuid;

/// A statement with all that is needed to run it. It is self-contained: another replica, or this one after a restart, can serve it. What the server remembers
/// under its `id` (plans) only saves work.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Handle {
    /// UUID of the prepared statement, or of the plan that GetFlightInfo made.
    #[prost(bytes = "bytes", tag = "1")]
    id: Bytes,
    #[prost(string, tag = "2")]
    pub(super) sql: String,
    /// An Arrow IPC stream of one row; empty if nothing is bound.
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) parameters: Bytes,
    /// How the announced schema treats dictionaries, so that DoGet keeps its word.
    #[prost(bool, tag = "4")]
    pub(super) keep_dictionaries: bool,
    /// What a block that cannot be decoded does to the query; empty leaves it to the server.
    #[prost(string, tag = "5")]
    on_corrupt: String,
}

impl Handle {
    pub(super) fn new(sql: String, parameters: Bytes, asked: Asked) -> Self {
        let id = Bytes::copy_from_slice(Uuid::new_v4().as_bytes());
        let Asked { keep_dictionaries, on_corrupt } = asked;
        let on_corrupt = on_corrupt.map_or("", OnCorrupt::as_str).to_owned();
        Self { id, sql, parameters, keep_dictionaries, on_corrupt }
    }

    /// What a block that cannot be decoded does to the query, where it was said.
    pub(super) fn on_corrupt(&self) -> Result<Option<OnCorrupt>, Status> {
        (!self.on_corrupt.is_empty()).then(|| asked::on_corrupt(&self.on_corrupt)).transpose()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, Status> {
        let handle = Self::decode(bytes).map_err(|error| error::malformed("the statement handle", error))?;
        match handle.id.len() {
            16 => Ok(handle),
            _ => Err(error::malformed("the statement handle", "it was not made by this server")),
        }
    }

    pub(super) fn id(&self) -> Uuid {
        Uuid::from_slice(&self.id).expect("read and new only make ids of 16 bytes")
    }

    pub(super) fn bytes(&self) -> Bytes {
        self.encode_to_vec().into()
    }
}

pub(super) fn write_row(row: &RecordBatch) -> Result<Bytes, Status> {
    let mut writer = StreamWriter::try_new(Vec::new(), &row.schema()).map_err(error::arrow)?;
    writer.write(row).map_err(error::arrow)?;
    writer.into_inner().map(Bytes::from).map_err(error::arrow)
}

/// The bound row; `None` if nothing is bound.
pub(super) fn read_row(bytes: &[u8]) -> Result<Option<RecordBatch>, Status> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let malformed = |error| error::malformed("the bound parameters", error);
    StreamReader::try_new(bytes, None).map_err(malformed)?.next().transpose().map_err(malformed)
}
