//! Which Kafka, and how.

use std::collections::BTreeMap;

/// Which Kafka, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bootstrap servers: `host:port`, several with commas.
    pub brokers: String,
    /// Whether missing topics may be made.
    pub create_topics: bool,
    /// Partitions of a topic that is made (the lake's events have one).
    pub partitions: u32,
    /// Stands before the names of topics and groups, so that several lakes can share a cluster. Empty by default.
    pub topic_prefix: String,
    /// Further settings of librdkafka, as `security.protocol` or `sasl.username`. Those that durability and order rest on cannot be changed.
    pub properties: BTreeMap<String, String>,
}

impl Options {
    /// The Kafka at `brokers`; missing topics are made, with 12 partitions.
    #[must_use]
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            create_topics: true,
            partitions: 12,
            topic_prefix: String::new(),
            properties: BTreeMap::new(),
        }
    }
}
