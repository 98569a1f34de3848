//! Our bytes against apache-avro's, and older versions of the schema.

use super::*;
use crate::avro::reference::{self, Value};
use crate::schema::{BLOCK_FINGERPRINT, BLOCK_SCHEMA, record_body, single_object};
use proptest::{prelude::*, strategy::ValueTree};
use uuid::Uuid;

pub(crate) fn blocks() -> impl Strategy<Value = Block> {
    let ids = any::<[[u8; 16]; 3]>();
    let counts = (0..1u64 << 62, 0..1u64 << 61, 0..1u64 << 61, 0..=EVENTS_MAX as u64, 0..1u64 << 62);
    let sample = || {
        any::<(u64, i64, i64)>().prop_map(|(ticks, monotonic_ns, wall_ns)| TimeSample { ticks, monotonic_ns, wall_ns })
    };
    let texts = (".{0,20}", "[a-z]{0,12}", "[a-z0-9_]{1,64}", any::<u64>());
    let times = (any::<i64>(), any::<i64>(), any::<i64>());
    // At most one: apache-avro's map has no order.
    let rest = (prop::collection::vec((".{0,9}", any::<Vec<u8>>()), 0..2), any::<Vec<u8>>());
    (ids, counts, sample(), sample(), texts, times, rest).prop_map(
        |(ids, counts, begin, end, texts, times, (extensions, payload))| Block {
            header: Header {
                format_version: 1,
                process_id: ProcessId::from_bytes(ids[0]),
                stream_id: StreamId::from_bytes(ids[1]),
                kind: StreamKind::new(texts.2),
                thread_name: texts.0,
                thread_number: texts.3,
                clock_domain: texts.1,
                block_id: BlockId::from_bytes(ids[2]),
                sequence: counts.0,
                first_ordinal: counts.1,
                ordinal_count: counts.2,
                event_count: counts.3,
                row_count: counts.3 / 2,
                dropped_count: counts.2 / 3,
                dropped_total: counts.4,
                anchor_ns: times.2,
                begin,
                end,
                min_time: times.0.min(times.1),
                max_time: times.0.max(times.1),
                extensions,
            },
            payload,
        },
    )
}

fn value(block: &Block) -> Value {
    let header = &block.header;
    let id = |bytes: &[u8; 16]| Value::Uuid(Uuid::from_bytes(*bytes));
    let long = |value: u64| Value::Long(value.cast_signed());
    let text = |text: &str| Value::String(text.to_owned());
    let sample = |sample: TimeSample| {
        Value::Record(vec![
            ("ticks".into(), long(sample.ticks)),
            ("monotonic_ns".into(), Value::Long(sample.monotonic_ns)),
            ("wall_ns".into(), Value::Long(sample.wall_ns)),
        ])
    };
    let extensions = header.extensions.iter().map(|(name, value)| (name.clone(), Value::Bytes(value.clone())));
    Value::Record(vec![
        ("format_version".into(), long(header.format_version.into())),
        ("process_id".into(), id(header.process_id.as_bytes())),
        ("stream_id".into(), id(header.stream_id.as_bytes())),
        ("kind".into(), text(header.kind.as_str())),
        ("thread_name".into(), text(&header.thread_name)),
        ("thread_number".into(), long(header.thread_number)),
        ("clock_domain".into(), text(&header.clock_domain)),
        ("block_id".into(), id(header.block_id.as_bytes())),
        ("sequence".into(), long(header.sequence)),
        ("first_ordinal".into(), long(header.first_ordinal)),
        ("ordinal_count".into(), long(header.ordinal_count)),
        ("event_count".into(), long(header.event_count)),
        ("row_count".into(), long(header.row_count)),
        ("dropped_count".into(), long(header.dropped_count)),
        ("dropped_total".into(), long(header.dropped_total)),
        ("anchor_ns".into(), Value::Long(header.anchor_ns)),
        ("begin".into(), sample(header.begin)),
        ("end".into(), sample(header.end)),
        ("min_time".into(), Value::Long(header.min_time)),
        ("max_time".into(), Value::Long(header.max_time)),
        ("extensions".into(), Value::Map(extensions.collect())),
        ("crc".into(), Value::Fixed(4, block.crc().to_be_bytes().to_vec())),
        ("payload".into(), Value::Bytes(block.payload.clone())),
    ])
}

#[test]
fn fingerprint_is_that_of_the_canonical_form() {
    assert_eq!(reference::fingerprint(&reference::schema(BLOCK_SCHEMA)), BLOCK_FINGERPRINT);
}

proptest! {
    #[test]
    fn blocks_come_back(block in blocks()) {
        let record = block.encode();
        prop_assert_eq!(&Block::decode(&record).unwrap(), &block);
        prop_assert_eq!(&single_object(RecordKind::Block, record_body(&record)), &record);
    }

    #[test]
    fn bytes_equal_those_of_apache_avro(block in blocks()) {
        let schema = reference::schema(BLOCK_SCHEMA);
        let record = block.encode();
        let theirs = reference::write(&schema, value(&block));
        prop_assert_eq!(record_body(&record), &theirs[..]);
        prop_assert_eq!(reference::read(record_body(&record), &schema, &schema), value(&block));
        prop_assert_eq!(Block::decode(&single_object(RecordKind::Block, &theirs)).unwrap(), block);
    }

    #[test]
    fn blocks_of_an_older_schema_are_read(block in blocks()) {
        let field = r#"{"name": "extensions", "type": {"type": "map", "values": "bytes"}, "default": {}},"#;
        let older_schema = reference::schema(&BLOCK_SCHEMA.replace(field, ""));
        let older = &VERSIONS[1];
        prop_assert_eq!(reference::fingerprint(&older_schema), older.fingerprint);
        let mut record = vec![0xc3, 0x01];
        record.extend_from_slice(&older.fingerprint.to_le_bytes());
        block.write(older.fields, &mut record);

        let mut expected = block;
        expected.header.extensions.clear();
        prop_assert_eq!(&Block::decode(&record).unwrap(), &expected);
        let identity = expected.crc_in(older.fingerprint).unwrap();
        prop_assert_ne!(identity, expected.crc());

        // apache-avro resolves the same record to the newest schema, all but the CRC, which is the writer's.
        let newest = reference::schema(BLOCK_SCHEMA);
        let resolved = reference::read(record_body(&record), &older_schema, &newest);
        let Value::Record(fields) = &resolved else { unreachable!() };
        let crc = fields.iter().find(|(name, _)| name == "crc").map(|(_, crc)| crc);
        prop_assert_eq!(crc, Some(&Value::Fixed(4, identity.to_be_bytes().to_vec())));
        let without_crc = |value| match value {
            Value::Record(fields) => fields.into_iter().filter(|(name, _)| name != "crc").collect::<Vec<_>>(),
            _ => unreachable!(),
        };
        prop_assert_eq!(without_crc(resolved), without_crc(value(&expected)));
    }

    #[test]
    fn any_flipped_bit_is_noticed(block in blocks(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut record = block.encode();
        let at = at.index(record.len());
        record[at] ^= 1 << bit;
        prop_assert!(Block::decode(&record).is_err(), "byte {at}");
    }

    #[test]
    fn any_cut_is_noticed(block in blocks(), at in any::<prop::sample::Index>()) {
        let record = block.encode();
        prop_assert!(Block::decode(&record[..at.index(record.len())]).is_err());
    }
}

#[test]
fn crc_is_the_one_in_the_record() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let block = blocks().new_tree(&mut runner).unwrap().current();
    let record = block.encode();
    let crc = block.crc().to_be_bytes();
    assert!(record.windows(4).any(|bytes| bytes == crc));
}

/// A header whose fields contradict each other is refused even with a right CRC.
#[test]
fn contradictions_are_refused() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let block = blocks().new_tree(&mut runner).unwrap().current();
    let check = |spoil: fn(&mut Header), field: &str| {
        let mut block = block.clone();
        spoil(&mut block.header);
        let error = Block::decode(&block.encode()).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    };
    check(|header| header.event_count = EVENTS_MAX as u64 + 1, "event_count");
    check(|header| header.row_count = header.event_count + 1, "row_count");
    check(|header| header.dropped_count = header.ordinal_count + 2, "dropped_count");
    check(|header| header.first_ordinal = i64::MAX as u64, "ordinal_count");
    check(|header| header.sequence = u64::MAX, "sequence");
    check(|header| header.min_time = header.max_time.saturating_add(1), "min_time");
    check(|header| header.kind = StreamKind::new("Span"), "kind");
    check(|header| header.kind = StreamKind::new(""), "kind");
    check(|header| header.clock_domain = "x".repeat(65), "clock_domain");
    let many = |header: &mut Header| {
        header.extensions = (0..=EXTENSIONS_MAX).map(|number| (number.to_string(), Vec::new())).collect();
    };
    check(many, "extensions");
    check(|header| header.extensions = vec![("x".to_owned(), vec![0; EXTENSIONS_BYTES_MAX])], "extensions");
    let mut long = block.clone();
    long.payload = vec![0; PAYLOAD_BYTES_MAX + 1];
    assert!(matches!(Block::decode(&long.encode()), Err(Error::TooLarge { field: "payload", .. })));
    long.payload.truncate(PAYLOAD_BYTES_MAX);
    long.header.thread_name = "ä".repeat(40_000);
    assert_eq!(Block::decode(&long.encode()).unwrap().header.thread_name, "ä".repeat(16 * 1024));
}

/// Another encoding of the same pairs would be another checksum of the same block.
#[test]
fn extensions_come_in_one_run_or_not_at_all_and_no_two_have_one_name() {
    let read = |bytes: &[u8]| {
        let mut reader = Reader::new(bytes);
        extensions(&mut reader).and_then(|found| reader.finish("extensions").map(|()| found.len()))
    };
    // Counts and lengths are zigzag: 2 is 1, 1 is -1.
    assert_eq!(read(&[0]), Ok(0));
    assert_eq!(read(&[2, 2, b'a', 2, 7, 0]), Ok(1));
    assert!(read(&[2, 2, b'a', 2, 7, 2, 2, b'b', 0, 0]).is_err());
    assert!(read(&[1, 8, 2, b'a', 2, 7, 0]).is_err());
    assert_eq!(read(&[4, 2, b'a', 2, 7, 2, b'b', 2, 7, 0]), Ok(2));
    assert!(read(&[4, 2, b'a', 2, 7, 2, b'a', 2, 8, 0]).is_err());
}
