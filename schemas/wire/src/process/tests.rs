//! Our bytes against apache-avro's, and older versions of the schema.

use super::*;
use crate::avro::reference::{self, Value};
use crate::schema::{PROCESS_FINGERPRINT, PROCESS_SCHEMA, record_body, single_object};
use proptest::{collection::btree_map, option, prelude::*, strategy::ValueTree};
use uuid::Uuid;

fn processes(entries: usize) -> impl Strategy<Value = Process> {
    let ids = (any::<[u8; 16]>(), option::of(any::<[u8; 16]>()));
    let texts = prop::collection::vec(".{0,12}", 8);
    let numbers = (0..1u64 << 63, any::<u32>(), 0..1u64 << 63, any::<u32>());
    let times = (any::<i64>(), any::<i64>(), option::of(any::<i64>()), option::of(".{0,12}"));
    let properties = btree_map(".{0,8}", ".{0,8}", 0..=entries);
    let dropped = btree_map(any::<[u8; 16]>().prop_map(StreamId::from_bytes), 0..1u64 << 63, 0..=entries);
    (ids, texts, numbers, times, properties, dropped).prop_map(
        |(ids, mut texts, numbers, times, properties, dropped)| {
            let mut text = || texts.pop().unwrap();
            Process {
                process_id: ProcessId::from_bytes(ids.0),
                revision: numbers.0,
                parent_process_id: ids.1.map(ProcessId::from_bytes),
                exe: text(),
                version: text(),
                user: text(),
                host: text(),
                os: text(),
                arch: text(),
                cpu: text(),
                cores: numbers.1,
                memory_bytes: numbers.2,
                pid: numbers.3,
                sdk: text(),
                start_time: times.0,
                last_seen: times.1,
                end_time: times.2,
                exit_reason: times.3,
                properties,
                dropped,
            }
        },
    )
}

fn value(process: &Process) -> Value {
    let id = |bytes: &[u8; 16]| Value::Uuid(Uuid::from_bytes(*bytes));
    let text = |text: &String| Value::String(text.clone());
    let union = |value: Option<Value>| match value {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(value) => Value::Union(1, Box::new(value)),
    };
    let dropped = |(id, count): (&StreamId, &u64)| (id.to_string(), Value::Long(count.cast_signed()));
    Value::Record(vec![
        ("process_id".into(), id(process.process_id.as_bytes())),
        ("revision".into(), Value::Long(process.revision.cast_signed())),
        ("parent_process_id".into(), union(process.parent_process_id.map(|parent| id(parent.as_bytes())))),
        ("exe".into(), text(&process.exe)),
        ("version".into(), text(&process.version)),
        ("user".into(), text(&process.user)),
        ("host".into(), text(&process.host)),
        ("os".into(), text(&process.os)),
        ("arch".into(), text(&process.arch)),
        ("cpu".into(), text(&process.cpu)),
        ("cores".into(), Value::Long(process.cores.into())),
        ("memory_bytes".into(), Value::Long(process.memory_bytes.cast_signed())),
        ("pid".into(), Value::Long(process.pid.into())),
        ("sdk".into(), text(&process.sdk)),
        ("start_time".into(), Value::Long(process.start_time)),
        ("last_seen".into(), Value::Long(process.last_seen)),
        ("end_time".into(), union(process.end_time.map(Value::Long))),
        ("exit_reason".into(), union(process.exit_reason.as_ref().map(text))),
        (
            "properties".into(),
            Value::Map(process.properties.iter().map(|(key, value)| (key.clone(), text(value))).collect()),
        ),
        ("dropped".into(), Value::Map(process.dropped.iter().map(dropped).collect())),
    ])
}

#[test]
fn fingerprint_is_that_of_the_canonical_form() {
    assert_eq!(reference::fingerprint(&reference::schema(PROCESS_SCHEMA)), PROCESS_FINGERPRINT);
}

proptest! {
    #[test]
    fn processes_come_back(process in processes(20)) {
        prop_assert_eq!(Process::decode(&process.encode()).unwrap(), process);
    }

    #[test]
    fn apache_avro_reads_ours_and_we_read_theirs(process in processes(20)) {
        let schema = reference::schema(PROCESS_SCHEMA);
        let record = process.encode();
        prop_assert_eq!(reference::read(record_body(&record), &schema, &schema), value(&process));
        let theirs = reference::write(&schema, value(&process));
        prop_assert_eq!(Process::decode(&single_object(RecordKind::Process, &theirs)).unwrap(), process);
    }

    /// With more than one entry, maps of theirs have a random order.
    #[test]
    fn bytes_equal_those_of_apache_avro(process in processes(1)) {
        let schema = reference::schema(PROCESS_SCHEMA);
        let theirs = reference::write(&schema, value(&process));
        let ours = process.encode();
        prop_assert_eq!(record_body(&ours), &theirs[..]);
    }

    #[test]
    fn processes_of_an_older_schema_are_read(process in processes(3)) {
        let field = r#"{"name": "exit_reason", "type": ["null", "string"], "default": null},"#;
        let older_schema = reference::schema(&PROCESS_SCHEMA.replace(field, ""));
        let older_fields: Vec<Field> = FIELDS.iter().copied().filter(|&field| field != Field::ExitReason).collect();
        let older = Version { fingerprint: reference::fingerprint(&older_schema), fields: older_fields.leak() };
        prop_assert_ne!(older.fingerprint, PROCESS_FINGERPRINT);
        let mut record = vec![0xc3, 0x01];
        record.extend_from_slice(&older.fingerprint.to_le_bytes());
        process.write(older.fields, &mut record);

        let expected = Process { exit_reason: None, ..process };
        let newest = Version { fingerprint: PROCESS_FINGERPRINT, fields: FIELDS };
        prop_assert_eq!(&Process::decode_among(&record, &[newest, older]).unwrap(), &expected);
        let newest = reference::schema(PROCESS_SCHEMA);
        let resolved = reference::read(record_body(&record), &older_schema, &newest);
        prop_assert_eq!(resolved, value(&expected));
    }

    #[test]
    fn any_cut_is_noticed(process in processes(3), at in any::<prop::sample::Index>()) {
        let record = process.encode();
        prop_assert!(Process::decode(&record[..at.index(record.len())]).is_err());
    }
}

#[test]
fn more_properties_than_the_limit_are_refused() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut process = processes(0).new_tree(&mut runner).unwrap().current();
    let schema = reference::schema(PROCESS_SCHEMA);
    for (count, accepted) in [(PROPERTIES_MAX, true), (PROPERTIES_MAX + 1, false)] {
        process.properties = (0..count).map(|n| (n.to_string(), String::new())).collect();
        let record = single_object(RecordKind::Process, &reference::write(&schema, value(&process)));
        assert_eq!(Process::decode(&record).is_ok(), accepted);
    }
}

#[test]
fn the_largest_process_fits_a_record() {
    let text = "ä".repeat(40_000);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut process = processes(0).new_tree(&mut runner).unwrap().current();
    for field in [&mut process.exe, &mut process.version, &mut process.user, &mut process.host] {
        *field = text.clone();
    }
    process.exit_reason = Some(text.clone());
    process.properties = (0..1000).map(|n| (format!("{n:04}{text}"), text.clone())).collect();
    process.dropped = (0..5000u32).map(|n| (stream(n), u64::MAX >> 1)).collect();
    let record = process.encode();
    assert!(record.len() <= RECORD_BYTES_MAX);
    let back = Process::decode(&record).unwrap();
    assert_eq!((back.exe.len(), back.exit_reason.unwrap().len()), (1024, 32 * 1024));
    assert_eq!((back.properties.len(), back.dropped.len()), (256, 4096));
    assert!(back.dropped.contains_key(&stream(4999)));
}

fn stream(number: u32) -> StreamId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    StreamId::from_bytes(bytes)
}
