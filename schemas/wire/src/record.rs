//! A record of the log: a block or a process, told apart by the fingerprint in its first ten bytes.

use crate::{Block, Error, Process, ProcessId, Result, Topic, UnixNanos, block, process, schema};

/// A decoded record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A run of a program.
    Process(Process),
    /// A run of a stream's events.
    Block(Block),
}

/// Which schema a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Process`].
    Process,
    /// [`Block`].
    Block,
}

/// The schema of a record, from its first ten bytes.
///
/// # Errors
/// Too short, no Avro single-object marker, or a fingerprint that no version of ours has.
pub fn record_kind(record: &[u8]) -> Result<Kind> {
    let fingerprint = schema::fingerprint(record)?;
    if block::VERSIONS.iter().any(|version| version.fingerprint == fingerprint) {
        Ok(Kind::Block)
    } else if process::VERSIONS.iter().any(|version| version.fingerprint == fingerprint) {
        Ok(Kind::Process)
    } else {
        Err(Error::UnknownSchema { fingerprint })
    }
}

impl Record {
    /// Reads any record of the ingested topics.
    ///
    /// # Errors
    /// As [`Block::decode`] and [`Process::decode`].
    pub fn decode(record: &[u8]) -> Result<Self> {
        Ok(match record_kind(record)? {
            Kind::Process => Record::Process(Process::decode(record)?),
            Kind::Block => Record::Block(Block::decode(record)?),
        })
    }

    /// The process it belongs to; its lower-case text is the key in the log.
    #[must_use]
    pub fn process_id(&self) -> ProcessId {
        match self {
            Record::Process(process) => process.process_id,
            Record::Block(block) => block.header.process_id,
        }
    }

    /// The topic it belongs to.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Record::Process(_) => Topic::Processes,
            Record::Block(block) => block.header.kind.topic(),
        }
    }

    /// The Kafka headers that let people and tools see what a record is; never read by Framelake.
    /// `content-type`, `process-id`, and for blocks `stream-id`, `stream-kind`, `block-id`, `sequence`, `event-count`, `min-time`, `max-time`
    /// (RFC 3339, nanoseconds).
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let (name, process_id) = match self {
            Record::Process(process) => ("process", process.process_id),
            Record::Block(block) => ("block", block.header.process_id),
        };
        let mut headers = vec![
            ("content-type", format!("application/vnd.framelake.{name}+avro")),
            ("process-id", process_id.to_string()),
        ];
        if let Record::Block(Block { header, .. }) = self {
            headers.extend([
                ("stream-id", header.stream_id.to_string()),
                ("stream-kind", header.kind.to_string()),
                ("block-id", header.block_id.to_string()),
                ("sequence", header.sequence.to_string()),
                ("event-count", header.event_count.to_string()),
                ("min-time", rfc3339(header.min_time)),
                ("max-time", rfc3339(header.max_time)),
            ]);
        }
        headers
    }
}

/// `2026-01-31T23:59:59.000000001Z`; the calendar is Hinnant's `civil_from_days` (howardhinnant.github.io/date_algorithms.html).
fn rfc3339(time: UnixNanos) -> String {
    const SECOND: i64 = 1_000_000_000;
    const DAY: i64 = 86_400;
    let (seconds, nanos) = (time.div_euclid(SECOND), time.rem_euclid(SECOND));
    let (days, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // Days since 0000-03-01, in 400-year eras of 146,097 days: years that begin in March have their leap day last.
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_rfc_3339() {
        for (time, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400_000_000_007, "2000-02-29T00:00:00.000000007Z"),
            (1_767_225_599_123_456_789, "2025-12-31T23:59:59.123456789Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
        ] {
            assert_eq!(rfc3339(time), text);
        }
    }
}
