//! Decides what of a batch goes where. No IO.

use bytes::Bytes;
use framelake_log::NewRecord;
use framelake_wire::{ProcessId, Record, Topic, batch, limits::RECORD_BYTES_MAX};
use serde::Serialize;

/// What becomes of a batch.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// What to append: a record each for the entries of the batch, in their order. Those of `rejected` are dead letters.
    pub(crate) records: Vec<NewRecord>,
    /// What was not taken, by its place in the batch.
    pub(crate) rejected: Vec<Rejected>,
    /// The processes of what is taken; one after another without the same twice.
    pub(crate) processes: Vec<ProcessId>,
    /// Which program a process runs, where it says so.
    pub(crate) programs: Vec<(ProcessId, String)>,
}

/// A record that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Rejected {
    pub(crate) index: usize,
    pub(crate) reason: String,
}

/// Checks each record: sizes, header fields, CRC, and that it is sent to the topic it belongs to. Payloads are not opened; the writer
/// does that.
///
/// # Errors
/// The framing is unreadable.
pub(crate) fn check(body: &Bytes) -> framelake_wire::Result<Checked> {
    let mut checked = Checked::default();
    for (index, (topic, value)) in batch::split(body)?.into_iter().enumerate() {
        let value = body.slice_ref(value);
        let record = match accept(topic, &value) {
            Ok((record, new)) => {
                checked.saw(record);
                new
            }
            Err(reason) => {
                let dead_letter = dead_letter(topic, value, &reason);
                checked.rejected.push(Rejected { index, reason });
                dead_letter
            }
        };
        checked.records.push(record);
    }
    Ok(checked)
}

impl Checked {
    fn saw(&mut self, record: Record) {
        let process_id = record.process_id();
        if self.processes.last() != Some(&process_id) {
            self.processes.push(process_id);
        }
        if let Record::Process(process) = record {
            self.programs.push((process_id, process.exe));
        }
    }
}

fn accept(topic: &str, value: &Bytes) -> Result<(Record, NewRecord), String> {
    if value.len() > RECORD_BYTES_MAX {
        return Err(format!(
            "the record has {} bytes, over the limit of {RECORD_BYTES_MAX}; seal smaller blocks",
            value.len()
        ));
    }
    let record = Record::decode(value).map_err(|error| error.to_string())?;
    let belongs = record.topic();
    if topic != belongs.name() {
        return Err(format!("the record was sent to topic {topic:?} and belongs to {belongs}"));
    }
    let new = NewRecord {
        topic: belongs,
        key: record.process_id().to_string().into(),
        value: value.clone(),
        headers: record.headers().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
    };
    Ok((record, new))
}

/// The bytes as they came, with headers after KIP-1317. Beyond what any record may have only the beginning is kept, enough to see what
/// it was.
fn dead_letter(topic: &str, value: Bytes, reason: &str) -> NewRecord {
    let header = |name: &str, value: &str| (name.to_owned(), Bytes::copy_from_slice(value.as_bytes()));
    let mut headers = vec![
        header("_dlq.errors.disposition", "CLIENT_REJECTED"),
        header("_dlq.errors.original.topic", topic),
        header("_dlq.errors.reason", reason),
        header("_dlq.errors.stage", "gateway"),
    ];
    let kept = value.slice(..value.len().min(RECORD_BYTES_MAX));
    if kept.len() < value.len() {
        headers.push(header("_dlq.errors.original.bytes", &value.len().to_string()));
    }
    NewRecord { topic: Topic::DeadLetters, key: Bytes::new(), value: kept, headers }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead_letters(entries: &[(&str, &[u8])]) -> Checked {
        let mut body = Vec::new();
        for (topic, record) in entries {
            batch::push(&mut body, topic, record);
        }
        let checked = check(&body.into()).expect("readable framing");
        assert_eq!(checked.rejected.len(), entries.len(), "{checked:?}");
        checked
    }

    #[test]
    fn bytes_of_no_record_become_a_dead_letter_as_they_came() {
        let checked = dead_letters(&[("framelake.spans", b"nonsense"), ("no.such.topic", b"")]);
        let letter = &checked.records[0];
        assert_eq!((letter.topic, &letter.value[..]), (Topic::DeadLetters, &b"nonsense"[..]));
        let header = |name| letter.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.clone());
        assert_eq!(header("_dlq.errors.disposition"), Some("CLIENT_REJECTED".into()));
        assert_eq!(header("_dlq.errors.original.topic"), Some("framelake.spans".into()));
        assert_eq!(header("_dlq.errors.reason"), Some(checked.rejected[0].reason.clone().into()));
    }

    #[test]
    fn the_beginning_of_an_oversized_record_is_kept_and_fits_the_log() {
        let checked = dead_letters(&[("framelake.spans", &vec![5; 3 * 1024 * 1024])]);
        let letter = &checked.records[0];
        assert_eq!(letter.value.len(), RECORD_BYTES_MAX);
        letter.check_size().expect("fits the log");
        let bytes =
            letter.headers.iter().find(|(name, _)| name == "_dlq.errors.original.bytes").expect("its true size");
        assert_eq!(bytes.1, "3145728");
    }
}
