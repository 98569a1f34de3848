//! The service: which call asks for what.

use super::action::{self, SessionOptions};
use super::asked::Asked;
use super::handle::{self, Handle};
use super::parameters::Parameters;
use super::remembered::Remembered;
use super::run::{Reply, Runner};
use super::wire::Wire;
use super::{Sessions, cooperative, error, metadata, statement};
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any, Command,
    DoPutPreparedStatementResult, ProstMessageExt, TicketStatementQuery,
};
use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, Criteria, Empty, FlightData,
    FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse, IpcMessage, PollInfo, PutResult,
    SchemaAsIpc, SchemaResult, Ticket,
};
use bytes::Bytes;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use prost::Message;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonic::{Request, Response, Status, Streaming};

/// What the handshake answers while there is no authentication; nobody checks it.
const TOKEN: &str = "Bearer anonymous";

/// GetFlightInfo plans, DoGet follows within milliseconds as a rule.
const PLANS_KEPT: Duration = Duration::from_secs(60);
/// Plans hold references to tables and some KiB each.
const PLANS_MAX: usize = 256;
/// For clients that ignore the handle which DoPut answers; the others carry their parameters themselves.
const PARAMETERS_KEPT: Duration = Duration::from_secs(3600);
const PARAMETERS_MAX: usize = 4_096;

/// Limits of the service.
#[derive(Clone, Debug)]
pub struct Options {
    /// From the call to the last row, including the time that the client takes to read.
    pub query_timeout: Duration,
    /// Further queries wait, and their time counts.
    pub queries_at_once: NonZeroUsize,
    /// Threads that plan and run queries.
    pub threads: NonZeroUsize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            query_timeout: Duration::from_secs(300),
            queries_at_once: NonZeroUsize::new(16).expect("16 is not zero"),
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// The FlightSQL service; clones are the same one.
#[derive(Clone)]
pub struct Service {
    shared: Arc<Shared>,
}

struct Shared {
    sessions: Arc<dyn Sessions>,
    runner: Runner,
    plans: Remembered<Arc<LogicalPlan>>,
    parameters: Remembered<Bytes>,
}

/// A service that answers from the tables of `sessions`.
///
/// # Errors
/// If the operating system gives no threads.
pub fn service(sessions: Arc<dyn Sessions>, options: Options) -> std::io::Result<Service> {
    let runner = Runner::new(&options)?;
    let shared = Shared {
        sessions,
        runner,
        plans: Remembered::new(PLANS_KEPT, PLANS_MAX),
        parameters: Remembered::new(PARAMETERS_KEPT, PARAMETERS_MAX),
    };
    Ok(Service { shared: Arc::new(shared) })
}

impl Service {
    /// For a `tonic` server of one's own; [`serve`](super::serve) does it for a socket.
    #[must_use]
    pub fn into_server(self) -> FlightServiceServer<Self> {
        FlightServiceServer::new(self)
    }

    /// Ends all running queries; their clients get CANCELLED.
    pub fn cancel_all(&self) {
        self.shared.runner.cancel_all();
    }
}

impl Shared {
    /// The statement's plan with its parameters bound, from memory if GetFlightInfo just made it.
    async fn bound_plan(&self, state: &SessionState, handle: &Handle) -> Result<Arc<LogicalPlan>, Status> {
        if let Some(plan) = self.plans.get(handle.id(), Instant::now()) {
            return Ok(plan);
        }
        let plan = statement::plan(state, &handle.sql).await?;
        let row = handle::read_row(&handle.parameters)?;
        Ok(Arc::new(Parameters::of(&plan)?.bind(plan, row.as_ref())?))
    }

    /// Announces what `handle` will answer, and remembers the plan for DoGet.
    async fn announce(self: Arc<Self>, handle: Handle, descriptor: FlightDescriptor) -> Result<FlightInfo, Status> {
        let state = self.sessions.session().state();
        let plan = self.bound_plan(&state, &handle).await?;
        let wire = Wire::new(plan.schema().as_arrow(), handle.keep_dictionaries);
        self.plans.put(handle.id(), plan, Instant::now());
        let ticket = TicketStatementQuery { statement_handle: handle.bytes() };
        info(wire.schema(), ticket.as_any(), descriptor)
    }

    /// Plans, runs and encodes what `handle` says.
    async fn query(
        self: Arc<Self>,
        handle: Handle,
    ) -> Result<impl Stream<Item = Result<FlightData, Status>> + Send, Status> {
        let mut state = self.sessions.session().state();
        if let Some(on_corrupt) = handle.on_corrupt()? {
            state.config_mut().set_extension(Arc::new(on_corrupt));
        }
        let plan = self.bound_plan(&state, &handle).await?;
        let wire = Wire::new(plan.schema().as_arrow(), handle.keep_dictionaries);
        let plan = state.create_physical_plan(&plan).await.map_err(error::status)?;
        let plan = cooperative::wrap_nodes_with_several_inputs(plan).map_err(error::status)?;
        let batches = execute_stream(plan, state.task_ctx()).map_err(error::status)?;
        Ok(wire.encode(batches.map_err(error::status)))
    }

    async fn prepare(
        self: Arc<Self>,
        sql: String,
        asked: Asked,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let plan = statement::plan(&self.sessions.session().state(), &sql).await?;
        let parameters = Parameters::of(&plan)?;
        let parameter_schema = parameters.schema();
        let plan = parameters.bind_nulls(plan)?;
        let wire = Wire::new(plan.schema().as_arrow(), asked.keep_dictionaries);
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: Handle::new(sql, Bytes::new(), asked).bytes(),
            dataset_schema: schema_message(wire.schema())?,
            parameter_schema: schema_message(&parameter_schema)?,
        })
    }

    /// What a prepared statement runs as now: a handle of its own, since its plan depends on what is bound.
    fn prepared(&self, handle: &[u8], asked: Asked) -> Result<Handle, Status> {
        let handle = Handle::read(handle)?;
        let asked = Asked { on_corrupt: asked.on_corrupt.or(handle.on_corrupt()?), ..asked };
        let parameters = match handle.parameters.is_empty() {
            true => self.parameters.get(handle.id(), Instant::now()).unwrap_or_default(),
            false => handle.parameters,
        };
        Ok(Handle::new(handle.sql, parameters, asked))
    }

    async fn bind(&self, handle: &[u8], rows: Streaming<FlightData>, first: FlightData) -> Result<Bytes, Status> {
        let mut handle = Handle::read(handle)?;
        // Some clients send the descriptor alone, before the schema.
        let first = (!first.data_header.is_empty()).then_some(Ok(first));
        let messages = stream::iter(first).chain(rows).map_err(Into::into);
        let batches: Vec<RecordBatch> =
            FlightRecordBatchStream::new_from_flight_data(messages).try_collect().await.map_err(error::flight)?;
        let mut filled = batches.into_iter().filter(|batch| batch.num_rows() > 0);
        let (row, more) = (filled.next(), filled.next());
        if more.is_some() || row.as_ref().is_some_and(|row| row.num_rows() > 1) {
            return Err(Status::invalid_argument(
                "several rows of parameters are bound and one is taken; execute the statement once for each row",
            ));
        }
        handle.parameters = row.as_ref().map(handle::write_row).transpose()?.unwrap_or_default();
        self.parameters.put(handle.id(), handle.parameters.clone(), Instant::now());
        Ok(handle.bytes())
    }

    async fn info(self: Arc<Self>, descriptor: FlightDescriptor, asked: Asked) -> Result<FlightInfo, Status> {
        let command = command(&descriptor)?;
        let handle = match &command {
            Command::CommandStatementQuery(query) => Handle::new(query.query.clone(), Bytes::new(), asked),
            Command::CommandPreparedStatementQuery(query) => self.prepared(&query.prepared_statement_handle, asked)?,
            Command::CommandStatementUpdate(update) => return Err(statement::refused(&update.query)),
            _ => {
                let schema = metadata::schema(&command)?.ok_or_else(|| missing(command.type_url()))?;
                // Announced as it is encoded, and asked for by the command itself.
                let wire = Wire::new(&schema, asked.keep_dictionaries);
                return info(wire.schema(), command.into_any(), descriptor);
            }
        };
        let shared = self.clone();
        self.runner.run(shared.announce(handle, descriptor)).await
    }

    /// Ends what runs for the tickets of `info`.
    fn cancel(&self, info: &FlightInfo) -> CancelStatus {
        let tickets = info.endpoint.iter().filter_map(|endpoint| endpoint.ticket.as_ref());
        let ids = tickets.filter_map(|ticket| {
            let any = Any::decode(ticket.ticket.clone()).ok()?;
            match Command::try_from(any).ok()? {
                Command::TicketStatementQuery(ticket) => {
                    Handle::read(&ticket.statement_handle).ok().map(|handle| handle.id())
                }
                _ => None,
            }
        });
        // Each is asked, so no short circuit.
        let cancelled = ids.map(|id| self.runner.cancel(id)).fold(false, |any, one| any | one);
        if cancelled { CancelStatus::Cancelled } else { CancelStatus::NotCancellable }
    }

    fn session_options(&self) -> SessionOptions {
        let config = self.sessions.session().copied_config();
        let catalog = &config.options().catalog;
        SessionOptions { catalog: catalog.default_catalog.clone(), schema: catalog.default_schema.clone() }
    }
}

#[tonic::async_trait]
impl FlightService for Service {
    type HandshakeStream = Reply<HandshakeResponse>;
    type ListFlightsStream = Reply<FlightInfo>;
    type DoGetStream = Reply<FlightData>;
    type DoPutStream = Reply<PutResult>;
    type DoActionStream = Reply<arrow_flight::Result>;
    type ListActionsStream = Reply<ActionType>;
    type DoExchangeStream = Reply<FlightData>;

    /// There is no authentication yet: whoever comes gets a token, since some clients insist on one.
    async fn handshake(
        &self,
        _request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        let answer = HandshakeResponse { protocol_version: 0, payload: Bytes::from_static(TOKEN.as_bytes()) };
        let mut response = Response::new(once(answer));
        response.metadata_mut().insert("authorization", TOKEN.parse().expect("the token is ASCII"));
        Ok(response)
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        let asked = Asked::by(request.metadata())?;
        self.shared.clone().info(request.into_inner(), asked).await.map(Response::new)
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        let asked = Asked::by(request.metadata())?;
        let info = self.shared.clone().info(request.into_inner(), asked).await?;
        Ok(Response::new(SchemaResult { schema: info.schema }))
    }

    async fn do_get(&self, request: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        let asked = Asked::by(request.metadata())?;
        let any = Any::decode(request.into_inner().ticket).map_err(|error| error::malformed("the ticket", error))?;
        let command = Command::try_from(any).map_err(|error| error::malformed("the ticket", error))?;
        let handle = match command {
            Command::TicketStatementQuery(ticket) => Handle::read(&ticket.statement_handle)?,
            Command::CommandPreparedStatementQuery(query) => {
                self.shared.prepared(&query.prepared_statement_handle, asked)?
            }
            command => {
                let kind = command.type_url().to_owned();
                let context = self.shared.sessions.session();
                let answer = metadata::answer(command, &context, asked.keep_dictionaries).await?;
                let answer = answer.ok_or_else(|| missing(&kind))?;
                let wire = Wire::new(&answer.schema(), asked.keep_dictionaries);
                return Ok(Response::new(wire.encode(stream::iter([Ok(answer)])).boxed()));
            }
        };
        let shared = self.shared.clone();
        Ok(Response::new(self.shared.runner.stream(handle.id(), shared.query(handle))))
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Result<Response<Self::DoPutStream>, Status> {
        let mut rows = request.into_inner();
        let first = rows.message().await?;
        let Some((first, descriptor)) =
            first.and_then(|first| first.flight_descriptor.clone().map(|found| (first, found)))
        else {
            return Err(error::malformed("DoPut", "the first message has no descriptor"));
        };
        match command(&descriptor)? {
            Command::CommandPreparedStatementQuery(query) => {
                let bound = self.shared.bind(&query.prepared_statement_handle, rows, first).await?;
                let result = DoPutPreparedStatementResult { prepared_statement_handle: Some(bound) };
                Ok(Response::new(once(PutResult { app_metadata: result.encode_to_vec().into() })))
            }
            Command::CommandStatementUpdate(update) => Err(statement::refused(&update.query)),
            Command::CommandPreparedStatementUpdate(update) => {
                let handle = Handle::read(&update.prepared_statement_handle)?;
                Err(statement::refused(&format!("{} as an update", handle.sql)))
            }
            Command::CommandStatementIngest(ingest) => {
                Err(statement::refused(&format!("ingesting into {}", ingest.table)))
            }
            other => Err(missing(other.type_url())),
        }
    }

    async fn do_action(&self, request: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        let asked = Asked::by(request.metadata())?;
        let Action { r#type: kind, body } = request.into_inner();
        let body = match kind.as_str() {
            action::CREATE_PREPARED_STATEMENT => {
                let request: ActionCreatePreparedStatementRequest = unpack(&kind, body)?;
                let prepared = self.shared.clone().prepare(request.query, asked);
                self.shared.runner.run(prepared).await?.as_any().encode_to_vec()
            }
            action::CLOSE_PREPARED_STATEMENT => {
                let request: ActionClosePreparedStatementRequest = unpack(&kind, body)?;
                let handle = Handle::read(&request.prepared_statement_handle)?;
                self.shared.parameters.forget(handle.id());
                return Ok(Response::new(stream::empty().boxed()));
            }
            action::CANCEL_FLIGHT_INFO => {
                let request: CancelFlightInfoRequest = read(&kind, &body)?;
                let status = self.shared.cancel(&request.info.unwrap_or_default());
                CancelFlightInfoResult::new(status).encode_to_vec()
            }
            action::CANCEL_QUERY => {
                let request: ActionCancelQueryRequest = unpack(&kind, body)?;
                let status = self.shared.cancel(&read(&kind, &request.info)?);
                // Both results number their statuses alike.
                ActionCancelQueryResult { result: status as i32 }.as_any().encode_to_vec()
            }
            action::SET_SESSION_OPTIONS => self.shared.session_options().set(&body)?.encode_to_vec(),
            action::GET_SESSION_OPTIONS => self.shared.session_options().get().encode_to_vec(),
            action::CLOSE_SESSION => {
                action::CloseSessionResult { status: action::CloseStatus::Closed as i32 }.encode_to_vec()
            }
            other => return Err(missing(other)),
        };
        Ok(Response::new(once(arrow_flight::Result { body: body.into() })))
    }

    async fn list_actions(&self, _request: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        Ok(Response::new(stream::iter(action::types().into_iter().map(Ok)).boxed()))
    }

    async fn list_flights(&self, _request: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        Err(missing("ListFlights"))
    }

    async fn poll_flight_info(&self, _request: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        Err(missing("PollFlightInfo"))
    }

    async fn do_exchange(
        &self,
        _request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        Err(missing("DoExchange"))
    }
}

fn command(descriptor: &FlightDescriptor) -> Result<Command, Status> {
    if descriptor.r#type() != DescriptorType::Cmd {
        return Err(error::malformed("the descriptor", "it is a path, and this server takes FlightSQL commands"));
    }
    let any = Any::decode(descriptor.cmd.clone()).map_err(|error| error::malformed("the command", error))?;
    Command::try_from(any).map_err(|error| error::malformed("the command", error))
}

/// One endpoint always: some clients read the first one unguarded, others only the first. No location means "ask here again".
fn info(schema: &Schema, ticket: Any, descriptor: FlightDescriptor) -> Result<FlightInfo, Status> {
    let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(ticket.encode_to_vec()));
    let info = FlightInfo::new().try_with_schema(schema).map_err(error::arrow)?;
    Ok(info.with_endpoint(endpoint).with_descriptor(descriptor).with_ordered(true))
}

fn schema_message(schema: &Schema) -> Result<Bytes, Status> {
    let options = IpcWriteOptions::default();
    let IpcMessage(message) = SchemaAsIpc::new(schema, &options).try_into().map_err(error::arrow)?;
    Ok(message)
}

fn unpack<M: ProstMessageExt>(what: &str, body: Bytes) -> Result<M, Status> {
    let any = Any::decode(body).map_err(|error| error::malformed(what, error))?;
    any.unpack()
        .map_err(|error| error::malformed(what, error))?
        .ok_or_else(|| error::malformed(what, format!("its body is not a {}", M::type_url())))
}

fn read<M: Message + Default>(what: &str, body: &[u8]) -> Result<M, Status> {
    M::decode(body).map_err(|error| error::malformed(what, error))
}

fn once<T: Send + 'static>(item: T) -> Reply<T> {
    stream::iter([Ok(item)]).boxed()
}

fn missing(what: &str) -> Status {
    Status::unimplemented(format!("{what} is not implemented; ask with SQL statements"))
}
