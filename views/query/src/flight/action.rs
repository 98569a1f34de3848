//! Actions besides prepared statements: session options and their messages, which arrow-flight does not define.

use arrow_flight::ActionType;
use prost::Message;
use std::collections::HashMap;
use tonic::Status;

pub(super) const CREATE_PREPARED_STATEMENT: &str = "CreatePreparedStatement";
pub(super) const CLOSE_PREPARED_STATEMENT: &str = "ClosePreparedStatement";
pub(super) const CANCEL_QUERY: &str = "CancelQuery";
pub(super) const CANCEL_FLIGHT_INFO: &str = "CancelFlightInfo";
pub(super) const SET_SESSION_OPTIONS: &str = "SetSessionOptions";
pub(super) const GET_SESSION_OPTIONS: &str = "GetSessionOptions";
pub(super) const CLOSE_SESSION: &str = "CloseSession";

pub(super) fn types() -> Vec<ActionType> {
    [
        (CREATE_PREPARED_STATEMENT, "plans a statement; ActionCreatePreparedStatementRequest to ActionCreatePreparedStatementResult"),
        (CLOSE_PREPARED_STATEMENT, "forgets a prepared statement; ActionClosePreparedStatementRequest to nothing"),
        (CANCEL_FLIGHT_INFO, "ends the queries of a FlightInfo; CancelFlightInfoRequest to CancelFlightInfoResult"),
        (CANCEL_QUERY, "as CancelFlightInfo, for older clients; ActionCancelQueryRequest to ActionCancelQueryResult"),
        (SET_SESSION_OPTIONS, "takes catalog and schema, if they are the ones there are; SetSessionOptionsRequest to SetSessionOptionsResult"),
        (GET_SESSION_OPTIONS, "says catalog and schema; GetSessionOptionsRequest to GetSessionOptionsResult"),
        (CLOSE_SESSION, "does nothing, there is no session state; CloseSessionRequest to CloseSessionResult"),
    ]
    .map(|(name, description)| ActionType { r#type: name.into(), description: description.into() })
    .into()
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SessionOptionValue {
    #[prost(oneof = "OptionValue", tags = "1, 2, 3, 4, 5")]
    pub(super) value: Option<OptionValue>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum OptionValue {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(sfixed64, tag = "3")]
    Integer(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    List(TextList),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TextList {
    #[prost(string, repeated, tag = "1")]
    values: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SetSessionOptionsRequest {
    #[prost(map = "string, message", tag = "1")]
    pub(super) options: HashMap<String, SessionOptionValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SetSessionOptionsResult {
    #[prost(map = "string, message", tag = "1")]
    pub(super) errors: HashMap<String, OptionError>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OptionError {
    #[prost(enumeration = "OptionErrorValue", tag = "1")]
    pub(super) value: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum OptionErrorValue {
    Unspecified = 0,
    InvalidName = 1,
    InvalidValue = 2,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GetSessionOptionsResult {
    #[prost(map = "string, message", tag = "1")]
    pub(super) options: HashMap<String, SessionOptionValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CloseSessionResult {
    #[prost(enumeration = "CloseStatus", tag = "1")]
    pub(super) status: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum CloseStatus {
    Unspecified = 0,
    Closed = 1,
}

/// The only options there are, with the only value each may have: requests carry everything else themselves.
pub(super) struct SessionOptions {
    pub(super) catalog: String,
    pub(super) schema: String,
}

impl SessionOptions {
    pub(super) fn set(&self, body: &[u8]) -> Result<SetSessionOptionsResult, Status> {
        let request = SetSessionOptionsRequest::decode(body)
            .map_err(|error| super::error::malformed("SetSessionOptionsRequest", error))?;
        let errors = request
            .options
            .into_iter()
            .filter_map(|(name, value)| {
                let value = match self.check(&name, value.value.as_ref()) {
                    Ok(()) => return None,
                    Err(error) => error as i32,
                };
                Some((name, OptionError { value }))
            })
            .collect();
        Ok(SetSessionOptionsResult { errors })
    }

    pub(super) fn get(&self) -> GetSessionOptionsResult {
        let text = |value: &String| SessionOptionValue { value: Some(OptionValue::Text(value.clone())) };
        GetSessionOptionsResult {
            options: HashMap::from([("catalog".into(), text(&self.catalog)), ("schema".into(), text(&self.schema))]),
        }
    }

    fn check(&self, name: &str, value: Option<&OptionValue>) -> Result<(), OptionErrorValue> {
        let expected = match name {
            "catalog" => &self.catalog,
            "schema" => &self.schema,
            _ => return Err(OptionErrorValue::InvalidName),
        };
        match value {
            // Back to the default.
            None => Ok(()),
            Some(OptionValue::Text(value)) if value == expected => Ok(()),
            Some(_) => Err(OptionErrorValue::InvalidValue),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_catalog_and_schema_there_are_can_be_set() {
        let session = SessionOptions { catalog: "framelake".into(), schema: "public".into() };
        let check = |name: &str, value: &str, expected: Option<OptionErrorValue>| {
            let value = SessionOptionValue { value: Some(OptionValue::Text(value.into())) };
            let request = SetSessionOptionsRequest { options: HashMap::from([(name.into(), value)]) };
            let result = session.set(&request.encode_to_vec()).expect("a result");
            assert_eq!(result.errors.get(name).map(|error| error.value), expected.map(|error| error as i32), "{name}");
        };
        check("catalog", "framelake", None);
        check("schema", "public", None);
        check("catalog", "other", Some(OptionErrorValue::InvalidValue));
        check("user", "me", Some(OptionErrorValue::InvalidName));
    }
}
