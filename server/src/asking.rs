//! Asking a Framelake over FlightSQL, with rows as plain values.

use anyhow::{Context, bail};
use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float64Type, Int64Type, TimeUnit},
};
use framelake_query::client::Client;
use std::net::SocketAddr;

/// A connection to a running server.
pub(crate) struct Asking {
    client: Client,
}

/// The rows of an answer.
pub(crate) struct Rows(pub(crate) Vec<RecordBatch>);

impl Asking {
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let client = Client::connect(&format!("http://{address}"))
            .await
            .with_context(|| format!("no FlightSQL server answers on {address}; start one with `framelake run`"))?;
        Ok(Self { client })
    }

    pub(crate) async fn rows(&mut self, sql: &str) -> anyhow::Result<Rows> {
        let batches = self.client.query_all(sql).await.with_context(|| format!("query failed: {sql}"))?;
        Ok(Rows(batches))
    }
}

impl Rows {
    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(RecordBatch::num_rows).sum()
    }

    /// Column `index` as integers (timestamps in nanoseconds); NULL is `None`.
    pub(crate) fn integers(&self, index: usize) -> anyhow::Result<Vec<Option<i64>>> {
        self.column(index, &DataType::Int64, |array| {
            array.as_primitive::<Int64Type>().iter().collect::<Vec<Option<i64>>>()
        })
    }

    /// Column `index` as floats; NULL is `None`.
    pub(crate) fn floats(&self, index: usize) -> anyhow::Result<Vec<Option<f64>>> {
        self.column(index, &DataType::Float64, |array| {
            array.as_primitive::<Float64Type>().iter().collect::<Vec<Option<f64>>>()
        })
    }

    /// Column `index` as text; NULL is the empty text.
    pub(crate) fn texts(&self, index: usize) -> anyhow::Result<Vec<String>> {
        self.column(index, &DataType::Utf8, |array| {
            array.as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned()).collect()
        })
    }

    /// The only row's column as a number; 0 for NULL.
    pub(crate) fn number(&self, index: usize) -> anyhow::Result<f64> {
        match self.floats(index)?.as_slice() {
            [value] => Ok(value.unwrap_or(0.0)),
            values => bail!("expected one row, got {}", values.len()),
        }
    }

    fn column<T>(
        &self,
        index: usize,
        wanted: &DataType,
        values: impl Fn(&dyn Array) -> Vec<T>,
    ) -> anyhow::Result<Vec<T>> {
        let mut found = Vec::with_capacity(self.count());
        for batch in &self.0 {
            let column = batch.column(index);
            // Times are compared and subtracted in nanoseconds whatever unit they came in.
            let column = match column.data_type() {
                DataType::Timestamp(_, zone) if wanted == &DataType::Int64 => {
                    cast(column, &DataType::Timestamp(TimeUnit::Nanosecond, zone.clone()))?
                }
                _ => column.clone(),
            };
            found.extend(values(cast(&column, wanted)?.as_ref()));
        }
        Ok(found)
    }
}
