//! Prints how many appends a second the embedded log takes: `cargo run --release -p framelake-log --example appends -- DIRECTORY`.

use bytes::Bytes;
use framelake_log::{Embedded, EmbeddedOptions, EventLog, NewRecord, Offset, ReadLimits, TopicPartition};
use framelake_wire::Topic;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    for (appenders, bytes, seconds) in [(1, 1024, 3), (100, 1024, 3), (1, 64 * 1024, 3), (32, 64 * 1024, 3)] {
        let path = directory.join(format!("appends-{}-{appenders}-{bytes}.db", std::process::id()));
        let log = Embedded::open(EmbeddedOptions::new(&path)).await?;
        measure(&log, appenders, bytes, Duration::from_secs(seconds)).await?;
        log.close().await;
        for suffix in ["", ".lock"] {
            std::fs::remove_file(format!("{}{suffix}", path.display()))?;
        }
    }
    Ok(())
}

async fn measure(log: &Embedded, appenders: u32, bytes: usize, time: Duration) -> framelake_log::Result<()> {
    let value = Bytes::from((0..bytes).map(|i| (i * 31 % 251) as u8).collect::<Vec<_>>());
    let started = Instant::now();
    let tasks: Vec<_> = (0..appenders)
        .map(|appender| {
            let (log, value) = (log.clone(), value.clone());
            tokio::spawn(async move {
                let mut appends = 0_u64;
                while started.elapsed() < time {
                    let key = Bytes::from(appender.to_string());
                    let record = NewRecord { topic: Topic::Spans, key, value: value.clone(), headers: vec![] };
                    log.append(vec![record]).await?;
                    appends += 1;
                }
                Ok::<_, framelake_log::Error>(appends)
            })
        })
        .collect();
    let mut appends = 0;
    for task in tasks {
        appends += task.await.expect("no panic")?;
    }
    let written = appends as f64 / started.elapsed().as_secs_f64();

    let started = Instant::now();
    let mut read = 0_usize;
    for partition in 0..12 {
        let at = TopicPartition { topic: Topic::Spans, partition };
        let end = log.bounds(at).await?.next;
        let mut from = Offset(0);
        while from < end {
            let batch = log.read(at, from, ReadLimits { bytes_max: 4 << 20, wait_max: Duration::ZERO }).await?;
            read += batch.records.len();
            from = batch.next;
        }
    }
    let reads = read as f64 / started.elapsed().as_secs_f64();
    let mb = |per_second: f64| per_second * bytes as f64 / 1e6;
    println!(
        "{appenders:>4} appenders of {bytes:>6} B: {written:>8.0} appends/s ({:>6.1} MB/s), read back {reads:>9.0}/s ({:>7.1} MB/s)",
        mb(written),
        mb(reads)
    );
    Ok(())
}
