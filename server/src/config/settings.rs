//! The table of settings. `framelake config` prints it, flags and variables are made from it.

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name in the file, sections by dots.
    pub(crate) key: &'static str,
    /// What holds when nobody says otherwise.
    pub(crate) default: &'static str,
    /// What kind of value it takes, for help texts.
    pub(crate) value_name: &'static str,
    /// What it is and why the default is what it is.
    pub(crate) help: &'static str,
    /// Never printed.
    pub(crate) secret: bool,
}

impl Setting {
    /// The flag, without the two dashes.
    pub(crate) fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    /// The environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("FRAMELAKE_{}", self.key.replace('.', "_").to_uppercase())
    }
}

const fn setting(key: &'static str, default: &'static str, value_name: &'static str, help: &'static str) -> Setting {
    Setting { key, default, value_name, help, secret: false }
}

const fn secret(key: &'static str, help: &'static str) -> Setting {
    Setting { key, default: "", value_name: "TEXT", help, secret: true }
}

/// Every setting, in the order in which data flows.
pub(crate) const SETTINGS: &[Setting] = &[
    setting(
        "data_dir",
        "./framelake-data",
        "DIR",
        "Directory of the embedded log, catalog and objects; belongs to one process",
    ),
    setting("http_listen", "127.0.0.1:8650", "ADDRESS", "Where the gateway listens: POST /v1/records, /health, /ready"),
    setting("flight_listen", "127.0.0.1:8651", "ADDRESS", "Where FlightSQL listens"),
    setting(
        "listen_without_authentication",
        "false",
        "BOOL",
        "Allow addresses beyond loopback although everyone who reaches them may read and write everything",
    ),
    setting(
        "gateway.control",
        "",
        "FILTER",
        "What programs are told to record where `framelake control` says nothing, such as info,spans:physics=off; empty leaves it to them",
    ),
    setting("log.url", "embedded", "URL", "The log: `embedded` or kafka://HOST:PORT[,HOST:PORT…]"),
    setting("log.partitions", "12", "COUNT", "Partitions of topics that are made; 12 let 12 writers share the work"),
    setting("log.create_topics", "true", "BOOL", "Make missing topics in Kafka"),
    setting("log.keep_bytes", "1GiB", "BYTES", "What the embedded log keeps beyond what is not yet in the lake"),
    setting("log.keep_age", "1h", "DURATION", "How long the embedded log keeps what is in the lake"),
    setting("catalog.url", "embedded", "URL", "The catalog: `embedded` (SQLite) or postgres://USER@HOST:PORT/DATABASE"),
    setting("objects.url", "embedded", "URL", "Object storage: `embedded` (a directory) or s3://BUCKET[/PREFIX]"),
    setting("objects.endpoint", "", "URL", "Address of an S3 server that is not AWS"),
    setting("objects.region", "us-east-1", "NAME", "Region of the bucket"),
    secret("objects.access_key_id", "Key of the bucket; empty takes AWS's usual sources"),
    secret("objects.secret_access_key", "Secret of the key"),
    setting("writer.group", "framelake-writer", "NAME", "Consumer group of the sink workers"),
    setting(
        "writer.member",
        "",
        "NAME",
        "This worker's name in the group, the same after a restart; empty is the host name",
    ),
    setting("writer.segment_bytes_max", "16MiB", "BYTES", "A segment is cut at this size"),
    setting(
        "writer.segment_age_max",
        "auto",
        "DURATION",
        "A segment is cut when its oldest record is this old; auto is 250ms embedded, 1s with Kafka (object requests cost money)",
    ),
    setting(
        "query.memory_max",
        "2GiB",
        "BYTES",
        "Memory of all running queries, of which one may take half; what does not fit is spilled to the data directory or refused",
    ),
    setting("query.timeout", "5m", "DURATION", "How long one query may run"),
    setting(
        "query.on_corrupt",
        "skip",
        "skip|error",
        "What a block that cannot be decoded does to a query: the rest is answered and decode_errors lists it, or the query fails; a client asks for either with the header x-framelake-on-corrupt",
    ),
    setting("query.threads", "auto", "COUNT", "Threads that plan and run queries; auto is one per core"),
    setting(
        "maintain.data_bytes_max",
        "20GiB",
        "BYTES",
        "Cap on the data directory; beyond it the oldest raw spans expire first",
    ),
];
