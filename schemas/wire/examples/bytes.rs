//! Prints bytes and nanoseconds per event of each kind of block, for made-up data of realistic shape.
//!
//! `cargo run --release -p framelake-wire --example bytes`
//!
//! Spans: 100 names, call tree up to 12 deep, log-normal times between edges; about 2.1 bytes of entropy per edge.

use framelake_wire::{
    Arg, Block, BlockId, ProcessId, StreamId, StreamKind, TimeSample, decode,
    encode::{
        Attachment, AttachmentEncoder, CallSite, Dictionary, FrameEncoder, LogEncoder, MetricEncoder, PropertiesId,
        Seal, SiteId, SpanEncoder, ThreadId, Value,
    },
    raw::RawBuf,
};
use std::time::Instant;

const SITES: u32 = 100;

struct Names(Vec<[String; 3]>);

impl Dictionary for Names {
    fn site(&self, id: SiteId) -> CallSite<'_> {
        let [name, target, file] = &self.0[id.0 as usize];
        CallSite { name, target, file, line: 10 + 7 * id.0, level: 4, unit: "ns", ..CallSite::default() }
    }
    fn properties(&self, _: PropertiesId) -> &[(String, String)] {
        &[]
    }
    fn thread(&self, id: ThreadId) -> (&str, u64) {
        ("worker", u64::from(id.0))
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
    fn log_normal(&mut self, median: f64, sigma: f64) -> u64 {
        (median * (sigma * self.normal()).exp()) as u64
    }
}

fn seal(kind: StreamKind) -> Seal<'static> {
    Seal {
        process_id: ProcessId::from_bytes([1; 16]),
        stream_id: StreamId::from_bytes([2; 16]),
        kind,
        thread: None,
        clock_domain: "tsc",
        block_id: BlockId::from_bytes([3; 16]),
        sequence: 0,
        dropped_total: 0,
        anchor_ns: 0,
        begin: TimeSample { ticks: 1_000_000, monotonic_ns: 0, wall_ns: 0 },
        end: TimeSample { ticks: 2_301_000_000, monotonic_ns: 1_000_000_000, wall_ns: 0 },
    }
}

/// Encodes and decodes `events` events over and over; prints the best of the times.
fn measure<E>(
    name: &str,
    events: usize,
    mut encoder: E,
    mut fill: impl FnMut(&mut E),
    seal: impl Fn(&mut E) -> Block,
    decode: impl Fn(&Block) -> usize,
) {
    let (mut best_encode, mut best_decode, mut best_check) = (f64::MAX, f64::MAX, f64::MAX);
    let (mut block, mut rows) = (None, 0);
    for _ in 0..15 {
        let start = Instant::now();
        fill(&mut encoder);
        let sealed = seal(&mut encoder);
        best_encode = best_encode.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        rows = decode(&sealed);
        best_decode = best_decode.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        decode::check(&sealed).unwrap();
        best_check = best_check.min(start.elapsed().as_secs_f64());
        block = Some(sealed);
    }
    let bytes = block.unwrap().encode().len();
    println!(
        "{name:<34} {events:>7} {:>8.3} B/event  encode {:>6.1} ns/event  decode {:>6.1} M rows/s  check {:>6.1} M events/s",
        bytes as f64 / events as f64,
        best_encode * 1e9 / events as f64,
        rows as f64 / best_decode / 1e6,
        events as f64 / best_check / 1e6,
    );
}

#[derive(Clone, Copy)]
enum Edge {
    Begin(SiteId, u64),
    End(u64),
}

fn call_tree(edges: usize, random: &mut Random) -> Vec<Edge> {
    let mut out = Vec::new();
    let (mut depth, mut ticks) = (0, 1_000_000);
    while out.len() < edges {
        ticks += random.log_normal(1400.0, 1.0);
        if depth == 0 || (depth < 12 && random.below(2) == 0) {
            // Few names have most of the spans.
            let site = (random.unit() * random.unit() * f64::from(SITES)) as u32;
            out.push(Edge::Begin(SiteId(site), ticks));
            depth += 1;
        } else {
            out.push(Edge::End(ticks));
            depth -= 1;
        }
    }
    out
}

fn tight_loop(edges: usize, random: &mut Random) -> Vec<Edge> {
    let mut ticks = 1_000_000;
    (0..edges / 2)
        .flat_map(|_| {
            let begin = ticks;
            ticks += 23 + random.below(4);
            let end = ticks;
            ticks += 23 + random.below(4);
            [Edge::Begin(SiteId(0), begin), Edge::End(end)]
        })
        .collect()
}

fn spans(name: &str, edges: &[Edge], names: &Names) {
    measure(
        name,
        edges.len(),
        SpanEncoder::new(),
        |encoder| {
            for &edge in edges {
                match edge {
                    Edge::Begin(site, ticks) => encoder.begin(site, ticks),
                    Edge::End(ticks) => encoder.end(ticks),
                }
                assert!(!encoder.is_full());
            }
            while encoder.depth() > 0 {
                encoder.end(1_000_000_000);
            }
        },
        |encoder| encoder.seal(&seal(StreamKind::SPAN), names),
        |block| decode::spans(block).unwrap().site.len(),
    );
}

/// Makes one value after the other.
type Shape = Box<dyn FnMut(&mut Random) -> Value>;

fn main() {
    let names = Names(
        (0..SITES)
            .map(|i| {
                let module = ["physics", "render", "ai", "audio", "net"][i as usize % 5];
                [format!("{module}_step_{i}"), format!("game::{module}"), format!("game/src/{module}.rs")]
            })
            .collect(),
    );
    let mut random = Random(42);
    for edges in [5_000, 20_000, 100_000] {
        spans("span edge", &call_tree(edges, &mut random), &names);
    }
    for edges in [20_000, 100_000] {
        spans("span edge, tight loop", &tight_loop(edges, &mut random), &names);
    }

    for lines in [5_000, 50_000] {
        let events: Vec<_> = (0..lines)
            .scan(1_000_000, |ticks, _| {
                *ticks += random.log_normal(20_000.0, 1.0);
                Some((SiteId((random.unit() * random.unit() * 100.0) as u32), *ticks))
            })
            .collect();
        measure(
            "static log line",
            lines,
            LogEncoder::new(),
            |encoder| {
                for &(site, ticks) in &events {
                    encoder.push(site, ThreadId(0), ticks, None);
                    assert!(!encoder.is_full());
                }
            },
            |encoder| encoder.seal(&seal(StreamKind::LOG), &names),
            |block| decode::logs(block).unwrap().site.len(),
        );
    }
    for lines in [5_000, 15_000] {
        let events: Vec<_> = (0..lines)
            .scan(1_000_000, |ticks, _| {
                *ticks += random.log_normal(20_000.0, 1.0);
                // As of `"player {:05} joined map castle-{:02} after {:4} ms, welcome"`: 53 bytes each when printed.
                let args = [random.below(10_000), random.below(20), random.below(5_000)].map(Arg::U64);
                Some((SiteId(3), *ticks, RawBuf::of(&args)))
            })
            .collect();
        measure(
            "log line, 3 arguments",
            lines,
            LogEncoder::new(),
            |encoder| {
                for (site, ticks, args) in &events {
                    encoder.push_args(*site, ThreadId(0), *ticks, args.as_raw());
                    assert!(!encoder.is_full());
                }
            },
            |encoder| encoder.seal(&seal(StreamKind::LOG), &names),
            |block| decode::logs(block).unwrap().site.len(),
        );
    }

    let mut shapes: Vec<(&str, Shape)> = Vec::new();
    let mut walk = 0;
    shapes.push((
        "integer metric, random walk",
        Box::new(move |random| {
            walk += random.below(200) as i64 - 100;
            Value::Integer(walk)
        }),
    ));
    shapes.push(("float metric, noise", Box::new(|random| Value::Float(16.6 + random.normal()))));
    shapes
        .push(("float metric, from an f32", Box::new(|random| Value::Float(f64::from(16.6 + random.normal() as f32)))));
    shapes.push((
        "float metric, hundredths",
        Box::new(|random| Value::Float((1660.0 + 100.0 * random.normal()).round() / 100.0)),
    ));
    for (name, mut value) in shapes {
        for count in [5_000, 30_000] {
            let events: Vec<_> = (0..count)
                .scan(1_000_000, |ticks, _| {
                    *ticks += random.log_normal(20_000.0, 1.0);
                    Some((*ticks, value(&mut random)))
                })
                .collect();
            measure(
                name,
                count,
                MetricEncoder::new(),
                |encoder| {
                    for &(ticks, value) in &events {
                        encoder.push(SiteId(5), ThreadId(0), ticks, value, None);
                        assert!(!encoder.is_full());
                    }
                },
                |encoder| encoder.seal(&seal(StreamKind::METRIC), &names),
                |block| decode::metrics(block).unwrap().site.len(),
            );
        }
    }
    let marks: Vec<u64> = (0..60)
        .scan(0, |ticks, _| {
            *ticks += 38_000_000 + random.below(1_000_000);
            Some(*ticks)
        })
        .collect();
    measure(
        "frame mark",
        marks.len(),
        FrameEncoder::new(),
        |encoder| marks.iter().for_each(|&ticks| encoder.mark(ticks)),
        |encoder| encoder.seal(&seal(StreamKind::FRAME), &names),
        |block| decode::frames(block).unwrap().ordinal.len(),
    );
    // As a picture is, which zstd makes nothing of; a block holds one such part.
    let picture: Vec<u8> = (0..512 * 1024).map(|_| random.next() as u8).collect();
    measure(
        "512 KiB of an attachment",
        1,
        AttachmentEncoder::new(),
        |encoder| {
            let attachment = Attachment { number: 0, name: Some("shot.png"), media_type: "image/png", bytes: &picture };
            encoder.push(SiteId(5), ThreadId(0), 1_000_000, &attachment, 0);
        },
        |encoder| encoder.seal(&seal(StreamKind::ATTACHMENT), &names),
        |block| decode::attachments(block).unwrap().ordinal.len(),
    );
}
