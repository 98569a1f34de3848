//! The maintain role: trims the embedded log, removes orphans, keeps the data directory below its cap.

use crate::{
    config::{Config, ObjectsUrl},
    roles::Ended,
    stores::Stores,
};
use framelake_maintain::{Maintain, Options};
use tokio_util::sync::CancellationToken;

pub(crate) fn build(config: &Config, stores: &Stores) -> impl FnOnce(CancellationToken) -> Ended + use<> {
    let defaults = Options::new(format!("{}-{}", config.writer_member, std::process::id()));
    let options = Options {
        log_keep_bytes: config.log_keep_bytes,
        log_keep_age: config.log_keep_age,
        // The cap is on this machine's disk; a bucket has no such bound.
        data_bytes_max: match config.objects {
            ObjectsUrl::Embedded => config.maintain_data_bytes_max,
            ObjectsUrl::S3 { .. } => u64::MAX,
        },
        doomed_grace: config.query_timeout + std::time::Duration::from_secs(600),
        ..defaults
    };
    let maintain = Maintain::new(stores.log.clone(), stores.lake.clone(), options);
    move |stop| Box::pin(async move { maintain.run(stop).await.map_err(anyhow::Error::from) })
}
