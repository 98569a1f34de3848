//! `framelake sql`: asks the running server, or opens the stores itself when none runs.

use crate::{asking::Asking, config::Config, data_dir, run::Running};
use anyhow::Context;
use arrow::{array::RecordBatch, csv::WriterBuilder, json::LineDelimitedWriter, util::pretty::pretty_format_batches};
use std::{
    io::{self, Write},
    time::Duration,
};

pub(crate) async fn sql(config: &Config, query: &str, format: &str) -> anyhow::Result<()> {
    if let Some(address) = running_server(config).await {
        let rows = Asking::connect(address).await?.rows(query).await?;
        return print(&rows.0, format);
    }
    // Nobody runs: take in what the log holds beyond the lake, then answer as a server would.
    let running = Running::start_unannounced(config).await?;
    running.caught_up(Duration::from_secs(60)).await?;
    let answer = match Asking::connect(running.flight_address().context("no FlightSQL address")?).await {
        Ok(mut asking) => asking.rows(query).await,
        Err(error) => Err(error),
    };
    running.stop().await?;
    print(&answer?.0, format)
}

/// Where a server answers that has these stores: the holder of the data directory, or whoever listens on `flight_listen`.
pub(crate) async fn running_server(config: &Config) -> Option<std::net::SocketAddr> {
    if config.uses_data_dir() {
        return data_dir::holder(&config.data_dir).and_then(|holder| holder.flight);
    }
    tokio::net::TcpStream::connect(config.flight_listen).await.ok().map(|_| config.flight_listen)
}

fn print(batches: &[RecordBatch], format: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let printed = match format {
        "csv" => csv(batches, &mut out),
        "json" => json(batches, &mut out),
        _ => table(batches, &mut out),
    };
    match printed {
        // The reader went away (`| head`): it has what it wanted.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            Ok(())
        }
        other => other,
    }
}

fn table(batches: &[RecordBatch], out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "{}", pretty_format_batches(batches)?)?;
    Ok(())
}

fn csv(batches: &[RecordBatch], out: &mut impl Write) -> anyhow::Result<()> {
    let mut writer = WriterBuilder::new().with_header(true).build(&mut *out);
    for batch in batches {
        writer.write(batch)?;
    }
    Ok(())
}

fn json(batches: &[RecordBatch], out: &mut impl Write) -> anyhow::Result<()> {
    let mut writer = LineDelimitedWriter::new(&mut *out);
    for batch in batches {
        writer.write(batch)?;
    }
    writer.finish()?;
    Ok(())
}
