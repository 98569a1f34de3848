//! `POST {endpoint}/v1/records` to a gateway.

mod reply;
mod retry_after;
#[cfg(feature = "tls")]
mod tls;

use crate::{Deliver, Outcome, Outgoing};
use framelake_wire::batch;
use reply::Reply;
use std::time::{Duration, Instant, SystemTime};
use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

/// A gateway that does not take a connection within this is taken for away.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// Most bytes of a reply: positions of a full batch take a few hundred kilobytes.
const REPLY_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most of an error's text that is kept.
const REASON_CHARS_MAX: usize = 300;

/// Posts batches to a gateway over one connection that is kept open.
#[derive(Debug)]
pub struct Http {
    agent: Agent,
    url: String,
    endpoint: String,
    /// Kept from batch to batch.
    body: Vec<u8>,
}

impl Http {
    /// A carrier to the gateway at `endpoint` (`http://host:port`). Connects at the first batch.
    #[must_use]
    pub fn new(endpoint: &str) -> Self {
        Self::over(endpoint, config().build().new_agent())
    }

    /// A carrier to the gateway at `endpoint` (`https://host:port`), whose certificate must be signed by one of those in `ca_file`, or, where none is
    /// given, by one that browsers trust. Connects at the first batch.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    #[cfg(feature = "tls")]
    pub fn trusting(endpoint: &str, ca_file: Option<&std::path::Path>) -> crate::Result<Self> {
        let tls = tls::config(ca_file)?;
        Ok(Self::over(endpoint, config().tls_config(tls).build().new_agent()))
    }

    fn over(endpoint: &str, agent: Agent) -> Self {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Self { agent, url: format!("{endpoint}/v1/records"), endpoint, body: Vec::new() }
    }
}

fn config() -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_idle_connections_per_host(1)
        .timeout_connect(Some(CONNECT_MAX))
        // The environment is read in one place of the SDK, and this is not it.
        .proxy(None)
        .user_agent(concat!("framelake-transport/", env!("CARGO_PKG_VERSION")))
}

impl Deliver for Http {
    fn deliver(&mut self, records: &[Outgoing], deadline: Instant) -> Outcome {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return retry("no time is left".into());
        }
        self.body.clear();
        for record in records {
            batch::push(&mut self.body, record.topic.name(), &record.bytes);
        }
        let request = self.agent.post(&self.url).content_type(batch::CONTENT_TYPE);
        let response = request.config().timeout_global(Some(left)).build().send(&self.body[..]);
        let mut response = match response {
            Ok(response) => response,
            #[cfg(feature = "tls")]
            Err(error) if tls::is_unknown_issuer(&error) => return retry(tls::unknown_issuer(&self.endpoint)),
            Err(error) => return retry(error.to_string()),
        };
        let status = response.status().as_u16();
        let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let text = response.body_mut().with_config().limit(REPLY_BYTES_MAX).lossy_utf8(true).read_to_string();
        match status {
            200..=299 => match text {
                Ok(text) => match reply::read(&text, records.len()) {
                    Some(Reply { refused, control }) => Outcome::Kept { refused, control },
                    // Anything that serves HTTP may say 200; only a gateway says what it took.
                    None => {
                        retry(format!("HTTP {status}, but not with a gateway's reply; is this the address of one?"))
                    }
                },
                // Acknowledged, but by whom and what? A reply cut short says nothing of single records.
                Err(error) => retry(format!("its reply was cut short: {error}")),
            },
            413 => Outcome::TooLarge,
            // Not a verdict on the records: too early, too slow, too many, or something of the server's own.
            408 | 425 | 429 | 500.. => Outcome::Retry {
                after: after.and_then(|text| retry_after::parse(&text, SystemTime::now())),
                reason: reason(status, text),
            },
            // What answers is not a gateway, or not yet one that lets us in: records are kept until somebody puts it right.
            401 | 403 | 404 | 405 | 407 | 300..=399 => retry(reason(status, text)),
            _ => Outcome::Refused { reason: reason(status, text) },
        }
    }

    fn destination(&self) -> String {
        self.endpoint.clone()
    }
}

fn retry(reason: String) -> Outcome {
    Outcome::Retry { after: None, reason }
}

fn reason(status: u16, text: Result<String, ureq::Error>) -> String {
    let text = text.unwrap_or_default();
    let text: String = text.trim().chars().take(REASON_CHARS_MAX).collect();
    format!("HTTP {status} {text}")
}
