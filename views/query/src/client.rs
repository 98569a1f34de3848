//! A FlightSQL client, for the command line, the demo and tests.

use crate::OnCorrupt;
use crate::flight::{DICTIONARIES_HEADER, ON_CORRUPT_HEADER};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::{FlightSqlServiceClient, PreparedStatement};
use arrow_flight::{FlightInfo, Ticket};
use futures::{Stream, StreamExt, TryStreamExt};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

/// A server that does not accept within this time is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Servers send at most 4 MiB as a rule; ADBC takes 16 MiB.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a query ends with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error("cannot reach {url}: {reason}; is a server running there?")]
    Unreachable {
        /// As it was given.
        url: String,
        /// What the operating system or the transport says.
        reason: String,
    },
    /// The server refused or failed; its message says why.
    #[error("{message}")]
    Refused {
        /// INVALID_ARGUMENT: the statement is wrong; RESOURCE_EXHAUSTED and DEADLINE_EXCEEDED: it is too much.
        code: Code,
        /// What the server says.
        message: String,
    },
    /// The answer is not FlightSQL.
    #[error("cannot read the server's answer: {0}; is it a FlightSQL server?")]
    Answer(String),
}

/// The rows of an answer as they come. Dropping it cancels the query.
pub type Rows = Pin<Box<dyn Stream<Item = Result<RecordBatch, Error>> + Send>>;

/// A connection; clones share it.
#[derive(Clone, Debug)]
pub struct Client {
    inner: FlightSqlServiceClient<Channel>,
}

impl Client {
    /// Connects to `url`: `grpc://127.0.0.1:8651`, or `http://…`.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let unreachable = |reason: String| Error::Unreachable { url: url.to_owned(), reason };
        let address = match url.split_once("://") {
            Some(("grpc" | "grpc+tcp", rest)) => format!("http://{rest}"),
            _ => url.to_owned(),
        };
        let endpoint = Endpoint::from_shared(address)
            .map_err(|error| unreachable(reasons(&error)))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true);
        let channel = endpoint.connect().await.map_err(|error| unreachable(reasons(&error)))?;
        let inner = FlightServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let mut inner = FlightSqlServiceClient::new_from_inner(inner);
        inner.set_header(DICTIONARIES_HEADER, "keep");
        Ok(Self { inner })
    }

    /// Says what a block that cannot be decoded does to the queries from here on.
    pub fn set_on_corrupt(&mut self, on_corrupt: OnCorrupt) {
        self.inner.set_header(ON_CORRUPT_HEADER, on_corrupt.as_str());
    }

    /// Asks; the answer's columns are known before its first rows.
    ///
    /// # Errors
    /// The server refuses the statement, or cannot be asked.
    pub async fn query(&mut self, sql: &str) -> Result<(SchemaRef, Rows), Error> {
        let info = self.inner.execute(sql.to_owned(), None).await?;
        self.fetch(info).await
    }

    /// Asks, and collects the answer: at least one batch, an empty one if there are no rows.
    ///
    /// # Errors
    /// As [`Client::query`], and whatever ends the query later.
    pub async fn query_all(&mut self, sql: &str) -> Result<Vec<RecordBatch>, Error> {
        let (schema, rows) = self.query(sql).await?;
        collect(schema, rows).await
    }

    /// Asks with a value for each `?` (or `$1`, …) of `sql`: one row, a column per parameter.
    ///
    /// # Errors
    /// As [`Client::query_all`]; the values may also not fit.
    pub async fn query_with(&mut self, sql: &str, parameters: RecordBatch) -> Result<Vec<RecordBatch>, Error> {
        let mut statement: PreparedStatement<Channel> = self.inner.prepare(sql.to_owned(), None).await?;
        statement.set_parameters(parameters)?;
        let info = statement.execute().await?;
        let (schema, rows) = self.fetch(info).await?;
        let rows = collect(schema, rows).await;
        statement.close().await?;
        rows
    }

    /// For what this client has no words for.
    pub fn inner_mut(&mut self) -> &mut FlightSqlServiceClient<Channel> {
        &mut self.inner
    }

    /// The rows that `info` announces.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn fetch(&mut self, info: FlightInfo) -> Result<(SchemaRef, Rows), Error> {
        let tickets: Vec<Ticket> = info.endpoint.iter().filter_map(|endpoint| endpoint.ticket.clone()).collect();
        let schema: Schema = info.try_decode_schema().map_err(FlightError::from)?;
        let mut parts = Vec::with_capacity(tickets.len());
        for ticket in tickets {
            parts.push(self.inner.do_get(ticket).await?);
        }
        let rows = futures::stream::iter(parts).flat_map(|part: FlightRecordBatchStream| part.map_err(Error::from));
        Ok((Arc::new(schema), rows.boxed()))
    }
}

async fn collect(schema: SchemaRef, rows: Rows) -> Result<Vec<RecordBatch>, Error> {
    let mut batches: Vec<RecordBatch> = rows.try_collect().await?;
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(schema));
    }
    Ok(batches)
}

impl From<FlightError> for Error {
    fn from(error: FlightError) -> Self {
        match error {
            FlightError::Tonic(status) => Self::Refused { code: status.code(), message: status.message().to_owned() },
            other => Self::Answer(other.to_string()),
        }
    }
}

/// The whole chain: the outermost error only says "transport error".
fn reasons(error: &dyn std::error::Error) -> String {
    let mut reasons = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        reasons = format!("{reasons}: {source}");
        next = source.source();
    }
    reasons
}
