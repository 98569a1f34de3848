//! From stored blocks to SQL, and from Parquet to SQL: by an aggregate over every column, and whole.

use crate::{
    load::Load,
    produced::{Produced, Producing},
    report::{Section, mib},
    sizes::Sizes,
};
use anyhow::ensure;
use framelake_bench::{Asking, Sample, Server};
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::{fs::File, time::Instant};

/// Spans a second of the programs that are read.
const RATE: u64 = 600_000;

/// Needs every column, and all that it computes, or the planner would leave it out.
const AGGREGATE: &str = "SELECT count(*), name, thread, target, file, sum(duration_ns), max(self_ns), sum(ordinal), max(parent), max(depth), max(line), \
     min(begin), max(\"end\"), count(*) FILTER (WHERE truncated), max(stream_id) \
     FROM thread_spans WHERE OF_PROCESS GROUP BY name, thread, target, file";
const WHOLE: &str = "SELECT * FROM thread_spans WHERE OF_PROCESS";

struct Reading {
    spans_per_second: f64,
    server_cpu_per_million: f64,
}

pub(crate) fn run(sizes: &Sizes) -> anyhow::Result<Section> {
    let mut server = Server::start()?;
    let mut programs = Vec::new();
    for _ in 0..sizes.read_programs {
        programs.push(Producing::start(&server, Load::Spans, sizes.read, RATE)?.finish()?);
    }
    let mut asking = Asking::connect(&server.flight_url())?;
    let mut bytes = 0;
    for program in &programs {
        program.await_visible(&mut asking)?;
        program.check_nothing_lost()?;
        bytes += program.bytes_stored(&mut asking)?;
    }
    let spans: u64 = programs.iter().map(Produced::visible).sum();

    server.restart()?;
    let mut asking = Asking::connect(&server.flight_url())?;
    let (aggregated, fetched) = programs.split_at(programs.len() / 2);
    let (mut aggregate, mut whole, mut through) = (Vec::new(), Vec::new(), Vec::new());
    for (programs, cold) in [(aggregated, &mut aggregate), (fetched, &mut whole)] {
        for program in programs {
            // What the query before left to be written through.
            server.await_idle()?;
            let before = server.cpu()?;
            cold.push(read(&server, &mut asking, program, std::ptr::eq(programs, aggregated))?);
            server.await_idle()?;
            through.push((server.cpu()? - before) / (program.visible() as f64 / 1e6));
        }
    }
    let memory = server.memory_peak()?;
    let (parquet_bytes, parquet_rows) = parquet(&server)?;
    ensure!(parquet_rows > 0, "nothing was written through");

    // The same queries again, now from Parquet, by a server that has nothing in its memory.
    server.restart()?;
    let mut asking = Asking::connect(&server.flight_url())?;
    let mut again = |programs: &[Produced], aggregate| {
        programs.iter().map(|program| read(&server, &mut asking, program, aggregate)).collect::<Result<Vec<_>, _>>()
    };
    let (aggregate_again, whole_again) = (again(aggregated, true)?, again(fetched, false)?);
    let memory_again = server.memory_peak()?;
    for program in &programs {
        program.check_rows(&mut asking)?;
    }

    let mut section = Section::new(
        "Reading",
        format!(
            "{} programs of {:.1} M spans each, whose leaves last 0 to some 4 µs, as real ones do. The server is started again, so that it has nothing in its \
             memory (the kernel's page cache is warm), and each program's spans are read once from their blocks: of half of the programs by an aggregate \
             over every column, of the other half whole (every row and column through our Rust client). What is read is written through as Parquet \
             meanwhile, which competes for the cores; it is waited for before the next. Then the server is started again and the same is read from \
             Parquet. Medians of {} each.",
            programs.len(),
            spans as f64 / programs.len() as f64 / 1e6,
            aggregated.len()
        ),
    );
    let spans_per_second = |readings: &[Reading]| {
        Sample::new(readings.iter().map(|reading| reading.spans_per_second / 1e6).collect()).median()
    };
    let cpu = |readings: &[Reading]| {
        Sample::new(readings.iter().map(|reading| reading.server_cpu_per_million).collect()).median()
    };
    section.more("from blocks, aggregate: spans per second", "M/s", spans_per_second(&aggregate), 0.53);
    section.more("from blocks, whole: spans per second", "M/s", spans_per_second(&whole), 0.53);
    section.figure("from blocks, aggregate: server, CPU s per million spans", "s", cpu(&aggregate));
    section.figure("from blocks, whole: server, CPU s per million spans", "s", cpu(&whole));
    section.figure("the same with writing through, CPU s per million spans", "s", Sample::new(through).median());
    section.less("from blocks: server, peak memory", "MiB", mib(memory), 1.8 * 1024.0);
    section.figure("from Parquet, aggregate: spans per second", "M/s", spans_per_second(&aggregate_again));
    section.figure("from Parquet, whole: spans per second", "M/s", spans_per_second(&whole_again));
    section.figure("from Parquet, aggregate: server, CPU s per million spans", "s", cpu(&aggregate_again));
    section.figure("from Parquet, whole: server, CPU s per million spans", "s", cpu(&whole_again));
    section.figure("from Parquet: server, peak memory", "MiB", mib(memory_again));
    section.figure("bytes per span in blocks", "B", bytes as f64 / spans as f64);
    section.less("bytes per span in Parquet", "B", parquet_bytes as f64 / parquet_rows as f64, 25.3);
    section.note(format!(
        "{:.0} % of the spans are in Parquet; tails below 1 MiB of payload stay blocks.",
        100.0 * parquet_rows as f64 / spans as f64
    ));
    Ok(section)
}

fn read(server: &Server, asking: &mut Asking, program: &Produced, aggregate: bool) -> anyhow::Result<Reading> {
    let sql = if aggregate { AGGREGATE } else { WHOLE }.replace("OF_PROCESS", &program.of_process());
    let (before, start) = (server.cpu()?, Instant::now());
    let rows = if aggregate { asking.column(&sql)?.iter().sum::<i64>().cast_unsigned() } else { asking.drain(&sql)? };
    let (seconds, server_cpu) = (start.elapsed().as_secs_f64(), server.cpu()? - before);
    ensure!(rows == program.visible(), "{rows} spans were read, {} are there", program.visible());
    Ok(Reading { spans_per_second: rows as f64 / seconds, server_cpu_per_million: server_cpu / (rows as f64 / 1e6) })
}

/// Bytes and rows of all Parquet objects.
fn parquet(server: &Server) -> anyhow::Result<(u64, u64)> {
    let (mut bytes, mut rows) = (0, 0);
    for path in server.files("parquet")? {
        bytes += std::fs::metadata(&path)?.len();
        let reader = SerializedFileReader::new(File::open(&path)?)?;
        rows += reader.metadata().file_metadata().num_rows().cast_unsigned();
    }
    Ok((bytes, rows))
}
