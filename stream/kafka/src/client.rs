//! What all our clients of librdkafka share: where the brokers are, and where its own log lines go.

use crate::{Options, error::outcome};
use framelake_log::Result;
use rdkafka::{
    ClientConfig, ClientContext, admin::AdminClient, config::FromClientConfigAndContext, config::RDKafkaLogLevel,
    error::KafkaError,
};

/// Addresses and the user's settings. What `defaults` says may be changed by the user, what is set on the result later may not.
pub(crate) fn config(options: &Options, defaults: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    // The usual ten seconds would be felt twice: brokers that are back are found that late, and what timed out meanwhile is reported that late.
    config.set("reconnect.backoff.max.ms", "1000");
    for (name, value) in defaults {
        config.set(*name, *value);
    }
    for (name, value) in &options.properties {
        config.set(name, value);
    }
    config.set("bootstrap.servers", &options.brokers).set("client.id", "framelake");
    config
}

pub(crate) fn admin(options: &Options) -> Result<AdminClient<Logged>> {
    AdminClient::from_config_and_context(&config(options, &[]), Logged).map_err(|error| outcome("setting up", error))
}

/// Sends librdkafka's log lines and errors to `tracing`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logged;

impl ClientContext for Logged {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::debug!(target: "librdkafka", facility, "{message}");
        }
    }
}

/// These are for people: librdkafka goes on by itself, and calls that suffered from one return an error of their own.
pub(crate) fn log_error(error: &KafkaError, reason: &str) {
    tracing::warn!(target: "librdkafka", %error, "{reason}");
}
