//! How fast stored span blocks become rows: `cargo run --profile quick -p framelake-definitions --example decode_speed`.
//!
//! Prints, for one core, the opening of payloads alone and with all columns laid out as Arrow, in million rows a second.

use framelake_definitions::{Projection, batches, by_name};
use framelake_wire::{
    Block, BlockId, ProcessId, StreamId, StreamKind, TimeSample, decode,
    encode::{CallSite, Dictionary, PropertiesId, Seal, SiteId, SpanEncoder, ThreadId},
};
use std::{hint::black_box, time::Instant};

struct Names(Vec<String>);

impl Dictionary for Names {
    fn site(&self, id: SiteId) -> CallSite<'_> {
        CallSite {
            name: &self.0[id.0 as usize],
            target: "game::systems",
            file: "src/systems.rs",
            line: id.0,
            level: 0,
            unit: "",
            ..CallSite::default()
        }
    }
    fn properties(&self, _id: PropertiesId) -> &[(String, String)] {
        &[]
    }
    fn thread(&self, _id: ThreadId) -> (&str, u64) {
        ("main", 1)
    }
}

/// A second of a busy thread: 100,000 spans, a third of them nested two deep, with durations that vary.
fn block(sequence: u64) -> Block {
    let names = Names((0..50).map(|site| format!("system_{site}")).collect());
    let mut encoder = SpanEncoder::new();
    let (mut now, mut state) = (sequence * 1_000_000_000, 1_u64);
    let mut step = |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        now += 20 + (state >> 33) % most;
        now
    };
    let begin = step(1);
    for span in 0..33_334_u32 {
        encoder.begin(SiteId(span % 50), step(500));
        encoder.begin(SiteId((span * 7) % 50), step(500));
        encoder.begin(SiteId((span * 13) % 50), step(500));
        encoder.end(step(2000));
        encoder.end(step(500));
        encoder.end(step(500));
    }
    let at = |ticks: u64| TimeSample { ticks, monotonic_ns: ticks.cast_signed(), wall_ns: ticks.cast_signed() };
    let seal = Seal {
        process_id: ProcessId::from_bytes([1; 16]),
        stream_id: StreamId::from_bytes([2; 16]),
        kind: StreamKind::SPAN,
        thread: Some(ThreadId(0)),
        clock_domain: "monotonic",
        block_id: BlockId::now_v7(),
        sequence,
        dropped_total: 0,
        anchor_ns: 0,
        begin: at(begin),
        end: at(step(1)),
    };
    encoder.seal(&seal, &names)
}

fn main() {
    let blocks: Vec<_> = (0..10).map(block).collect();
    let rows: u64 = blocks.iter().map(|block| block.header.row_count).sum();
    let bytes: usize = blocks.iter().map(|block| block.payload.len()).sum();
    println!("{rows} spans in {bytes} bytes: {:.2} a span", bytes as f64 / rows as f64);
    let view = by_name("thread_spans").expect("the view of spans");
    let everything = Projection::all(view.schema());
    let two = Projection::of(&view.schema(), &[6, 13]);
    for round in 0..3 {
        let opened =
            timed(rows, || blocks.iter().for_each(|block| drop(black_box(decode::spans(block).expect("decodes")))));
        let lay_out = |projection: &Projection| {
            for block in &blocks {
                let rows = view.open(block).expect("decodes");
                batches(rows.as_ref(), projection).for_each(|batch| drop(black_box(batch)));
            }
        };
        let all = timed(rows, || lay_out(&everything));
        let some = timed(rows, || lay_out(&two));
        println!("round {round}: opened {opened:.1}, two columns {some:.1}, all columns {all:.1} M rows/s");
    }
}

fn timed(rows: u64, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    rows as f64 / 1e6 / start.elapsed().as_secs_f64()
}
