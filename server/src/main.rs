//! The one binary: configuration, wiring, roles.

mod asking;
mod cli;
mod config;
mod control;
mod data_dir;
mod demo;
mod recover;
mod roles;
mod run;
mod server_http;
mod sql;
mod status;
mod stores;

use anyhow::Context;
use clap::ArgMatches;
use config::{Config, Values};
use roles::Role;
use std::process::ExitCode;

fn main() -> ExitCode {
    let matches = cli::command().get_matches();
    let Some((command, matches)) = matches.subcommand() else { return ExitCode::FAILURE };
    // The game is a program like any other: no runtime, no configuration of the server.
    let result = match command {
        "demo-game" => demo::game::play(matches),
        _ => serve(command, matches),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("framelake: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(command: &str, matches: &ArgMatches) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("FRAMELAKE_LOG_FILTER").unwrap_or_else(|_| "warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    // `control` has commands of its own, and the settings are theirs.
    let values = Values::resolve(matches.subcommand().map_or(matches, |(_, matches)| matches))?;
    let config = Config::new(&values)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            "run" => {
                let roles = Role::from_names(matches.get_many("role").unwrap_or_default())?;
                run::run(&config, &roles).await
            }
            "sql" => sql::sql(&config, text(matches, "query"), text(matches, "format")).await,
            "status" => status::status(&config, matches.get_flag("json")).await,
            "control" => {
                let (action, matches) = matches.subcommand().context("control has commands of its own")?;
                control::control(&config, &control::Asked::new(action, matches)).await
            }
            "recover" => {
                let options = recover::Options {
                    dir: text(matches, "dir").into(),
                    endpoint: matches.get_one::<String>("endpoint").cloned(),
                    timeout: *matches.get_one("timeout").context("--timeout has a default")?,
                };
                recover::recover(&config, options).await
            }
            "config" => {
                print_config(&values);
                Ok(())
            }
            "demo" => {
                let options = demo::Options {
                    seconds: matches.get_one("seconds").copied().unwrap_or(15),
                    keep: matches.get_flag("keep"),
                    counts: matches.get_one::<String>("counts").map(Into::into),
                };
                demo::demo(&config, &options).await
            }
            other => anyhow::bail!("unknown command {other}"),
        }
    })
}

/// The text of an argument; empty where it was not given.
fn text<'a>(matches: &'a ArgMatches, name: &str) -> &'a str {
    matches.get_one::<String>(name).map_or("", String::as_str)
}

fn print_config(values: &Values) {
    for (setting, text, origin) in values.shown() {
        println!("{:<32} = {:<24} # {origin}; {}", setting.key, format!("{text:?}"), setting.help);
    }
}
