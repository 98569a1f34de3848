//! What the game reports is what it sent: every stream, by ordinal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use framelake::transport::{Deliver, Outcome, Outgoing};
use framelake_demo::{Options, Report};
use framelake_wire::{Block, Topic, decode};

/// Keeps every record.
struct Keep(Arc<Mutex<Vec<Outgoing>>>);

impl Deliver for Keep {
    fn deliver(&mut self, batch: &[Outgoing], _: Instant) -> Outcome {
        self.0.lock().unwrap().extend_from_slice(batch);
        Outcome::Kept { refused: Vec::new(), control: None }
    }

    fn destination(&self) -> String {
        "memory".into()
    }
}

#[test]
fn every_ordinal_of_the_report_was_sent_once() {
    let records = Arc::new(Mutex::new(Vec::new()));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("report.json");
    let options = Options {
        seconds: 3,
        report: Some(path.clone()),
        agents: 20,
        stop_at_end_of_input: false,
        ..Options::default()
    };
    let recorder = framelake::Builder::new().deliver_by(Box::new(Keep(Arc::clone(&records))));
    let report = framelake_demo::run_with(options, recorder).expect("the game runs to its end");

    let written: Report = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(written.streams, report.streams);
    assert!(report.frames > 10 && report.frames + report.ticks_skipped <= 182, "{report:?}");
    assert_eq!(report.undelivered_rows, 0);

    let sent = ordinals_by_stream(&records.lock().unwrap());
    for stream in &report.streams {
        let ordinals = sent.get(&stream.stream_id).cloned().unwrap_or_default();
        assert_eq!(ordinals.len() as u64 + stream.open + stream.dropped, stream.ordinals, "{stream:?}");
        assert!(ordinals.windows(2).all(|pair| pair[0] < pair[1]), "an ordinal came twice: {stream:?}");
        assert!(ordinals.last().is_none_or(|last| *last < stream.ordinals), "{stream:?}");
        assert_eq!(stream.dropped, 0, "nothing is lost with a server that takes everything: {stream:?}");
    }
    assert_eq!(sent.len(), report.streams.len(), "no stream is missing from the report");
    for (kind, total) in &report.totals {
        let emitted: u64 =
            report.streams.iter().filter(|stream| stream.kind == *kind).map(|stream| stream.ordinals).sum();
        assert_eq!(emitted, total.rows, "{kind}");
    }
    let threads: Vec<&str> =
        report.streams.iter().filter(|stream| stream.kind == "span").map(|stream| stream.thread.as_str()).collect();
    for thread in ["physics", "streaming", "audio", "ai-0", "ai-1"] {
        assert!(threads.contains(&thread), "{thread} recorded spans: {threads:?}");
    }
    assert_eq!(report.totals["frame"].rows, report.frames);
    assert!(report.probe.is_some_and(|probe| probe.ns_per_event > 0.0));
}

/// The ordinals of all rows, sorted.
fn ordinals_by_stream(records: &[Outgoing]) -> BTreeMap<String, Vec<u64>> {
    let mut streams: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.topic != Topic::Processes) {
        let block = Block::decode(&record.bytes).expect("a block");
        let ordinals = match block.header.kind.to_string().as_str() {
            "span" => decode::spans(&block).expect("spans").ordinal,
            "log" => decode::logs(&block).expect("log lines").ordinal,
            "metric" => decode::metrics(&block).expect("measurements").ordinal,
            "frame" => decode::frames(&block).expect("frames").ordinal,
            kind => panic!("the game records no {kind}"),
        };
        streams.entry(block.header.stream_id.to_string()).or_default().extend(ordinals);
    }
    for ordinals in streams.values_mut() {
        ordinals.sort_unstable();
    }
    streams
}
