//! Our own Avro bytes against apache-avro's.

use apache_avro::{Schema, rabin::Rabin};
use framelake_wire::schema::{BLOCK_FINGERPRINT, BLOCK_SCHEMA, PROCESS_FINGERPRINT, PROCESS_SCHEMA};

#[test]
fn fingerprints_are_those_of_the_canonical_form() {
    for (schema, fingerprint) in [(BLOCK_SCHEMA, BLOCK_FINGERPRINT), (PROCESS_SCHEMA, PROCESS_FINGERPRINT)] {
        let bytes = Schema::parse_str(schema).unwrap().fingerprint::<Rabin>().bytes;
        assert_eq!(u64::from_le_bytes(bytes.try_into().unwrap()), fingerprint);
    }
}
