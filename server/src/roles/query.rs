//! The query role: views over the lake, asked through FlightSQL.

use crate::{config::Config, roles::Ended, stores::Stores};
use anyhow::Context;
use framelake_materialize::Materializer;
use framelake_query::{Engine, EngineOptions, flight};
use std::{num::NonZeroUsize, sync::Arc};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) fn build(
    config: &Config,
    stores: &Stores,
    listener: TcpListener,
) -> anyhow::Result<impl FnOnce(CancellationToken) -> Ended + use<>> {
    let materializer = Materializer::spawn(stores.lake.clone(), framelake_materialize::Options::default());
    let options = EngineOptions {
        memory_limit: usize::try_from(config.query_memory_max).unwrap_or(usize::MAX),
        query_timeout: config.query_timeout,
        target_partitions: config.query_threads,
        on_corrupt: config.query_on_corrupt,
        spill_directory: stores.data_dir.as_ref().map(|data_dir| data_dir.path().join("spill")),
        ..EngineOptions::default()
    };
    let engine =
        Engine::new(stores.lake.clone(), Some(materializer), options).context("cannot set up the query engine")?;
    let threads = NonZeroUsize::new(config.query_threads).unwrap_or(NonZeroUsize::MIN);
    let options = flight::Options { query_timeout: config.query_timeout, threads, ..flight::Options::default() };
    let service = flight::service(Arc::new(engine), options).context("cannot start the threads of the query engine")?;
    Ok(move |stop: CancellationToken| -> Ended {
        Box::pin(async move {
            flight::serve(listener, service, stop.cancelled_owned()).await.context("the FlightSQL server failed")
        })
    })
}
