//! The routes: read, check, append, answer.

use crate::{
    Control, NotSet, Options, Refusal, TEXT_BYTES_MAX, TEXTS_MAX, Texts,
    check::{Checked, Rejected, check},
    receive::{Received, receive, receive_small},
    refusal::{Refused, error},
};
use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use framelake_log::{Appended, EventLog, NewRecord};
use framelake_wire::{Topic, limits::BATCH_BYTES_MAX};
use serde::{Serialize, de::DeserializeOwned};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::timeout};

/// Longest that the log may take to say that it is there.
const READY_MAX: Duration = Duration::from_secs(2);

/// All texts at their longest, and as much again for their names and JSON's escapes.
const CONTROL_BYTES_MAX: usize = 2 * (TEXTS_MAX + 1) * TEXT_BYTES_MAX;

/// A log that is away is asked again soon; one that needs a person is not.
const RETRY_SECONDS: u32 = 1;
const RETRY_SECONDS_AFTER_A_PERSON: u32 = 10;

#[derive(Clone)]
struct Gateway {
    log: Arc<dyn EventLog>,
    options: Options,
    /// A permit is a KiB of a batch that is being read or appended.
    in_flight_kib: Arc<Semaphore>,
}

/// The gateway's routes, appending to `log`.
pub fn router(log: Arc<dyn EventLog>, options: Options) -> Router {
    let kib = options.in_flight_bytes_max.max(BATCH_BYTES_MAX) / 1024;
    let gateway = Gateway { log, options, in_flight_kib: Arc::new(Semaphore::new(kib)) };
    Router::new()
        .route("/v1/records", post(records))
        .route("/v1/control", get(control).put(put_control).patch(patch_control))
        .route("/health", get(async || Json(Standing { status: "alive" })))
        .route("/ready", get(ready))
        .method_not_allowed_fallback(async || {
            let remedy = "POST /v1/records, GET, PUT and PATCH /v1/control, GET /health and /ready";
            error(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method".into(), remedy)
        })
        .fallback(async || {
            error(StatusCode::NOT_FOUND, "there is nothing at this path".into(), "post batches to /v1/records")
        })
        .with_state(gateway)
}

async fn control(State(gateway): State<Gateway>) -> Response {
    Json(gateway.options.control.texts()).into_response()
}

async fn put_control(State(gateway): State<Gateway>, body: Body) -> Response {
    let remedy = r#"give JSON such as {"default": "info", "exes": {"game": "info,net=debug"}, "processes": {}}; it takes the place of all there was"#;
    change_control(gateway, body, remedy, Control::set).await
}

async fn patch_control(State(gateway): State<Gateway>, body: Body) -> Response {
    let remedy = r#"give JSON such as {"exes": {"game": "info,net=debug", "tool": null}}; what it does not name stays, and null takes a text away"#;
    change_control(gateway, body, remedy, Control::change).await
}

async fn change_control<T: DeserializeOwned + Send + 'static>(
    gateway: Gateway,
    body: Body,
    remedy: &'static str,
    act: impl FnOnce(&Control, T) -> Result<Texts, NotSet> + Send + 'static,
) -> Response {
    let refused = |status, reason: String| error(status, reason, remedy);
    let Some(body) = receive_small(body, CONTROL_BYTES_MAX, gateway.options.receive_max).await else {
        let reason = format!("the body is over the limit of {CONTROL_BYTES_MAX} bytes, or did not come whole");
        return refused(StatusCode::PAYLOAD_TOO_LARGE, reason);
    };
    let asked: T = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(reason) => return refused(StatusCode::BAD_REQUEST, format!("the body cannot be read: {reason}")),
    };
    let control = gateway.options.control;
    // They may be written to disk.
    match tokio::task::spawn_blocking(move || act(&control, asked)).await {
        Ok(Ok(texts)) => Json(texts).into_response(),
        Ok(Err(NotSet::Wrong(reason))) => refused(StatusCode::BAD_REQUEST, reason),
        Ok(Err(unkept @ NotSet::NotKept(_))) => {
            error(StatusCode::INTERNAL_SERVER_ERROR, unkept.to_string(), "see to the gateway's data directory")
        }
        Err(panicked) => error(StatusCode::INTERNAL_SERVER_ERROR, panicked.to_string(), "see the gateway's log"),
    }
}

#[derive(Serialize)]
struct Standing {
    status: &'static str,
}

async fn ready(State(gateway): State<Gateway>) -> Response {
    let reason = match timeout(READY_MAX, gateway.log.topics()).await {
        Ok(Ok(_)) => return Json(Standing { status: "ready" }).into_response(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("the log did not answer within {READY_MAX:?}"),
    };
    error(StatusCode::SERVICE_UNAVAILABLE, reason, "start the log, or wait until it is back")
}

/// What a batch is answered with once the log has it.
#[derive(Serialize)]
struct Taken {
    /// For each record of the batch, in its order, where it stands in its topic; `null` for those rejected.
    positions: Vec<Option<Position>>,
    rejected: Vec<Rejected>,
    /// What the process should record from now on, where anything is said of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    control: Option<String>,
}

#[derive(Serialize)]
struct Position {
    partition: u32,
    offset: i64,
}

async fn records(State(gateway): State<Gateway>, request: Request) -> Response {
    match gateway.take(request).await {
        Ok(taken) => Json(taken).into_response(),
        Err(refused) => {
            gateway.options.stats.refused(refused.refusal);
            refused.into_response()
        }
    }
}

impl Gateway {
    async fn take(&self, request: Request) -> Result<Taken, Refused> {
        let Received { bytes, permit } = receive(request, &self.in_flight_kib, self.options.receive_max).await?;
        let Checked { records, rejected, processes, programs } = check(&bytes).map_err(|error| Refused {
            refusal: Refusal::Unreadable,
            error: format!("the batch cannot be read: {error}"),
            remedy: "give for each record: its topic's length (1 byte), the topic, the record's length (4 bytes, little endian), the record",
            retry_after_seconds: None,
        })?;
        let accepted = records.iter().filter(|record| record.topic != Topic::DeadLetters);
        let (count, bytes) =
            accepted.fold((0, 0), |(count, bytes), record| (count + 1, bytes + record.value.len() as u64));
        let appended = self.append(records).await?;
        drop(permit);
        self.options.stats.taken(count, bytes, rejected.len() as u64);
        let position = |appended: Appended| {
            let Appended { topic_partition, offset } = appended;
            let accepted = topic_partition.topic != Topic::DeadLetters;
            accepted.then_some(Position { partition: topic_partition.partition, offset: offset.0 })
        };
        let control = &self.options.control;
        for (process_id, exe) in programs {
            control.runs(process_id, &exe);
        }
        let control = control.text_for(processes);
        Ok(Taken { positions: appended.into_iter().map(position).collect(), rejected, control })
    }

    /// Whatever keeps the log from taking a batch is 503 to its client, never 500: clients give up on a 500.
    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Appended>, Refused> {
        let unavailable = |error: String, retry_after_seconds| {
            tracing::warn!(error, "a batch could not be appended");
            Refused {
                refusal: Refusal::LogUnavailable,
                error,
                remedy: "send the whole batch again after Retry-After; records already there are recognized",
                retry_after_seconds: Some(retry_after_seconds),
            }
        };
        match timeout(self.options.append_max, self.log.append(records)).await {
            Ok(Ok(appended)) => Ok(appended),
            Ok(Err(error)) if error.is_retryable() => Err(unavailable(error.to_string(), RETRY_SECONDS)),
            Ok(Err(error)) => Err(unavailable(error.to_string(), RETRY_SECONDS_AFTER_A_PERSON)),
            Err(_) => {
                Err(unavailable(format!("the log did not append within {:?}", self.options.append_max), RETRY_SECONDS))
            }
        }
    }
}
