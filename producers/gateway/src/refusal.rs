//! Why a request was refused whole, and what its client is told.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// Why a request was refused whole. None of its records is known to be in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The framing cannot be read; 400.
    Unreadable,
    /// The batch did not arrive in time; 408.
    Slow,
    /// The batch is over its limit; 413.
    TooLarge,
    /// Something else than a batch; 415.
    MediaType,
    /// Too much is on its way already; 429.
    Busy,
    /// The log did not take it, or not in time; 503.
    LogUnavailable,
}

impl Refusal {
    /// Every refusal, in the order of their numbers.
    pub const ALL: [Refusal; 6] = [
        Refusal::Unreadable,
        Refusal::Slow,
        Refusal::TooLarge,
        Refusal::MediaType,
        Refusal::Busy,
        Refusal::LogUnavailable,
    ];

    /// The name under which it is counted.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Refusal::Unreadable => "unreadable",
            Refusal::Slow => "slow",
            Refusal::TooLarge => "too_large",
            Refusal::MediaType => "media_type",
            Refusal::Busy => "busy",
            Refusal::LogUnavailable => "log_unavailable",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Refusal::Unreadable => StatusCode::BAD_REQUEST,
            Refusal::Slow => StatusCode::REQUEST_TIMEOUT,
            Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::Busy => StatusCode::TOO_MANY_REQUESTS,
            Refusal::LogUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A refusal with its explanation.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) error: String,
    pub(crate) remedy: &'static str,
    pub(crate) retry_after_seconds: Option<u32>,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = error(self.refusal.status(), self.error, self.remedy);
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// An error as every client of the gateway sees it.
pub(crate) fn error(status: StatusCode, error: String, remedy: &'static str) -> Response {
    #[derive(Serialize)]
    struct Body {
        error: String,
        remedy: &'static str,
    }
    (status, Json(Body { error, remedy })).into_response()
}
