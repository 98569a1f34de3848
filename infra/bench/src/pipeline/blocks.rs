//! Many small blocks: many quiet threads cost the server by the block, not by the event.

use crate::{
    report::{Section, count},
    sizes::Sizes,
};
use anyhow::ensure;
use framelake_bench::{Asking, Sample, Server};
use framelake_wire::{
    BlockId, ProcessId, StreamId, StreamKind, TimeSample, batch,
    encode::{CallSite, Dictionary, PropertiesId, Seal, SiteId, SpanEncoder, ThreadId},
};
use std::{
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

const PROCESSES: u64 = 50;
const STREAMS_PER_PROCESS: u64 = 4;
/// Five spans.
const EVENTS_PER_BLOCK: u64 = 10;
const BLOCKS_PER_REQUEST: usize = 200;
const CONNECTIONS: usize = 2;

pub(crate) fn run(sizes: &Sizes) -> anyhow::Result<Section> {
    let server = Server::start()?;
    let mut asking = Asking::connect(&server.flight_url())?;
    let (mut rates, mut cpu) = (Vec::new(), Vec::new());
    let mut visible = 0;
    for _ in 0..sizes.blocks_runs {
        let bodies = bodies(sizes.blocks)?;
        let (before, start) = (server.cpu()?, Instant::now());
        post(&server, &bodies)?;
        visible += sizes.blocks;
        asking.await_number("SELECT sum(block_count) FROM streams", visible)?;
        rates.push(sizes.blocks as f64 / start.elapsed().as_secs_f64());
        cpu.push((server.cpu()? - before) / (sizes.blocks as f64 / 1e6));
    }
    let row = asking.row("SELECT count(*), count(DISTINCT block_id), sum(row_count) FROM blocks")?;
    let rows = visible * EVENTS_PER_BLOCK / 2;
    ensure!(
        row == [visible, visible, rows].map(u64::cast_signed),
        "{visible} blocks of {rows} rows were sent: {row:?}"
    );

    let mut section = Section::new(
        "Small blocks",
        format!(
            "{} blocks of {EVENTS_PER_BLOCK} events, of {PROCESSES} processes with {STREAMS_PER_PROCESS} threads each, sent over HTTP in requests of \
             {BLOCKS_PER_REQUEST} on {CONNECTIONS} connections; until SQL sees all of them. {} run(s).",
            count(sizes.blocks),
            sizes.blocks_runs
        ),
    );
    let rates = Sample::new(rates);
    section.more("blocks per second, median", "/s", rates.median(), 2050.0);
    section.figure("the same, least", "/s", rates.min());
    section.figure("server, CPU s per million blocks", "s", Sample::new(cpu).median());
    Ok(section)
}

fn post(server: &Server, bodies: &[Vec<u8>]) -> anyhow::Result<()> {
    let url = format!("{}/v1/records", server.endpoint());
    thread::scope(|scope| {
        let connections: Vec<_> = (0..CONNECTIONS)
            .map(|connection| {
                let url = &url;
                scope.spawn(move || -> anyhow::Result<()> {
                    let agent = ureq::Agent::new_with_defaults();
                    for body in bodies.iter().skip(connection).step_by(CONNECTIONS) {
                        agent.post(url).content_type(batch::CONTENT_TYPE).send(&body[..])?.body_mut().read_to_vec()?;
                    }
                    Ok(())
                })
            })
            .collect();
        for connection in connections {
            connection.join().map_err(|_| anyhow::anyhow!("a connection panicked"))??;
        }
        Ok(())
    })
}

/// Requests with `count` blocks in all, of processes that nobody saw before.
fn bodies(count: u64) -> anyhow::Result<Vec<Vec<u8>>> {
    let anchor_ns = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as i64;
    let mut streams: Vec<(ProcessId, StreamId, SpanEncoder)> = (0..PROCESSES)
        .flat_map(|_| {
            let process_id = ProcessId::now_v7();
            (0..STREAMS_PER_PROCESS).map(move |_| (process_id, StreamId::now_v7(), SpanEncoder::new()))
        })
        .collect();
    let mut blocks = Vec::new();
    for number in 0..count {
        let sequence = number / streams.len() as u64;
        let at = (number % streams.len() as u64) as usize;
        let (process_id, stream_id, encoder) = &mut streams[at];
        blocks.push(block(*process_id, *stream_id, encoder, sequence, anchor_ns));
    }
    let body = |blocks: &[Vec<u8>]| {
        let mut body = Vec::new();
        blocks.iter().for_each(|block| batch::push(&mut body, StreamKind::SPAN.topic().name(), block));
        body
    };
    Ok(blocks.chunks(BLOCKS_PER_REQUEST).map(body).collect())
}

fn block(
    process_id: ProcessId,
    stream_id: StreamId,
    encoder: &mut SpanEncoder,
    sequence: u64,
    anchor_ns: i64,
) -> Vec<u8> {
    /// A drain a second, ticks in nanoseconds.
    const PERIOD_NS: u64 = 1_000_000_000;
    let sample =
        |ticks: u64| TimeSample { ticks, monotonic_ns: ticks.cast_signed(), wall_ns: anchor_ns + ticks.cast_signed() };
    let begin = sequence * PERIOD_NS;
    for span in 0..EVENTS_PER_BLOCK / 2 {
        encoder.begin(SiteId(span as u32 % 3), begin + span * 10_000);
        encoder.end(begin + span * 10_000 + 1_234 + sequence);
    }
    let seal = Seal {
        process_id,
        stream_id,
        kind: StreamKind::SPAN,
        thread: Some(ThreadId(0)),
        clock_domain: "tsc",
        block_id: BlockId::now_v7(),
        sequence,
        dropped_total: 0,
        anchor_ns,
        begin: sample(begin),
        end: sample(begin + PERIOD_NS),
    };
    encoder.seal(&seal, &Names).encode()
}

struct Names;

impl Dictionary for Names {
    fn site(&self, id: SiteId) -> CallSite<'_> {
        let name = ["wait", "receive", "handle"][id.0 as usize % 3];
        CallSite { name, target: "bench", file: "bench.rs", line: id.0, ..CallSite::default() }
    }

    fn properties(&self, _: PropertiesId) -> &[(String, String)] {
        &[]
    }

    fn thread(&self, _: ThreadId) -> (&str, u64) {
        ("worker", 1)
    }
}
