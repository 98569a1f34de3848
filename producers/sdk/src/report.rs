//! What was recorded, and what became of it.

use framelake_wire::{ProcessId, StreamId, StreamKind};

/// Counts of one kind of event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindStats {
    /// Rows emitted: log lines, measurements, spans and frames begun, parts of attachments; those dropped or left out included.
    pub emitted: u64,
    /// Events recorded; a span's begin and end are two.
    pub events: u64,
    /// Rows lost: no room when they were recorded, a `Display` that panicked, shed from the queue, or refused by the server. Part of `emitted`.
    pub dropped: u64,
    /// Rows left out because [no slow frame](crate::Builder::keep_slow_frames) had them. Part of `emitted`, not of `dropped`.
    pub sampled: u64,
}

/// What the SDK did so far, as of its last drain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Log lines.
    pub logs: KindStats,
    /// Measurements.
    pub metrics: KindStats,
    /// Spans.
    pub spans: KindStats,
    /// Async spans.
    pub async_spans: KindStats,
    /// Frames.
    pub frames: KindStats,
    /// Parts of attachments, of 512 KiB each but the last; at least one for each.
    pub attachments: KindStats,
    /// Blocks sealed.
    pub blocks: u64,
    /// Their bytes, as sent.
    pub bytes_sealed: u64,
    /// CPU time of the background thread, in nanoseconds; 0 where the system does not tell.
    pub background_cpu_ns: u64,
    /// Bytes held in the threads' buffers.
    pub buffer_bytes: u64,
    /// Bytes held in the sending queue.
    pub queue_bytes: u64,
    /// The most bytes the sending queue ever held.
    pub queue_bytes_peak: u64,
    /// Records acknowledged by the server.
    pub sent_records: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Attempts to send that failed and were made again.
    pub send_errors: u64,
    /// Rows shed because memory, and the spool's budget, were used up, or lost with a file of the spool.
    pub shed_rows: u64,
    /// Records that the server refused for good.
    pub refused_records: u64,
    /// Bytes in the spool now, those of earlier runs included.
    pub spool_bytes: u64,
    /// Records in the spool now and not known to have reached the server, those of earlier runs included.
    pub spool_records: u64,
    /// Records ever written to the spool, because memory was used up or the program ended.
    pub spilled_records: u64,
    /// Their bytes there.
    pub spilled_bytes: u64,
    /// Records read back from the spool to be sent.
    pub read_back_records: u64,
    /// Times that the spool's disk failed.
    pub spool_errors: u64,
    /// Records that earlier runs left and this one took over to send.
    pub recovered_records: u64,
    /// Whether recording is crash-safe: [`Builder::crash_safe`](crate::Builder::crash_safe) asked for it, and the files could be made.
    pub crash_safe: bool,
    /// Bytes of its files beside the threads' buffers: blocks on their way, and what is known of streams.
    pub crash_safe_bytes: u64,
    /// Times that those files could not be written.
    pub crash_safe_errors: u64,
    /// Events without a stream: recorded while a thread's own locals were destroyed, or by the allocator while the SDK allocated. Not emitted rows.
    pub unattributed: u64,
    /// Bytes of the threads' buffers that were passed over: half an event, left by a thread whose signal handler recorded in the midst of it, and what came
    /// behind it up to the drain. Not emitted rows.
    pub unreadable_bytes: u64,
    /// Texts of the server about what is recorded that were put in force.
    pub control_texts: u64,
    /// Those that could not be understood and changed nothing.
    pub control_errors: u64,
}

/// What became of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamReport {
    /// The stream.
    pub stream_id: StreamId,
    /// What its events are.
    pub kind: StreamKind,
    /// The thread whose spans these are; empty for streams of the whole process.
    pub thread_name: String,
    /// Ordinals given out: 0 to this, exclusive.
    pub ordinals: u64,
    /// Rows lost, of those ordinals.
    pub dropped: u64,
    /// Rows left out because no slow frame had them.
    pub sampled: u64,
    /// Rows still open at the end: spans that had not ended, the last frame.
    pub open: u64,
    /// Blocks sealed: sequences 0 to this, exclusive.
    pub blocks: u64,
}

/// What was recorded from start to shutdown: for each stream, `ordinals = rows visible + dropped + sampled + open`, once what was sent, now or by the next run, is
/// visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The process.
    pub process_id: ProcessId,
    /// Its streams, at most 65,536 of them.
    pub streams: Vec<StreamReport>,
    /// Streams beyond that.
    pub streams_left_out: u64,
    /// The counts.
    pub stats: Stats,
    /// Records not known to have reached the server when the time to shut down was over, and lost with the program.
    pub undelivered_records: u64,
    /// Rows of those records.
    pub undelivered_rows: u64,
    /// Records not known to have reached the server that are in the spool: the next run sends them.
    pub spooled_records: u64,
    /// Rows of those records.
    pub spooled_rows: u64,
}

impl Report {
    /// As JSON, for other programs.
    #[must_use]
    pub fn to_json(&self) -> String {
        use std::fmt::Write;
        let mut json = String::new();
        let stats = &self.stats;
        let _ = write!(json, "{{\"process_id\":\"{}\",\"kinds\":{{", self.process_id);
        let kinds = [
            ("log", stats.logs),
            ("metric", stats.metrics),
            ("span", stats.spans),
            ("async", stats.async_spans),
            ("frame", stats.frames),
            ("attachment", stats.attachments),
        ];
        for (index, (name, kind)) in kinds.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let KindStats { emitted, events, dropped, sampled } = kind;
            let _ = write!(
                json,
                "{comma}\"{name}\":{{\"emitted\":{emitted},\"events\":{events},\"dropped\":{dropped},\"sampled\":{sampled}}}"
            );
        }
        json.push('}');
        for (name, count) in [
            ("blocks", stats.blocks),
            ("bytes_sealed", stats.bytes_sealed),
            ("background_cpu_ns", stats.background_cpu_ns),
            ("buffer_bytes", stats.buffer_bytes),
            ("queue_bytes_peak", stats.queue_bytes_peak),
            ("sent_records", stats.sent_records),
            ("sent_bytes", stats.sent_bytes),
            ("send_errors", stats.send_errors),
            ("shed_rows", stats.shed_rows),
            ("refused_records", stats.refused_records),
            ("spool_bytes", stats.spool_bytes),
            ("spool_records", stats.spool_records),
            ("spilled_records", stats.spilled_records),
            ("spilled_bytes", stats.spilled_bytes),
            ("read_back_records", stats.read_back_records),
            ("spool_errors", stats.spool_errors),
            ("recovered_records", stats.recovered_records),
            ("unattributed", stats.unattributed),
            ("unreadable_bytes", stats.unreadable_bytes),
            ("control_texts", stats.control_texts),
            ("control_errors", stats.control_errors),
            ("undelivered_records", self.undelivered_records),
            ("undelivered_rows", self.undelivered_rows),
            ("spooled_records", self.spooled_records),
            ("spooled_rows", self.spooled_rows),
            ("streams_left_out", self.streams_left_out),
        ] {
            let _ = write!(json, ",\"{name}\":{count}");
        }
        json.push_str(",\"streams\":[");
        for (index, stream) in self.streams.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let StreamReport { stream_id, kind, thread_name, ordinals, dropped, sampled, open, blocks } = stream;
            let _ = write!(json, "{comma}{{\"stream_id\":\"{stream_id}\",\"kind\":\"{kind}\",\"thread_name\":");
            push_text(&mut json, thread_name);
            let _ = write!(
                json,
                ",\"ordinals\":{ordinals},\"dropped\":{dropped},\"sampled\":{sampled},\"open\":{open},\"blocks\":{blocks}}}"
            );
        }
        json.push_str("]}");
        json
    }
}

fn push_text(json: &mut String, text: &str) {
    use std::fmt::Write;
    json.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => json.extend(['\\', char]),
            char if char < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(char));
            }
            char => json.push(char),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_json_whatever_the_thread_is_called() {
        let report = Report {
            process_id: ProcessId::from_bytes([1; 16]),
            streams: vec![StreamReport {
                stream_id: StreamId::from_bytes([2; 16]),
                kind: StreamKind::SPAN,
                thread_name: "a\"b\\c\n".into(),
                ordinals: 3,
                dropped: 1,
                sampled: 0,
                open: 1,
                blocks: 2,
            }],
            streams_left_out: 0,
            stats: Stats::default(),
            undelivered_records: 0,
            undelivered_rows: 0,
            spooled_records: 0,
            spooled_rows: 0,
        };
        let json = report.to_json();
        assert!(json.contains(r#""thread_name":"a\"b\\c\u000a","ordinals":3"#), "{json}");
        assert!(json.starts_with('{') && json.ends_with("}]}"), "{json}");
    }
}
