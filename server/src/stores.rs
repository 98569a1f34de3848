//! The stores that the configuration names: log, catalog, objects.

use crate::{
    config::{CatalogUrl, Config, LogUrl, ObjectsUrl},
    data_dir::DataDir,
};
use anyhow::Context;
use framelake_lake::{Catalog, DurableLocal, Lake, PostgresCatalog, SqliteCatalog};
use framelake_log::{Embedded, EmbeddedOptions, EventLog};
use object_store::{ObjectStore, aws::AmazonS3Builder, prefix::PrefixStore};
use std::{path::Path, sync::Arc};

/// Log and lake, and the lock on the data directory where any of it lives there.
#[derive(Debug)]
pub(crate) struct Stores {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) lake: Lake,
    pub(crate) data_dir: Option<DataDir>,
    embedded_log: Option<Arc<Embedded>>,
}

impl Stores {
    /// Opens all three.
    ///
    /// # Errors
    /// The data directory is in use or not writable; a server does not answer. The message says which and what to do.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let data_dir = config.uses_data_dir().then(|| DataDir::hold(&config.data_dir)).transpose()?;
        let (log, embedded_log): (Arc<dyn EventLog>, _) = match &config.log {
            LogUrl::Embedded => {
                let embedded = Arc::new(embedded_log(config).await?);
                (embedded.clone(), Some(embedded))
            }
            LogUrl::Kafka { brokers } => (kafka_log(config, brokers).await?, None),
        };
        let catalog: Arc<dyn Catalog> = match &config.catalog {
            CatalogUrl::Embedded => {
                let path = config.data_dir.join("catalog.sqlite");
                Arc::new(
                    SqliteCatalog::open(&path)
                        .await
                        .with_context(|| format!("cannot open the catalog {}", path.display()))?,
                )
            }
            CatalogUrl::Postgres { url } => {
                Arc::new(PostgresCatalog::connect(url).await.context("cannot use the catalog that catalog.url names")?)
            }
        };
        let objects = objects(config)?;
        Ok(Self { log, lake: Lake::new(catalog, objects), data_dir, embedded_log })
    }

    /// Closes the embedded log's file after its last append. The catalog's closes with its last user.
    pub(crate) async fn close(self) {
        if let Some(log) = self.embedded_log {
            log.close().await;
        }
    }
}

async fn embedded_log(config: &Config) -> anyhow::Result<Embedded> {
    let path = config.data_dir.join("log.sqlite");
    Embedded::open(EmbeddedOptions { path: path.clone(), partitions: config.log_partitions })
        .await
        .with_context(|| format!("cannot open the log {}", path.display()))
}

async fn kafka_log(config: &Config, brokers: &str) -> anyhow::Result<Arc<dyn EventLog>> {
    let options = framelake_kafka::Options {
        create_topics: config.log_create_topics,
        partitions: config.log_partitions,
        ..framelake_kafka::Options::new(brokers)
    };
    let log = framelake_kafka::Kafka::connect(options)
        .await
        .with_context(|| format!("cannot use Kafka on {brokers}, which log.url names"))?;
    Ok(Arc::new(log))
}

fn objects(config: &Config) -> anyhow::Result<Arc<dyn ObjectStore>> {
    match &config.objects {
        ObjectsUrl::Embedded => local_objects(&config.data_dir.join("objects")),
        ObjectsUrl::S3 { bucket, prefix } => {
            let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_region(&config.objects_region);
            if !config.objects_endpoint.is_empty() {
                builder = builder
                    .with_endpoint(&config.objects_endpoint)
                    .with_allow_http(config.objects_endpoint.starts_with("http://"));
            }
            if !config.objects_access_key_id.is_empty() {
                builder = builder
                    .with_access_key_id(&config.objects_access_key_id)
                    .with_secret_access_key(&config.objects_secret_access_key);
            }
            let store =
                builder.build().context("objects.url, objects.endpoint and the keys do not make an S3 client")?;
            Ok(if prefix.is_empty() { Arc::new(store) } else { Arc::new(PrefixStore::new(store, prefix.as_str())) })
        }
    }
}

fn local_objects(path: &Path) -> anyhow::Result<Arc<dyn ObjectStore>> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(Arc::new(DurableLocal::new(path).with_context(|| format!("cannot use {}", path.display()))?))
}
