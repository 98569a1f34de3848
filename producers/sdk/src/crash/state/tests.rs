use super::*;
use crate::recover::test_support::{Names, raw, seal};
use framelake_wire::encode::{
    AsyncEncoder, Attachment, AttachmentEncoder, FrameEncoder, LogEncoder, MetricEncoder, Saved, SiteId, SpanEncoder,
    ThreadId,
};
use framelake_wire::{Arg, StreamKind};
use std::fs;
use std::path::Path;

fn stream(kind: &str, encoder: Vec<u8>) -> StreamState {
    let stream_id = [7; 16];
    StreamState { kind: kind.into(), stream_id, sequence: 1, ordinals: 2, rows: 3, dropped: 4, lost: 5, encoder }
}

fn state(spans: &[u8], streams: Vec<StreamState>) -> State {
    let thread = |position| ThreadState {
        incarnation: 9,
        ended: true,
        position,
        lost: [1, 2, 3, 4, 5, 6, 7],
        name: 1,
        spans: stream("span", spans.to_vec()),
    };
    State {
        process: vec![1; 30],
        marks: Marks::default(),
        gone: vec![Place { number: 11, index: 12 }, Place { number: 13, index: 14 }],
        drain: 15,
        attached: 16,
        attachments_lost: 17,
        clock_domain: "tsc".into(),
        first_ticks: 18,
        newest: TimeSample { ticks: 1, monotonic_ns: -2, wall_ns: 3 },
        anchor_ns: -4,
        rate: 2.5,
        names: vec![("main".into(), 1), (String::new(), 2)],
        threads: [Position::First, Position::Chunk { number: 1, words: 2, restarts: 3 }, Position::Elsewhere]
            .map(thread)
            .to_vec(),
        streams,
    }
}

#[test]
fn a_state_is_read_as_it_was_written_and_a_part_of_one_is_none() {
    let state = state(&[1, 2, 3], vec![stream("log", vec![4]), stream("metric", vec![])]);
    let bytes = state.encode();
    assert_eq!(State::decode(&bytes).unwrap(), state);
    assert!((0..bytes.len()).all(|length| State::decode(&bytes[..length]).is_none()));
}

/// Encoders of all kinds between two blocks, with something open in those that carry it on.
fn encoders() -> (Vec<u8>, Vec<StreamState>) {
    let (site, thread, fields) = (SiteId(0), ThreadId(0), raw(&[Arg::U64(5), Arg::Str("five")]));
    fn saved<E: Saved>(mut encoder: E, close: impl FnOnce(&mut E)) -> Vec<u8> {
        close(&mut encoder);
        let mut out = Vec::new();
        encoder.save(&mut out);
        out
    }
    let mut spans = SpanEncoder::new();
    spans.begin_with(site, 10, fields.as_raw());
    spans.begin_with(site, 20, Default::default());
    spans.dropped(1);
    let mut logs = LogEncoder::new();
    logs.push_args(site, thread, 10, fields.as_raw());
    let mut metrics = MetricEncoder::new();
    metrics.dropped(2);
    let mut frames = FrameEncoder::new();
    frames.mark(10);
    let mut asyncs = AsyncEncoder::new();
    asyncs.begin(1, 0, site, thread, 10, fields.as_raw());
    asyncs.end_with(2, 20, fields.as_raw());
    asyncs.dropped(1);
    let mut attachments = AttachmentEncoder::new();
    let attachment = Attachment { number: 3, name: None, media_type: "text/plain", bytes: b"three" };
    attachments.push(site, thread, 10, &attachment, 0);
    macro_rules! state {
        ($kind:expr, $encoder:expr) => {
            stream($kind.as_str(), saved($encoder, |encoder| drop(encoder.seal(&seal($kind), &Names))))
        };
    }
    let spans = saved(spans, |spans| drop(spans.seal(&seal(StreamKind::SPAN), &Names)));
    let streams = vec![
        state!(StreamKind::LOG, logs),
        state!(StreamKind::METRIC, metrics),
        state!(StreamKind::FRAME, frames),
        state!(StreamKind::ASYNC, asyncs),
        state!(StreamKind::ATTACHMENT, attachments),
    ];
    (spans, streams)
}

/// A program that starts anew reads what its last build left: the same version must mean the same bytes. Where the layout of [`State`], or of what encoders
/// save, is changed, raise [`VERSION`] and write the new version's file: `FRAMELAKE_GOLDEN=write cargo test -p framelake --lib golden_state`.
#[test]
fn golden_state_of_this_version_is_written_byte_for_byte() {
    let (spans, streams) = encoders();
    let bytes = state(&spans, streams).encode();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/crash/state/golden/version-{VERSION}.bin"));
    if !golden.exists() && std::env::var("FRAMELAKE_GOLDEN").is_ok_and(|value| value == "write") {
        fs::write(&golden, &bytes).unwrap();
    }
    let known = fs::read(&golden).expect("a version has its golden file: see this test");
    assert!(bytes == known, "the layout of what is saved has changed, and VERSION has not: see this test");
    assert_eq!(State::decode(&known).unwrap().encode(), known);
    assert_eq!(MAGIC.strip_prefix(b"FLSTATE"), Some(VERSION.to_string().as_bytes()));
}
