//! `framelake demo`: a game with real physics, from macro to SQL, in one command.

mod chart;
mod counts;
pub(crate) mod game;
mod progress;
mod queries;
mod report;
mod tree;

use crate::{
    asking::Asking,
    config::Config,
    roles::Role,
    run::{Running, stop_asked_for},
};
use anyhow::{Context, bail};
use std::{path::PathBuf, time::Duration};

/// What can be said of the demo.
#[derive(Debug)]
pub(crate) struct Options {
    /// How long the game runs.
    pub(crate) seconds: u64,
    /// Leave the server running until Ctrl-C.
    pub(crate) keep: bool,
    /// Where to write the checked counts as JSON.
    pub(crate) counts: Option<PathBuf>,
}

/// How long the server may take to show what the game sent last.
const SETTLE_MAX: Duration = Duration::from_secs(20);

pub(crate) async fn demo(config: &Config, options: &Options) -> anyhow::Result<()> {
    let mut running = Running::start(config, &Role::ALL).await?;
    let shown = show(config, options, &mut running).await;
    let stopped = running.stop().await;
    shown.and(stopped)
}

async fn show(config: &Config, options: &Options, running: &mut Running) -> anyhow::Result<()> {
    let http = running.http_address().context("the gateway does not listen")?;
    let flight = running.flight_address().context("FlightSQL does not listen")?;
    println!("framelake runs on http://{http} and grpc://{flight}, its data in {}", config.data_dir.display());
    let mut asking = Asking::connect(flight).await?;

    let mut game = game::Game::start(&format!("http://{http}"), options.seconds)?;
    println!("a game plays for {} s: 60 frames a second, rigid bodies, crowds, several threads", options.seconds);
    let interrupted = tokio::select! {
        () = stop_asked_for() => true,
        ended = progress::watch(&mut asking, &mut game) => { ended?; false }
        error = running.failed() => return Err(error),
    };
    if interrupted {
        println!("\nstopping: the game sends what it holds, the server writes what it has");
        game.stop();
    }
    tokio::select! {
        // What the game sent is stored, whether anybody still looks at it or not.
        () = stop_asked_for() => {
            println!("\nstopped before the end of the report");
            return Ok(());
        }
        reported = conclude(config, options, &mut asking, game, interrupted) => reported?,
        error = running.failed() => return Err(error),
    }
    if options.keep && !interrupted {
        println!("\nthe server goes on until Ctrl-C");
        tokio::select! {
            () = stop_asked_for() => {}
            error = running.failed() => bail!(error),
        }
    }
    Ok(())
}

/// Waits for the game's end, checks that SQL sees what it emitted, and prints what a person wants to know.
async fn conclude(
    config: &Config,
    options: &Options,
    asking: &mut Asking,
    game: game::Game,
    interrupted: bool,
) -> anyhow::Result<()> {
    let played = game.ended().await?;
    // A frame is a row once the next one has begun.
    if interrupted && played.frames < 2 {
        println!("the game was stopped before its second frame; there is nothing to report");
        return Ok(());
    }
    let counts = counts::settle(asking, &played, SETTLE_MAX).await?;
    if let Some(path) = &options.counts {
        std::fs::write(path, serde_json::to_vec_pretty(&counts)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    report::print(asking, &played, &counts).await?;
    counts.check()?;
    if !interrupted {
        report::print_next(config);
    }
    Ok(())
}
