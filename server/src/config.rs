//! Configuration: one table of settings, read from flags, the environment and a TOML file under the same names.
//!
//! The setting `writer.segment_age_max` is the flag `--writer-segment-age-max`, the variable `FRAMELAKE_WRITER_SEGMENT_AGE_MAX` and, in the file,
//! `segment_age_max` under `[writer]`. A flag wins over the variable, the variable over the file, the file over the default.

mod settings;
pub(crate) mod units;

pub(crate) use settings::{SETTINGS, Setting};

use anyhow::{Context, bail};
use clap::ArgMatches;
use framelake_gateway::TEXT_BYTES_MAX;
use framelake_query::OnCorrupt;
use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(name) => write!(f, "${name}"),
            Origin::Flag => f.write_str("flag"),
        }
    }
}

/// Every setting's text and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Values(BTreeMap<&'static str, (String, Origin)>);

impl Values {
    /// Resolves the settings from the flags given, the environment and the file that `--config` or `FRAMELAKE_CONFIG` names.
    pub(crate) fn resolve(matches: &ArgMatches) -> anyhow::Result<Self> {
        let file = matches
            .get_one::<String>("config")
            .cloned()
            .or_else(|| std::env::var("FRAMELAKE_CONFIG").ok().filter(|path| !path.is_empty()))
            .map(PathBuf::from);
        let from_file = file.as_deref().map(read_file).transpose()?.unwrap_or_default();
        let flag = |key: &str| matches.try_get_one::<String>(key).ok().flatten().cloned();
        Ok(Self::merge(file.as_deref(), &from_file, flag, |name| std::env::var(name).ok()))
    }

    fn merge(
        file: Option<&Path>,
        from_file: &BTreeMap<String, String>,
        flag: impl Fn(&str) -> Option<String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let value = |setting: &Setting| {
            if let Some(text) = flag(setting.key) {
                return (text, Origin::Flag);
            }
            if let Some(text) = environment(&setting.variable()) {
                return (text, Origin::Environment(setting.variable()));
            }
            if let (Some(text), Some(path)) = (from_file.get(setting.key), file) {
                return (text.clone(), Origin::File(path.to_owned()));
            }
            (setting.default.to_owned(), Origin::Default)
        };
        Self(SETTINGS.iter().map(|setting| (setting.key, value(setting))).collect())
    }

    /// Setting, text and origin, in the order of the table. Secrets are not shown.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&'static Setting, &str, &Origin)> {
        SETTINGS.iter().map(|setting| {
            let (text, origin) = &self.0[setting.key];
            let text = if setting.secret && !text.is_empty() { "(set)" } else { text.as_str() };
            (setting, text, origin)
        })
    }

    fn text(&self, key: &str) -> &str {
        &self.0[key].0
    }

    fn parse<T>(&self, key: &str, parse: impl FnOnce(&str) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let (text, origin) = &self.0[key];
        parse(text).with_context(|| format!("setting {key} = {text:?} (from {origin})"))
    }
}

fn read_file(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
    let table: toml::Table = text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
    let mut found = BTreeMap::new();
    flatten("", &toml::Value::Table(table), &mut found);
    for key in found.keys() {
        if !SETTINGS.iter().any(|setting| setting.key == key) {
            bail!("{} has an unknown key {key}; `framelake config` lists the known ones", path.display());
        }
    }
    Ok(found)
}

fn flatten(prefix: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, value, into);
            }
        }
        toml::Value::String(text) => {
            into.insert(prefix.to_owned(), text.clone());
        }
        other => {
            into.insert(prefix.to_owned(), other.to_string());
        }
    }
}

/// Where the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogUrl {
    Embedded,
    Kafka { brokers: String },
}

/// Where the catalog is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CatalogUrl {
    Embedded,
    Postgres { url: String },
}

/// Where the objects are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ObjectsUrl {
    Embedded,
    S3 { bucket: String, prefix: String },
}

/// The configuration in force.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) http_listen: SocketAddr,
    pub(crate) flight_listen: SocketAddr,
    pub(crate) listen_without_authentication: bool,
    pub(crate) gateway_control: String,
    pub(crate) log: LogUrl,
    pub(crate) log_partitions: u32,
    pub(crate) log_create_topics: bool,
    pub(crate) log_keep_bytes: u64,
    pub(crate) log_keep_age: Duration,
    pub(crate) catalog: CatalogUrl,
    pub(crate) objects: ObjectsUrl,
    pub(crate) objects_endpoint: String,
    pub(crate) objects_region: String,
    pub(crate) objects_access_key_id: String,
    pub(crate) objects_secret_access_key: String,
    pub(crate) writer_group: String,
    pub(crate) writer_member: String,
    pub(crate) writer_segment_bytes_max: u64,
    pub(crate) writer_segment_age_max: Duration,
    pub(crate) query_memory_max: u64,
    pub(crate) query_timeout: Duration,
    pub(crate) query_on_corrupt: OnCorrupt,
    pub(crate) query_threads: usize,
    pub(crate) maintain_data_bytes_max: u64,
}

impl Config {
    /// Checks every value.
    ///
    /// # Errors
    /// Names the setting, its value, where it came from and what is wrong with it.
    pub(crate) fn new(values: &Values) -> anyhow::Result<Self> {
        let log = values.parse("log.url", log_url)?;
        let distributed = log != LogUrl::Embedded;
        let config = Self {
            data_dir: PathBuf::from(values.text("data_dir")),
            http_listen: values.parse("http_listen", address)?,
            flight_listen: values.parse("flight_listen", address)?,
            listen_without_authentication: values.parse("listen_without_authentication", boolean)?,
            gateway_control: values.parse("gateway.control", |text| filter(text).map(|()| text.to_owned()))?,
            log,
            log_partitions: values.parse("log.partitions", |text| number_within(text, 1, 1024))? as u32,
            log_create_topics: values.parse("log.create_topics", boolean)?,
            log_keep_bytes: values.parse("log.keep_bytes", units::bytes)?,
            log_keep_age: values.parse("log.keep_age", units::duration)?,
            catalog: values.parse("catalog.url", catalog_url)?,
            objects: values.parse("objects.url", objects_url)?,
            objects_endpoint: values.text("objects.endpoint").to_owned(),
            objects_region: values.text("objects.region").to_owned(),
            objects_access_key_id: values.text("objects.access_key_id").to_owned(),
            objects_secret_access_key: values.text("objects.secret_access_key").to_owned(),
            writer_group: values.text("writer.group").to_owned(),
            writer_member: match values.text("writer.member") {
                "" => hostname(),
                member => member.to_owned(),
            },
            writer_segment_bytes_max: values.parse("writer.segment_bytes_max", units::bytes)?,
            writer_segment_age_max: values.parse("writer.segment_age_max", |text| match text {
                "auto" if distributed => Ok(Duration::from_secs(1)),
                "auto" => Ok(Duration::from_millis(250)),
                text => units::duration(text),
            })?,
            query_memory_max: values.parse("query.memory_max", units::bytes)?,
            query_timeout: values.parse("query.timeout", units::duration)?,
            query_on_corrupt: values
                .parse("query.on_corrupt", |text| text.parse().map_err(|reason: String| anyhow::anyhow!(reason)))?,
            query_threads: values.parse("query.threads", |text| match text {
                "auto" => Ok(std::thread::available_parallelism().map_or(2, std::num::NonZero::get)),
                text => number_within(text, 1, 1024).map(|threads| threads as usize),
            })?,
            maintain_data_bytes_max: values.parse("maintain.data_bytes_max", units::bytes)?,
        };
        if config.log == LogUrl::Embedded && config.maintain_data_bytes_max <= config.log_keep_bytes {
            bail!(
                "maintain.data_bytes_max = {} leaves nothing for the lake beside log.keep_bytes = {}; raise the first or lower the second",
                config.maintain_data_bytes_max,
                config.log_keep_bytes
            );
        }
        config.check_listen("http_listen", config.http_listen)?;
        config.check_listen("flight_listen", config.flight_listen)?;
        Ok(config)
    }

    /// Whether anything of it lives in the data directory.
    pub(crate) fn uses_data_dir(&self) -> bool {
        self.log == LogUrl::Embedded || self.catalog == CatalogUrl::Embedded || self.objects == ObjectsUrl::Embedded
    }

    fn check_listen(&self, key: &str, address: SocketAddr) -> anyhow::Result<()> {
        if address.ip().is_loopback() || self.listen_without_authentication {
            return Ok(());
        }
        bail!(
            "{key} = {address} would let anyone who can reach this machine read and write everything: there is no authentication yet. \
             Listen on 127.0.0.1, or say --listen-without-authentication if the network around it is trusted"
        )
    }
}

/// Checks that programs will understand `text`.
///
/// # Errors
/// Which rule they will not, or that it is too long.
pub(crate) fn filter(text: &str) -> anyhow::Result<()> {
    if text.len() > TEXT_BYTES_MAX {
        bail!("{} bytes are over the limit of {TEXT_BYTES_MAX}; name shorter targets", text.len());
    }
    let _ = framelake::Builder::new().filter(text)?;
    Ok(())
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "worker".to_owned())
}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    text.parse().context("expected an address and port such as 127.0.0.1:8650")
}

fn boolean(text: &str) -> anyhow::Result<bool> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => bail!("expected true or false"),
    }
}

fn number_within(text: &str, least: u64, most: u64) -> anyhow::Result<u64> {
    let number: u64 = text.parse().context("expected a whole number")?;
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    bail!("expected {least} to {most}")
}

fn log_url(text: &str) -> anyhow::Result<LogUrl> {
    match text.strip_prefix("kafka://") {
        Some(brokers) if !brokers.is_empty() => Ok(LogUrl::Kafka { brokers: brokers.to_owned() }),
        _ if text == "embedded" => Ok(LogUrl::Embedded),
        _ => bail!("expected `embedded` or kafka://HOST:PORT[,HOST:PORT…]"),
    }
}

fn catalog_url(text: &str) -> anyhow::Result<CatalogUrl> {
    if text == "embedded" {
        return Ok(CatalogUrl::Embedded);
    }
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Ok(CatalogUrl::Postgres { url: text.to_owned() });
    }
    bail!("expected `embedded` or postgres://USER@HOST:PORT/DATABASE")
}

fn objects_url(text: &str) -> anyhow::Result<ObjectsUrl> {
    if text == "embedded" {
        return Ok(ObjectsUrl::Embedded);
    }
    match text.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
        Some((bucket, prefix)) if !bucket.is_empty() => {
            Ok(ObjectsUrl::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
        }
        _ => bail!("expected `embedded` or s3://BUCKET[/PREFIX]"),
    }
}

#[cfg(test)]
mod tests;
