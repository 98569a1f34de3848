//! Straight to Kafka.
