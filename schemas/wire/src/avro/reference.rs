//! apache-avro, in the few calls that our tests hold our own bytes against.

pub(crate) use apache_avro::{Schema, types::Value};
use apache_avro::{rabin::Rabin, reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};

pub(crate) fn schema(json: &str) -> Schema {
    Schema::parse_str(json).unwrap()
}

/// The CRC-64-AVRO fingerprint of the schema's parsing canonical form.
pub(crate) fn fingerprint(schema: &Schema) -> u64 {
    u64::from_le_bytes(schema.fingerprint::<Rabin>().bytes.try_into().unwrap())
}

pub(crate) fn write(schema: &Schema, value: Value) -> Vec<u8> {
    GenericDatumWriter::builder(schema).build().unwrap().write_value_to_vec(value).unwrap()
}

/// Reads a body of schema `writer`, resolved to schema `reader`.
pub(crate) fn read(mut body: &[u8], writer: &Schema, reader: &Schema) -> Value {
    let value =
        GenericDatumReader::builder(writer).reader_schema(reader).build().unwrap().read_value(&mut body).unwrap();
    assert!(body.is_empty());
    value
}
