//! What runs, how far it is, and what is missing: `/status` as JSON, and `framelake status` for people.

use crate::{
    config::{CatalogUrl, Config, LogUrl, ObjectsUrl},
    roles::Role,
    server_http,
    stores::Stores,
};
use anyhow::Context;
use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use framelake_lake::Lake;
use framelake_log::EventLog;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// Where the numbers come from.
pub(crate) struct Sources {
    log: Arc<dyn EventLog>,
    lake: Lake,
    stores: BTreeMap<String, String>,
    roles: Vec<String>,
    started: Instant,
    pub(crate) gateway: Option<framelake_gateway::Stats>,
    pub(crate) writer: Option<framelake_writer::Stats>,
}

/// All of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pid: u32,
    version: String,
    roles: Vec<String>,
    uptime_seconds: u64,
    stores: BTreeMap<String, String>,
    /// Offsets of each partition that holds anything.
    partitions: Vec<Partition>,
    /// Records of the log that are not in the lake yet.
    lag_records: u64,
    log_bytes: Option<u64>,
    lake: LakeSums,
    /// Positions of the log that never reached the lake, the newest first.
    log_gaps: Vec<String>,
    /// Records that could not be taken in, the newest first.
    dead_letters: Vec<String>,
    gateway: Option<serde_json::Value>,
    writer: Option<WriterSums>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Partition {
    topic: String,
    partition: u32,
    earliest: i64,
    next: i64,
    committed: Option<i64>,
    lag: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct LakeSums {
    processes: u64,
    streams: u64,
    blocks: u64,
    events: u64,
    segments: u64,
    segment_bytes: u64,
    view_partitions: u64,
    view_bytes: u64,
    duplicate_blocks: u64,
    missing_blocks: u64,
    dropped_events: u64,
    dead_letters: u64,
    outbox: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct WriterSums {
    records: u64,
    bytes: u64,
    segments: u64,
    superseded: u64,
    retries: u64,
    last_commit_ns: i64,
}

/// Entries of gaps and dead letters that are listed; SQL has them all.
const LISTED: u64 = 10;

impl Sources {
    pub(crate) fn new(log: Arc<dyn EventLog>, lake: Lake, config: &Config, roles: &[Role]) -> Self {
        let mut stores = BTreeMap::new();
        let log_name = match &config.log {
            LogUrl::Embedded => config.data_dir.join("log.sqlite").display().to_string(),
            LogUrl::Kafka { brokers } => format!("kafka://{brokers}"),
        };
        let catalog_name = match &config.catalog {
            CatalogUrl::Embedded => config.data_dir.join("catalog.sqlite").display().to_string(),
            // The URL may hold a password.
            CatalogUrl::Postgres { .. } => "postgres".to_owned(),
        };
        let objects_name = match &config.objects {
            ObjectsUrl::Embedded => config.data_dir.join("objects").display().to_string(),
            ObjectsUrl::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
        };
        stores.insert("log".to_owned(), log_name);
        stores.insert("catalog".to_owned(), catalog_name);
        stores.insert("objects".to_owned(), objects_name);
        let roles = roles.iter().map(|role| role.name().to_owned()).collect();
        Self { log, lake, stores, roles, started: Instant::now(), gateway: None, writer: None }
    }

    pub(crate) async fn report(&self) -> anyhow::Result<Report> {
        let catalog = self.lake.catalog();
        let lags = framelake_writer::lag(self.log.as_ref(), catalog.as_ref()).await?;
        let sums = catalog.status().await?;
        let partitions: Vec<Partition> = lags
            .iter()
            .filter(|lag| lag.bounds.next.0 > 0)
            .map(|lag| Partition {
                topic: lag.topic_partition.topic.name().to_owned(),
                partition: lag.topic_partition.partition,
                earliest: lag.bounds.earliest.0,
                next: lag.bounds.next.0,
                committed: lag.committed.map(|offset| offset.0),
                lag: lag.offsets(),
            })
            .collect();
        let gaps = catalog.gaps(LISTED).await?;
        let dead = catalog.dead_letters(LISTED).await?;
        Ok(Report {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            roles: self.roles.clone(),
            uptime_seconds: self.started.elapsed().as_secs(),
            stores: self.stores.clone(),
            lag_records: partitions.iter().map(|partition| partition.lag).sum(),
            partitions,
            log_bytes: self.log.disk_bytes().await?,
            lake: LakeSums {
                processes: sums.processes,
                streams: sums.streams,
                blocks: sums.blocks,
                events: sums.events,
                segments: sums.segments,
                segment_bytes: sums.segment_bytes,
                view_partitions: sums.view_partitions,
                view_bytes: sums.view_bytes,
                duplicate_blocks: sums.duplicate_blocks,
                missing_blocks: sums.missing_blocks,
                dropped_events: sums.dropped_events,
                dead_letters: sums.dead_letters,
                outbox: sums.outbox,
            },
            log_gaps: gaps.iter().map(|gap| format!("{} to {}: {}", gap.from, gap.to, gap.reason)).collect(),
            dead_letters: dead.iter().map(|letter| format!("{}: {}", letter.position, letter.reason)).collect(),
            gateway: self.gateway.as_ref().map(|stats| serde_json::to_value(stats.snapshot())).transpose()?,
            writer: self.writer.as_ref().map(|stats| {
                let sums = stats.snapshot();
                WriterSums {
                    records: sums.records,
                    bytes: sums.bytes,
                    segments: sums.segments,
                    superseded: sums.superseded,
                    retries: sums.retries,
                    last_commit_ns: sums.last_commit_ns,
                }
            }),
        })
    }
}

/// Records of the log that are not in the lake.
pub(crate) async fn lag(log: &dyn EventLog, lake: &Lake) -> anyhow::Result<u64> {
    let lags = framelake_writer::lag(log, lake.catalog().as_ref()).await?;
    Ok(lags.iter().map(framelake_writer::Lag::offsets).sum())
}

/// `/status`, beside the gateway's routes where that role runs; otherwise `/health` for whoever watches the process.
pub(crate) fn router(sources: Arc<Sources>, gateway: Option<Router>) -> Router {
    let status = Router::new().route("/status", get(answer)).with_state(sources);
    match gateway {
        Some(gateway) => gateway.merge(status),
        None => status.route("/health", get(|| async { "alive\n" })),
    }
}

async fn answer(State(sources): State<Arc<Sources>>) -> (StatusCode, Json<serde_json::Value>) {
    match sources.report().await.and_then(|report| Ok(serde_json::to_value(report)?)) {
        Ok(report) => (StatusCode::OK, Json(report)),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, Json(serde_json::json!({ "error": format!("{error:#}") }))),
    }
}

/// `framelake status`: of the running server, or of the stores when none runs.
pub(crate) async fn status(config: &Config, json: bool) -> anyhow::Result<()> {
    let (runs, report) = match server_http::address(config).await {
        Some(address) => (true, ask(&format!("http://{address}/status")).await?),
        None => (false, of_stores(config).await?),
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", shown(&report, runs));
    }
    Ok(())
}

async fn ask(url: &str) -> anyhow::Result<Report> {
    let body = server_http::get(url).await?.body;
    serde_json::from_str(&body).with_context(|| format!("{url} answered {body}"))
}

async fn of_stores(config: &Config) -> anyhow::Result<Report> {
    let stores = Stores::open(config).await?;
    let report = Sources::new(stores.log.clone(), stores.lake.clone(), config, &[]).report().await;
    stores.close().await;
    report
}

fn shown(report: &Report, runs: bool) -> String {
    let mut lines = Vec::new();
    if runs {
        let (pid, uptime) = (report.pid, Duration::from_secs(report.uptime_seconds));
        lines.push(format!(
            "running     pid {pid}, {}, for {}",
            report.roles.join(" + "),
            humantime::format_duration(uptime)
        ));
    } else {
        lines.push("running     nothing; this is what the stores hold".to_owned());
    }
    for (store, place) in &report.stores {
        lines.push(format!("{store:<12}{place}"));
    }
    let lake = &report.lake;
    lines.push(format!(
        "lake        {} processes, {} streams, {} blocks, {} events",
        lake.processes, lake.streams, lake.blocks, lake.events
    ));
    lines.push(format!(
        "sizes       {} in {} segments, {} in {} view partitions, log {}",
        size(lake.segment_bytes),
        lake.segments,
        size(lake.view_bytes),
        lake.view_partitions,
        report.log_bytes.map_or("elsewhere".to_owned(), size)
    ));
    lines.push(format!("lag         {} records of the log are not in the lake", report.lag_records));
    for partition in &report.partitions {
        lines.push(format!(
            "  {:<22}{:>3}  log {} to {}, lake at {}{}",
            partition.topic,
            partition.partition,
            partition.earliest,
            partition.next,
            partition.committed.map_or("nothing".to_owned(), |offset| offset.to_string()),
            if partition.lag > 0 { format!(", {} behind", partition.lag) } else { String::new() }
        ));
    }
    lines.push(format!(
        "missing     {} blocks, {} events dropped by programs, {} gaps in the log, {} dead letters",
        lake.missing_blocks,
        lake.dropped_events,
        report.log_gaps.len(),
        lake.dead_letters
    ));
    lines.extend(report.log_gaps.iter().map(|gap| format!("            gap {gap}")));
    lines.extend(report.dead_letters.iter().map(|letter| format!("            dead letter {letter}")));
    lines.push(format!("again       {} blocks came twice and count once", lake.duplicate_blocks));
    lines.join("\n") + "\n"
}

/// A size for people.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_shown_as_people_read_them() {
        assert_eq!(super::size(512), "512 B");
        assert_eq!(super::size(16 << 20), "16.0 MiB");
    }
}
