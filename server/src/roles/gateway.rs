//! The gateway role: HTTP in, the log behind it. The listener also answers `/status` for whatever roles run.

use crate::{config::Config, control::kept_texts, roles::Ended, stores::Stores};
use anyhow::Context;
use axum::Router;
use framelake_gateway::{Control, Options, Stats};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) fn build(config: &Config, stores: &Stores) -> anyhow::Result<(Router, Stats)> {
    let control = Control::otherwise(&config.gateway_control);
    if let Some(data_dir) = &stores.data_dir {
        kept_texts::keep(&control, data_dir.path())?;
    }
    let options = Options { control, ..Options::default() };
    let stats = options.stats.clone();
    Ok((framelake_gateway::router(stores.log.clone(), options), stats))
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
