//! The gateway role: HTTP in, the log behind it. The listener also answers `/status` for whatever roles run.

use crate::{roles::Ended, stores::Stores};
use anyhow::Context;
use axum::Router;
use framelake_gateway::{Options, Stats};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) fn build(stores: &Stores) -> (Router, Stats) {
    let options = Options::default();
    let stats = options.stats.clone();
    (framelake_gateway::router(stores.log.clone(), options), stats)
}

/// Serves until asked to stop; requests under way are answered first.
pub(crate) fn serve(router: Router, listener: TcpListener) -> impl FnOnce(CancellationToken) -> Ended {
    move |stop| {
        Box::pin(async move {
            axum::serve(listener, router)
                .with_graceful_shutdown(stop.cancelled_owned())
                .await
                .context("the HTTP server failed")
        })
    }
}
