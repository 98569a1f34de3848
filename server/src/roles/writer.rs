//! The writer role: from the log to the lake, and from the outbox to the log.

use crate::{
    config::{Config, LogUrl},
    roles::Ended,
    stores::Stores,
};
use framelake_writer::{Options, Stats, Writer, relay};
use tokio_util::sync::CancellationToken;

pub(crate) fn build(config: &Config, stores: &Stores) -> (impl FnOnce(CancellationToken) -> Ended + use<>, Stats) {
    let member = config.writer_member.clone();
    let defaults = match config.log {
        LogUrl::Embedded => Options::embedded(&member),
        LogUrl::Kafka { .. } => Options::distributed(&member),
    };
    let options = Options {
        group: config.writer_group.clone(),
        segment_bytes_max: usize::try_from(config.writer_segment_bytes_max).unwrap_or(usize::MAX),
        segment_age_max: config.writer_segment_age_max,
        ..defaults
    };
    let (log, lake) = (stores.log.clone(), stores.lake.clone());
    let writer = Writer::new(log.clone(), lake.clone(), options.clone());
    let stats = writer.stats();
    let role = move |stop: CancellationToken| -> Ended {
        Box::pin(async move {
            // The relay's owner is this run, not this member: after a restart the old lease must run out or be renewed by nobody else.
            let owner = format!("{member}-{}", std::process::id());
            tokio::try_join!(async { writer.run(stop.clone()).await.map_err(anyhow::Error::from) }, async {
                relay::run(log, lake, owner, options, stop.clone()).await.map_err(anyhow::Error::from)
            },)?;
            Ok(())
        })
    };
    (role, stats)
}
