//! The running server's HTTP address, and questions to it.

use crate::{config::Config, data_dir, sql};
use anyhow::{Context, bail};
use std::{net::SocketAddr, time::Duration};

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Where the server that has these stores answers HTTP; `None` when none runs.
pub(crate) async fn address(config: &Config) -> Option<SocketAddr> {
    match data_dir::holder(&config.data_dir).filter(|_| config.uses_data_dir()) {
        Some(holder) => holder.http,
        None => sql::running_server(config).await.map(|_| config.http_listen),
    }
}

/// The base of URLs on the server: `named`, or the one that runs here.
///
/// # Errors
/// None runs, or what was named is no HTTP URL.
pub(crate) async fn url(config: &Config, named: Option<&str>) -> anyhow::Result<String> {
    if let Some(named) = named {
        let url = named.trim_end_matches('/');
        if !url.starts_with("http://") || url == "http:" {
            bail!(
                "{named:?} is not the address of a gateway; give http://HOST:PORT, such as http://{}",
                config.http_listen
            );
        }
        return Ok(url.to_owned());
    }
    if config.uses_data_dir() {
        let Some(address) = address(config).await else {
            let dir = config.data_dir.display();
            bail!(
                "no server runs on {dir}; start one with `framelake run`, give its --data-dir, or name a gateway with --http-url http://HOST:PORT"
            );
        };
        return Ok(format!("http://{address}"));
    }
    // Gateways share no directory, and need not run the query role; whether one is there shows when it is asked.
    Ok(format!("http://{}", config.http_listen))
}

/// `GET url`.
pub(crate) async fn get(url: &str) -> anyhow::Result<Answer> {
    let asked = url.to_owned();
    ask(url, move |agent| agent.get(asked).call()).await
}

/// `PUT url`.
pub(crate) async fn put(url: &str, body: Vec<u8>) -> anyhow::Result<Answer> {
    let asked = url.to_owned();
    ask(url, move |agent| agent.put(asked).send(body)).await
}

/// `PATCH url`.
pub(crate) async fn patch(url: &str, body: Vec<u8>) -> anyhow::Result<Answer> {
    let asked = url.to_owned();
    ask(url, move |agent| agent.patch(asked).send(body)).await
}

type Reply = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

async fn ask(url: &str, ask: impl FnOnce(ureq::Agent) -> Reply + Send + 'static) -> anyhow::Result<Answer> {
    tokio::task::spawn_blocking(move || -> anyhow::Result<Answer> {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(10)))
            .http_status_as_error(false)
            .build()
            .into();
        let mut reply = ask(agent)?;
        let status = reply.status().as_u16();
        Ok(Answer { status, body: reply.body_mut().read_to_string()? })
    })
    .await?
    .with_context(|| format!("no answer from {url}; is a server there?"))
}
