//! The schema of a segment's entries: those of the records, joined.

use framelake_wire::schema::{BLOCK_SCHEMA, PROCESS_SCHEMA};
use serde_json::{Value, json};
use std::{collections::HashSet, sync::OnceLock};

/// Branches of the union `record`.
pub(super) const PROCESS: i64 = 0;
pub(super) const BLOCK: i64 = 1;
pub(super) const BYTES: i64 = 2;

/// The schema as JSON.
///
/// Avro wants a named type defined once, at its first place: `Uuid`, which both records define, is a name in the second.
pub(super) fn segment_schema() -> &'static str {
    static SCHEMA: OnceLock<String> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let mut defined = HashSet::new();
        let mut record = |schema: &str| {
            let mut schema = serde_json::from_str(schema).expect("schemas/avro holds JSON; the tests of wire read it");
            define_once(&mut schema, &mut defined);
            schema
        };
        let union = [record(PROCESS_SCHEMA), record(BLOCK_SCHEMA), json!("bytes")];
        json!({
            "type": "record",
            "name": "Entry",
            "namespace": "framelake",
            "doc": "A record of the log and where it stood; plain bytes are what could not be taken in.",
            "fields": [
                {"name": "partition", "type": "int"},
                {"name": "offset", "type": "long"},
                {"name": "key", "type": "bytes"},
                {"name": "record", "type": union},
            ],
        })
        .to_string()
    })
}

/// Puts its name in the place of every named type that was defined before. All of ours are in one namespace.
fn define_once(schema: &mut Value, defined: &mut HashSet<String>) {
    let named = matches!(schema["type"].as_str(), Some("record" | "fixed" | "enum"));
    if let Some(name) = schema["name"].as_str().filter(|_| named)
        && !defined.insert(name.to_owned())
    {
        *schema = json!(name);
        return;
    }
    match schema {
        Value::Object(members) => members.values_mut().for_each(|member| define_once(member, defined)),
        Value::Array(members) => members.iter_mut().for_each(|member| define_once(member, defined)),
        _ => {}
    }
}
