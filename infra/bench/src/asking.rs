//! Asking the server over FlightSQL, as any client would.

use anyhow::{Context, bail};
use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use framelake_query::client::Client;
use futures::TryStreamExt;
use std::time::{Duration, Instant};

/// A connection.
#[derive(Debug)]
pub struct Asking {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

/// How long what was acknowledged may take until it is visible.
const SETTLE_MAX: Duration = Duration::from_secs(120);

impl Asking {
    pub fn connect(url: &str) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(Client::connect(url))?;
        Ok(Self { runtime, client })
    }

    /// The first row, as integers (times in nanoseconds, NULL as 0).
    pub fn row(&mut self, sql: &str) -> anyhow::Result<Vec<i64>> {
        let batches = self.all(sql)?;
        let first = batches.iter().find(|batch| batch.num_rows() > 0).with_context(|| format!("no rows: {sql}"))?;
        first.columns().iter().map(|column| Ok(integers(column)?[0])).collect()
    }

    /// The first column of all rows, as integers.
    pub fn column(&mut self, sql: &str) -> anyhow::Result<Vec<i64>> {
        let mut values = Vec::new();
        for batch in self.all(sql)? {
            values.extend(integers(batch.column(0))?);
        }
        Ok(values)
    }

    /// Takes all rows as they come and lets go of them: how many there were.
    pub fn drain(&mut self, sql: &str) -> anyhow::Result<u64> {
        let Self { runtime, client } = self;
        runtime.block_on(async {
            let (_, mut rows) = client.query(sql).await?;
            let mut count = 0;
            while let Some(batch) = rows.try_next().await? {
                count += batch.num_rows() as u64;
            }
            Ok(count)
        })
    }

    fn all(&mut self, sql: &str) -> anyhow::Result<Vec<RecordBatch>> {
        self.runtime.block_on(self.client.query_all(sql)).with_context(|| format!("query failed: {sql}"))
    }

    /// Asks again and again until `sql` answers at least `expected`.
    pub fn await_number(&mut self, sql: &str, expected: u64) -> anyhow::Result<()> {
        let deadline = Instant::now() + SETTLE_MAX;
        loop {
            let seen = self.row(sql)?[0];
            if seen >= expected.cast_signed() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{sql} still answers {seen}, not {expected}, after {SETTLE_MAX:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn integers(column: &dyn Array) -> anyhow::Result<Vec<i64>> {
    let column = cast(column, &DataType::Int64)?;
    Ok(column.as_primitive::<Int64Type>().iter().map(Option::unwrap_or_default).collect())
}
