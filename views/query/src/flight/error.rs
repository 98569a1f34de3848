//! What went wrong, as the gRPC status that lets a client act.

use arrow::error::ArrowError;
use arrow_flight::error::FlightError;
use datafusion::error::DataFusionError;
use tonic::{Code, Status};

/// A status travels in a header, and servers and proxies cut those at 8 KiB; escaping can triple it.
const MESSAGE_BYTES_MAX: usize = 2 * 1024;

/// The status of a failed plan or query. What the statement is to blame for is INVALID_ARGUMENT, so that no client tries it again unchanged.
pub(super) fn status(error: DataFusionError) -> Status {
    if let Some(status) = own(&error) {
        return status;
    }
    let code = code(error.find_root());
    let message = error.strip_backtrace();
    Status::new(code, with_remedy(code, message))
}

pub(super) fn arrow(error: ArrowError) -> Status {
    status(DataFusionError::from(error))
}

pub(super) fn flight(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        FlightError::Arrow(error) => arrow(error),
        other => Status::internal(other.to_string()),
    }
}

/// A message that is not what the protocol says.
pub(super) fn malformed(what: &str, error: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("cannot read {what}: {error}; the client must send it as FlightSQL describes"))
}

/// A status that an own table or function returned, wrapped on its way up.
fn own(error: &DataFusionError) -> Option<Status> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(status) = error.downcast_ref::<Status>() {
            return Some(status.clone());
        }
        next = error.source();
    }
    None
}

fn code(error: &DataFusionError) -> Code {
    match error {
        DataFusionError::SQL(..)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::Configuration(_)
        | DataFusionError::Execution(_)
        | DataFusionError::Substrait(_) => Code::InvalidArgument,
        DataFusionError::ArrowError(error, _) => arrow_code(error),
        DataFusionError::NotImplemented(_) => Code::Unimplemented,
        DataFusionError::ResourcesExhausted(_) => Code::ResourceExhausted,
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => Code::Unavailable,
        DataFusionError::Collection(errors) => errors.first().map_or(Code::Internal, |first| code(first.find_root())),
        _ => Code::Internal,
    }
}

fn arrow_code(error: &ArrowError) -> Code {
    match error {
        ArrowError::CastError(_)
        | ArrowError::ParseError(_)
        | ArrowError::ComputeError(_)
        | ArrowError::DivideByZero
        | ArrowError::ArithmeticOverflow(_)
        | ArrowError::InvalidArgumentError(_)
        | ArrowError::OffsetOverflowError(_)
        | ArrowError::SchemaError(_) => Code::InvalidArgument,
        ArrowError::NotYetImplemented(_) => Code::Unimplemented,
        ArrowError::MemoryError(_) => Code::ResourceExhausted,
        ArrowError::IoError(..) => Code::Unavailable,
        _ => Code::Internal,
    }
}

fn with_remedy(code: Code, message: String) -> String {
    let mut message = message;
    if message.len() > MESSAGE_BYTES_MAX {
        let end = (0..=MESSAGE_BYTES_MAX).rev().find(|&at| message.is_char_boundary(at)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    match code {
        Code::InvalidArgument if message.contains("table '") && message.contains("not found") => {
            message + "; SHOW TABLES lists what there is"
        }
        Code::ResourceExhausted => {
            message
                + "; narrow the query by process_id and time, aggregate before sorting or joining, or raise the server's query memory limit"
        }
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_statement_is_to_blame_for_is_invalid_argument() {
        for error in [
            DataFusionError::Plan("no such column".into()),
            DataFusionError::from(ArrowError::DivideByZero),
            DataFusionError::from(ArrowError::CastError("abc".into())).context("casting"),
        ] {
            assert_eq!(status(error).code(), Code::InvalidArgument);
        }
        assert_eq!(status(DataFusionError::Internal("broken".into())).code(), Code::Internal);
    }

    #[test]
    fn a_status_of_our_own_keeps_its_code() {
        let wrapped = DataFusionError::External(Box::new(Status::data_loss("checksum of object x"))).context("scan");
        assert_eq!(status(wrapped).code(), Code::DataLoss);
    }

    #[test]
    fn a_long_message_is_cut_to_fit_a_header() {
        let status = status(DataFusionError::Plan("ü".repeat(100_000)));
        assert!(status.message().len() < MESSAGE_BYTES_MAX + 200);
    }
}
