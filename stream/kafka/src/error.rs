//! Kafka's many errors as the log's few outcomes.

use framelake_log::Error;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// What `error` means, having happened while `doing`.
pub(crate) fn outcome(doing: &str, error: KafkaError) -> Error {
    let code = error.rdkafka_error_code();
    let reason = match code {
        Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) => {
            format!("{doing}: no broker can be reached; start Kafka, or correct the brokers' addresses")
        }
        _ => format!("{doing}: {error}"),
    };
    let source: Option<Box<dyn std::error::Error + Send + Sync>> = Some(Box::new(error.clone()));
    match (&error, code) {
        (KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) | KafkaError::Nul(_), _)
        | (
            _,
            Some(
                RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::InvalidTopic
                | RDKafkaErrorCode::InvalidReplicationFactor
                | RDKafkaErrorCode::InvalidPartitions
                | RDKafkaErrorCode::InvalidConfig
                | RDKafkaErrorCode::PolicyViolation,
            ),
        ) => Error::Unusable { reason, source },
        // Everything else passes, as far as anybody can tell: brokers restart, leaders move, queues empty.
        _ => Error::Unavailable { reason, source },
    }
}

/// The log is not to be had at the moment, for a reason of our own.
pub(crate) fn unavailable(reason: impl Into<String>) -> Error {
    Error::Unavailable { reason: reason.into(), source: None }
}
