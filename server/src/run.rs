//! A running Framelake: the roles as tasks, started in the order in which data flows and stopped in the same order, so that what was accepted
//! reaches the lake.

use crate::{
    config::Config,
    roles::{self, Role},
    status::{self, Sources},
    stores::Stores,
};
use anyhow::{Context, bail};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A role at work.
struct Task {
    role: Role,
    stop: CancellationToken,
    handle: JoinHandle<anyhow::Result<()>>,
}

/// The roles at work, and the stores they share.
pub(crate) struct Running {
    stores: Stores,
    tasks: Vec<Task>,
    http: Option<SocketAddr>,
    flight: Option<SocketAddr>,
}

/// Where to listen.
struct Listen {
    http: Option<SocketAddr>,
    flight: SocketAddr,
}

impl Running {
    /// Starts the roles, listening where the configuration says.
    pub(crate) async fn start(config: &Config, roles: &[Role]) -> anyhow::Result<Self> {
        let listen = Listen { http: Some(config.http_listen), flight: config.flight_listen };
        let mut running = Self::start_on(config, roles, listen).await?;
        let (flight, http) = (running.flight, running.http);
        if let Some(data_dir) = &mut running.stores.data_dir {
            data_dir.announce(flight, http)?;
        }
        Ok(running)
    }

    /// Starts what a question needs while no server runs: the writer, to take in what the log still holds, and FlightSQL on a port of its own.
    pub(crate) async fn start_unannounced(config: &Config) -> anyhow::Result<Self> {
        let listen = Listen { http: None, flight: (Ipv4Addr::LOCALHOST, 0).into() };
        let mut running = Self::start_on(config, &[Role::Writer, Role::Query], listen).await?;
        if let Some(data_dir) = &mut running.stores.data_dir {
            data_dir.announce(None, None)?;
        }
        Ok(running)
    }

    async fn start_on(config: &Config, roles: &[Role], listen: Listen) -> anyhow::Result<Self> {
        // Ports first: what is refused here has opened nothing.
        let http = match listen.http {
            Some(address) => Some(bind(address, "http_listen").await?),
            None => None,
        };
        let flight = match roles.contains(&Role::Query) {
            true => Some(bind(listen.flight, "flight_listen").await?),
            false => None,
        };
        let stores = Stores::open(config).await?;
        let mut running = Self {
            http: http.as_ref().map(TcpListener::local_addr).transpose()?,
            flight: flight.as_ref().map(TcpListener::local_addr).transpose()?,
            stores,
            tasks: Vec::new(),
        };
        running.spawn_roles(config, roles, http, flight)?;
        Ok(running)
    }

    fn spawn_roles(
        &mut self,
        config: &Config,
        roles: &[Role],
        http: Option<TcpListener>,
        flight: Option<TcpListener>,
    ) -> anyhow::Result<()> {
        let mut sources = Sources::new(self.stores.log.clone(), self.stores.lake.clone(), config, roles);
        if roles.contains(&Role::Writer) {
            let (role, stats) = roles::writer::build(config, &self.stores);
            sources.writer = Some(stats);
            self.spawn(Role::Writer, role);
        }
        if roles.contains(&Role::Maintain) {
            let role = roles::maintain::build(config, &self.stores);
            self.spawn(Role::Maintain, role);
        }
        if let Some(listener) = flight {
            let role = roles::query::build(config, &self.stores, listener)?;
            self.spawn(Role::Query, role);
        }
        if let Some(listener) = http {
            let gateway =
                roles.contains(&Role::Gateway).then(|| roles::gateway::build(config, &self.stores)).transpose()?;
            sources.gateway = gateway.as_ref().map(|(_, stats)| stats.clone());
            let router = status::router(Arc::new(sources), gateway.map(|(router, _)| router));
            self.spawn(Role::Gateway, roles::gateway::serve(router, listener));
        }
        // Stopped in this order: nothing more comes in, then what came in is written.
        self.tasks.sort_by_key(|task| task.role);
        Ok(())
    }

    fn spawn<F>(&mut self, role: Role, start: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let handle = tokio::spawn(start(stop.clone()));
        self.tasks.push(Task { role, stop, handle });
    }

    /// Where the gateway and `/status` answer.
    pub(crate) fn http_address(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where FlightSQL answers.
    pub(crate) fn flight_address(&self) -> Option<SocketAddr> {
        self.flight
    }

    /// Returns when a role ends although nobody asked it to; the error says which and why.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        loop {
            if let Some(ended) = self.tasks.iter().position(|task| task.handle.is_finished()) {
                // Taken out: a handle answers once, and `stop` asks those that are left.
                let task = self.tasks.remove(ended);
                let name = task.role.name();
                return match task.handle.await {
                    Ok(Ok(())) => anyhow::anyhow!("the {name} role ended on its own"),
                    Ok(Err(error)) => error.context(format!("the {name} role failed")),
                    Err(error) => anyhow::Error::new(error).context(format!("the {name} role panicked")),
                };
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until all that is in the log now is in the lake.
    pub(crate) async fn caught_up(&self, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let lag = status::lag(self.stores.log.as_ref(), &self.stores.lake).await?;
            if lag == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{lag} records of the log are not in the lake after {patience:?}; is the log being written to?");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops the roles one after the other: nothing more is accepted, what was accepted is written, readers are let go.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let mut first_error = None;
        for task in self.tasks {
            task.stop.cancel();
            let ended = match tokio::time::timeout(Duration::from_secs(30), task.handle).await {
                Ok(Ok(result)) => result,
                Ok(Err(error)) if error.is_panic() => Err(anyhow::Error::new(error)),
                Ok(Err(_)) => Ok(()),
                Err(_) => Err(anyhow::anyhow!("did not stop within 30 s")),
            };
            if let Err(error) = ended {
                first_error.get_or_insert(error.context(format!("while stopping the {} role", task.role.name())));
            }
        }
        self.stores.close().await;
        first_error.map_or(Ok(()), Err)
    }
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        let flag = key.replace('_', "-");
        format!(
            "cannot listen on {address} ({key}): if another Framelake runs, ask that one with `framelake sql`; otherwise choose another port with \
             --{flag} 127.0.0.1:PORT (0 takes a free one)"
        )
    })
}

/// `framelake run`: until SIGINT or SIGTERM, or until a role fails.
pub(crate) async fn run(config: &Config, roles: &[Role]) -> anyhow::Result<()> {
    let mut running = Running::start(config, roles).await?;
    let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
    println!("framelake runs: {}", names.join(", "));
    if let Some(http) = running.http_address() {
        println!("  HTTP       http://{http}");
    }
    if let Some(flight) = running.flight_address() {
        println!("  FlightSQL  grpc://{flight}");
    }
    if config.uses_data_dir() {
        println!("  data       {}", config.data_dir.display());
    }
    println!("  stop with Ctrl-C");
    let failure = tokio::select! {
        () = stop_asked_for() => None,
        error = running.failed() => Some(error),
    };
    let stopped = running.stop().await;
    match failure {
        Some(error) => Err(error),
        None => stopped,
    }
}

/// Returns at SIGINT or SIGTERM.
pub(crate) async fn stop_asked_for() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        // Without a handler for SIGTERM it ends the process as it always does; Ctrl-C still stops in order.
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
