//! Which partition a key belongs to: as Kafka's Java client and librdkafka's `murmur2_random` have it.

/// Kafka's murmur2 (seed 0x9747b28c).
#[must_use]
pub fn murmur2(_data: &[u8]) -> u32 {
    todo!()
}

/// The partition of `key` among `partitions` (at least 1): `(murmur2(key) & 0x7fffffff) % partitions`.
#[must_use]
pub fn partition_for(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}
