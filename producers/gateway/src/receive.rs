//! Reads a batch within its limits of size, time and memory.

use crate::{Refusal, refusal::Refused};
use axum::{
    body::{Body, BodyDataStream},
    extract::Request,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use framelake_wire::{batch::CONTENT_TYPE, limits::BATCH_BYTES_MAX};
use futures::StreamExt;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// A batch and its share of the memory for batches.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// Reads the body of a request that is a batch.
pub(crate) async fn receive(
    request: Request,
    in_flight_kib: &Arc<Semaphore>,
    receive_max: Duration,
) -> Result<Received, Refused> {
    let (parts, body) = request.into_parts();
    match admit(&parts.headers, in_flight_kib) {
        Ok((expected, permit)) => {
            let read = timeout(receive_max, read(body.into_data_stream(), expected)).await;
            let bytes = read.unwrap_or_else(|_| Err(slow(format!("it did not arrive within {receive_max:?}"))))?;
            Ok(Received { bytes, permit })
        }
        Err(refused) => {
            // A client that is still sending would otherwise see a broken connection in place of the answer.
            let _ = timeout(receive_max, discard(body.into_data_stream())).await;
            Err(refused)
        }
    }
}

/// Decides by the headers alone. Returns the bytes to expect, and the permit to hold them.
fn admit(headers: &HeaderMap, in_flight_kib: &Arc<Semaphore>) -> Result<(usize, OwnedSemaphorePermit), Refused> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let media_type = text(header::CONTENT_TYPE).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(CONTENT_TYPE) || text(header::CONTENT_ENCODING).is_some() {
        return Err(Refused {
            refusal: Refusal::MediaType,
            error: format!("media type {media_type:?} with encoding {:?} is not taken", text(header::CONTENT_ENCODING)),
            remedy: "send content-type: application/vnd.framelake.records, not encoded further",
            retry_after_seconds: None,
        });
    }
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let expected = match length.map(usize::try_from) {
        None => BATCH_BYTES_MAX,
        Some(Ok(length)) if length <= BATCH_BYTES_MAX => length,
        Some(_) => return Err(too_large()),
    };
    let kib = u32::try_from(expected.div_ceil(1024)).expect("8 Ki at most");
    let permit = in_flight_kib.clone().try_acquire_many_owned(kib).map_err(|_| Refused {
        refusal: Refusal::Busy,
        error: "too many bytes are on their way already".into(),
        remedy: "send the batch again after Retry-After; if this stays, add gateways or raise in_flight_bytes_max",
        retry_after_seconds: Some(1),
    })?;
    Ok((expected, permit))
}

async fn read(mut body: BodyDataStream, expected: usize) -> Result<Bytes, Refused> {
    let mut bytes = BytesMut::with_capacity(expected);
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| slow(format!("it broke off: {error}")))?;
        if bytes.len() + chunk.len() > BATCH_BYTES_MAX {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Reads a body that is no batch; `None` when it has more than `bytes_max` bytes, or does not come whole within `receive_max`.
pub(crate) async fn receive_small(body: Body, bytes_max: usize, receive_max: Duration) -> Option<Bytes> {
    let read = async {
        let mut body = body.into_data_stream();
        let mut bytes = BytesMut::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.ok()?;
            if bytes.len() + chunk.len() > bytes_max {
                // As with a batch: the client is to see the answer.
                discard(body).await;
                return None;
            }
            bytes.extend_from_slice(&chunk);
        }
        Some(bytes.freeze())
    };
    timeout(receive_max, read).await.ok().flatten()
}

/// Lets as much as two full batches pass by.
async fn discard(mut body: BodyDataStream) {
    let mut left = 2 * BATCH_BYTES_MAX;
    while let Some(Ok(chunk)) = body.next().await
        && chunk.len() <= left
    {
        left -= chunk.len();
    }
}

fn too_large() -> Refused {
    Refused {
        refusal: Refusal::TooLarge,
        error: format!("the batch is over the limit of {BATCH_BYTES_MAX} bytes"),
        remedy: "send its records in several batches",
        retry_after_seconds: None,
    }
}

fn slow(what: String) -> Refused {
    Refused {
        refusal: Refusal::Slow,
        error: format!("the batch did not come whole: {what}"),
        remedy: "send the batch again",
        retry_after_seconds: None,
    }
}
