//! Bytes and nanoseconds per event of each kind of block, for made-up data of realistic shape.
//!
//! Spans: 100 names, call tree up to 12 deep, log-normal times between edges; about 2.1 bytes of entropy per edge.

use framelake_wire::{
    Arg, Block, BlockId, ProcessId, StreamId, StreamKind, TimeSample, decode,
    encode::{
        AsyncEncoder, CallSite, Dictionary, LogEncoder, MetricEncoder, PropertiesId, Seal, SiteId, SpanEncoder,
        ThreadId, Value,
    },
    raw::{Raw, RawBuf},
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

/// What one stream takes.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) stream: &'static str,
    pub(crate) events: usize,
    pub(crate) bytes_per_event: f64,
    pub(crate) encode_ns: f64,
    pub(crate) decode_rows_per_s: f64,
    pub(crate) check_events_per_s: f64,
    /// To those columns of the view as Arrow that differ from event to event; to all its columns. Where that was built.
    pub(crate) arrow_events_per_s: Option<f64>,
    pub(crate) arrow_rows_per_s: Option<f64>,
}

/// An encoder of one kind of stream.
trait Encoder: Default {
    fn full(&self) -> bool;
    fn sealed(&mut self, names: &Names) -> Block;
    fn rows(block: &Block) -> usize;
}

macro_rules! encoder {
    ($encoder:ty, $kind:expr, $decode:path) => {
        impl Encoder for $encoder {
            fn full(&self) -> bool {
                self.is_full()
            }
            fn sealed(&mut self, names: &Names) -> Block {
                self.seal(&seal($kind), names)
            }
            fn rows(block: &Block) -> usize {
                $decode(block).expect("a block that was just sealed").site.len()
            }
        }
    };
}

encoder!(SpanEncoder, StreamKind::SPAN, decode::spans);
encoder!(AsyncEncoder, StreamKind::ASYNC, decode::async_spans);
encoder!(LogEncoder, StreamKind::LOG, decode::logs);
encoder!(MetricEncoder, StreamKind::METRIC, decode::metrics);

/// Encodes and decodes `events` over and over; the best of the times. Blocks are sealed where they are full, and at the end.
fn measure<E: Encoder, T>(
    stream: &'static str,
    events: &[T],
    names: &Names,
    push: impl Fn(&mut E, &T),
    end: impl Fn(&mut E),
) -> Figure {
    let (mut best_encode, mut best_decode, mut best_check) = (f64::MAX, f64::MAX, f64::MAX);
    let (mut best_columns, mut best_whole) = (None::<f64>, None::<f64>);
    let least =
        |best: Option<f64>, found: Option<f64>| Some(best.map_or(found?, |best| best.min(found.unwrap_or(best))));
    let (mut bytes, mut rows) = (0, 0);
    let mut encoder = E::default();
    for _ in 0..15 {
        let mut blocks = Vec::new();
        let start = Instant::now();
        for event in events {
            push(&mut encoder, event);
            if encoder.full() {
                blocks.push(encoder.sealed(names));
            }
        }
        end(&mut encoder);
        blocks.push(encoder.sealed(names));
        best_encode = best_encode.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        rows = blocks.iter().map(E::rows).sum();
        best_decode = best_decode.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        for block in &blocks {
            decode::check(block).expect("a block that was just sealed");
        }
        best_check = best_check.min(start.elapsed().as_secs_f64());
        best_columns = least(best_columns, arrow::columns(&blocks));
        best_whole = least(best_whole, arrow::whole(&blocks));
        bytes = blocks.iter().map(|block| block.encode().len()).sum();
    }
    Figure {
        stream,
        events: events.len(),
        bytes_per_event: bytes as f64 / events.len() as f64,
        encode_ns: best_encode * 1e9 / events.len() as f64,
        decode_rows_per_s: rows as f64 / best_decode,
        check_events_per_s: events.len() as f64 / best_check,
        arrow_events_per_s: best_columns.map(|seconds| events.len() as f64 / seconds),
        arrow_rows_per_s: best_whole.map(|seconds| rows as f64 / seconds),
    }
}

/// Seconds from blocks to Arrow.
#[cfg(feature = "arrow")]
mod arrow {
    use framelake_definitions::{ALL, Projection, RowView, batches};
    use framelake_wire::Block;
    use std::{hint::black_box, time::Instant};

    fn view(block: &Block) -> &'static dyn RowView {
        *ALL.iter().find(|view| view.kind() == block.header.kind).expect("a view of each kind")
    }

    fn lay_out(blocks: &[Block], projection: &Projection) -> Option<f64> {
        let start = Instant::now();
        for block in blocks {
            let rows = view(block).open(block).expect("a block that was just sealed");
            batches(rows.as_ref(), projection).for_each(|batch| drop(black_box(batch)));
        }
        Some(start.elapsed().as_secs_f64())
    }

    pub(super) fn whole(blocks: &[Block]) -> Option<f64> {
        lay_out(blocks, &Projection::all(view(&blocks[0]).schema()))
    }

    /// What a query of one kind of event asks for: when, how long, what, how much.
    pub(super) fn columns(blocks: &[Block]) -> Option<f64> {
        const ASKED: [&str; 7] = ["begin", "end", "time", "name", "value", "level", "format"];
        let schema = view(&blocks[0]).schema();
        let asked: Vec<usize> = ASKED.iter().filter_map(|name| schema.index_of(name).ok()).collect();
        lay_out(blocks, &Projection::of(&schema, &asked))
    }
}

#[cfg(not(feature = "arrow"))]
mod arrow {
    use framelake_wire::Block;

    pub(super) fn whole(_: &[Block]) -> Option<f64> {
        None
    }

    pub(super) fn columns(_: &[Block]) -> Option<f64> {
        None
    }
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

fn spans(stream: &'static str, edges: &[Edge], names: &Names) -> Figure {
    measure(
        stream,
        edges,
        names,
        |encoder: &mut SpanEncoder, edge| match *edge {
            Edge::Begin(site, ticks) => encoder.begin(site, ticks),
            Edge::End(ticks) => encoder.end(ticks),
        },
        |encoder| {
            while encoder.depth() > 0 {
                encoder.end(1_000_000_000);
            }
        },
    )
}

/// Requests of some 40 µs that overlap, half of them within others.
fn async_spans(stream: &'static str, events: usize, random: &mut Random, names: &Names) -> Figure {
    #[derive(Clone, Copy)]
    enum What {
        Begin(u64, SiteId),
        End,
    }
    let (mut edges, mut open) = (Vec::new(), Vec::new());
    let (mut ticks, mut id) = (1_000_000, 0);
    while edges.len() < events {
        ticks += random.log_normal(1400.0, 1.0);
        if open.is_empty() || (open.len() < 40 && random.below(2) == 0) {
            let site = (random.unit() * random.unit() * f64::from(SITES)) as u32;
            let parent = if random.below(2) == 0 { 0 } else { open.last().copied().unwrap_or(0) };
            id += 1;
            open.push(id);
            edges.push((id, ticks, What::Begin(parent, SiteId(site))));
        } else {
            let ended = open.swap_remove(random.below(open.len() as u64) as usize);
            edges.push((ended, ticks, What::End));
        }
    }
    let push = |encoder: &mut AsyncEncoder, &(id, ticks, what): &(u64, u64, What)| match what {
        What::Begin(parent, site) => encoder.begin(id, parent, site, ThreadId((id % 4) as u32), ticks, Raw::default()),
        What::End => encoder.end(id, ticks),
    };
    measure(stream, &edges, names, push, |encoder| {
        // The next round begins with none open.
        for id in open.iter().copied() {
            encoder.end(id, ticks);
        }
    })
}

/// `count` times at which something happens, some microseconds apart.
fn times(count: usize, random: &mut Random) -> Vec<u64> {
    let mut ticks = 1_000_000;
    let next = |_| {
        ticks += random.log_normal(20_000.0, 1.0);
        ticks
    };
    (0..count).map(next).collect()
}

fn static_logs(stream: &'static str, lines: usize, random: &mut Random, names: &Names) -> Figure {
    let times = times(lines, random);
    let events: Vec<_> = times
        .into_iter()
        .map(|ticks| (SiteId((random.unit() * random.unit() * f64::from(SITES)) as u32), ticks))
        .collect();
    let push = |encoder: &mut LogEncoder, &(site, ticks): &_| encoder.push(site, ThreadId(0), ticks, None);
    measure(stream, &events, names, push, |_| ())
}

fn argument_logs(stream: &'static str, lines: usize, random: &mut Random, names: &Names) -> Figure {
    let times = times(lines, random);
    let events: Vec<_> = times
        .into_iter()
        .map(|ticks| {
            let (user, map, latency) = (random.below(10_000), random.below(20), random.below(5_000));
            // As of `"player {:05} joined map castle-{:02} after {:4} ms, welcome"`: 53 bytes each when printed.
            (ticks, RawBuf::of(&[user, map, latency].map(Arg::U64)))
        })
        .collect();
    let push = |encoder: &mut LogEncoder, (ticks, args): &(u64, RawBuf)| {
        encoder.push_args(SiteId(3), ThreadId(0), *ticks, args.as_raw())
    };
    measure(stream, &events, names, push, |_| ())
}

fn metrics(
    stream: &'static str,
    count: usize,
    random: &mut Random,
    names: &Names,
    mut value: impl FnMut(&mut Random) -> Value,
) -> Figure {
    let times = times(count, random);
    let events: Vec<_> = times.into_iter().map(|ticks| (ticks, value(random))).collect();
    let push =
        |encoder: &mut MetricEncoder, &(ticks, value): &_| encoder.push(SiteId(5), ThreadId(0), ticks, value, None);
    measure(stream, &events, names, push, |_| ())
}

pub(crate) const SPANS: &str = "nested thread spans, 100 names";
pub(crate) const ASYNC_SPANS: &str = "async spans";
pub(crate) const TIGHT_SPANS: &str = "thread spans, tight loop";
pub(crate) const STATIC_LOGS: &str = "static logs";
pub(crate) const ARGUMENT_LOGS: &str = "logs, 3 arguments (53-byte messages)";
pub(crate) const WALK: &str = "integer metrics, random walk";
pub(crate) const NOISE: &str = "float metrics, noise";
pub(crate) const HUNDREDTHS: &str = "float metrics, hundredths";
pub(crate) const SINGLE: &str = "float metrics, from an f32";

/// Events in a small block and in a large one; the latter is several where it would be full.
pub(crate) const SIZES: [usize; 2] = [5_000, 100_000];

/// Every stream in both sizes.
pub(crate) fn figures() -> Vec<Figure> {
    let names = Names(
        (0..SITES)
            .map(|i| {
                let module = ["physics", "render", "ai", "audio", "net"][i as usize % 5];
                [format!("{module}_step_{i}"), format!("game::{module}"), format!("game/src/{module}.rs")]
            })
            .collect(),
    );
    let (mut random, names) = (Random(42), &names);
    let mut figures = Vec::new();
    for count in SIZES {
        let random = &mut random;
        figures.push(spans(SPANS, &call_tree(count, random), names));
        figures.push(spans(TIGHT_SPANS, &tight_loop(count, random), names));
        figures.push(static_logs(STATIC_LOGS, count, random, names));
        figures.push(async_spans(ASYNC_SPANS, count, random, names));
        figures.push(argument_logs(ARGUMENT_LOGS, count, random, names));
        let mut walk = 0;
        figures.push(metrics(WALK, count, random, names, |random| {
            walk += random.below(200) as i64 - 100;
            Value::Integer(walk)
        }));
        figures.push(metrics(NOISE, count, random, names, |random| Value::Float(16.6 + random.normal())));
        figures.push(metrics(SINGLE, count, random, names, |random| {
            Value::Float(f64::from(16.6 + random.normal() as f32))
        }));
        figures.push(metrics(HUNDREDTHS, count, random, names, |random| {
            Value::Float((1660.0 + 100.0 * random.normal()).round() / 100.0)
        }));
    }
    figures
}
