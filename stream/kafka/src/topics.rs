//! Which topics there must be, and with which settings.

use framelake_log::partitions_of;
use framelake_wire::Topic;
use rdkafka::admin::{NewTopic, TopicReplication};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Kafka's usual 1 MiB: blocks of 768 KiB fit with their headers.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) partitions: u32,
    pub(crate) replication: u32,
    pub(crate) settings: Vec<(&'static str, String)>,
}

/// How `topic` is made on a cluster of so many brokers.
pub(crate) fn plan(topic: Topic, prefix: &str, partitions: u32, brokers: usize) -> Plan {
    // Three copies where there are three brokers. Two of them must have a record before it is acknowledged.
    let replication = brokers.clamp(1, 3) as u32;
    let mut settings = vec![
        ("max.message.bytes", MESSAGE_BYTES_MAX.to_string()),
        // A record's time is when the log took it, whatever the producer's clock says.
        ("message.timestamp.type", "LogAppendTime".to_owned()),
    ];
    if replication == 3 {
        settings.push(("min.insync.replicas", "2".to_owned()));
    }
    let retention =
        |days: i64| vec![("cleanup.policy", "delete".to_owned()), ("retention.ms", (days * DAY_MS).to_string())];
    settings.extend(match topic {
        Topic::Processes => vec![("cleanup.policy", "compact".to_owned())],
        Topic::Logs | Topic::Metrics => retention(7),
        Topic::Spans => retention(2),
        Topic::DeadLetters => retention(30),
        Topic::Lake => vec![
            ("cleanup.policy", "delete".to_owned()),
            ("retention.ms", "-1".to_owned()),
            ("retention.bytes", "-1".to_owned()),
        ],
    });
    Plan { name: format!("{prefix}{topic}"), partitions: partitions_of(topic, partitions), replication, settings }
}

impl Plan {
    pub(crate) fn new_topic(&self) -> NewTopic<'_> {
        let (partitions, replication) = (self.partitions.cast_signed(), self.replication.cast_signed());
        let topic = NewTopic::new(&self.name, partitions, TopicReplication::Fixed(replication));
        self.settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(topic: Topic, brokers: usize, expected: &str) {
        let Plan { name, partitions, replication, settings } = plan(topic, "test.", 12, brokers);
        let settings: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(format!("{name} {partitions}x{replication} {}", settings.join(" ")), expected);
    }

    #[test]
    fn topics_are_made_as_the_design_has_them() {
        let common = "max.message.bytes=1048576 message.timestamp.type=LogAppendTime";
        check(Topic::Processes, 1, &format!("test.framelake.processes 12x1 {common} cleanup.policy=compact"));
        check(
            Topic::Spans,
            2,
            &format!("test.framelake.spans 12x2 {common} cleanup.policy=delete retention.ms=172800000"),
        );
        check(
            Topic::Logs,
            5,
            &format!(
                "test.framelake.logs 12x3 {common} min.insync.replicas=2 cleanup.policy=delete retention.ms=604800000"
            ),
        );
        check(
            Topic::DeadLetters,
            1,
            &format!("test.framelake.dead-letters 12x1 {common} cleanup.policy=delete retention.ms=2592000000"),
        );
        check(
            Topic::Lake,
            1,
            &format!("test.framelake.lake 1x1 {common} cleanup.policy=delete retention.ms=-1 retention.bytes=-1"),
        );
    }
}
