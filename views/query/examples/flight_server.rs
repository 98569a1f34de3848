//! A FlightSQL server over two small tables in memory, for trying clients: `cargo run -p framelake-query --example flight_server -- 127.0.0.1:8651`.

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow::datatypes::Int32Type;
use datafusion::catalog::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use framelake_query::flight::{Options, serve, service};
use std::error::Error;
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8651".into());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("grpc://{}", listener.local_addr()?);
    let service = service(Arc::new(tables()?), Options::default())?;
    serve(listener, service, async {
        // An error means that no signal can come; then only a kill ends it.
        let _ = tokio::signal::ctrl_c().await;
    })
    .await?;
    Ok(())
}

fn tables() -> Result<SessionContext, Box<dyn Error>> {
    let config =
        SessionConfig::new().with_default_catalog_and_schema("framelake", "public").with_information_schema(true);
    let context = SessionContext::new_with_config(config);
    for (name, batch) in [("measures", measures(100_000)?), ("processes", processes()?)] {
        context.register_table(name, Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))?;
    }
    Ok(context)
}

fn measures(rows: i32) -> Result<RecordBatch, Box<dyn Error>> {
    let names: DictionaryArray<Int32Type> =
        (0..rows).map(|row| ["frame time", "bodies", "contacts"][row as usize % 3]).collect();
    let times = TimestampNanosecondArray::from_iter_values(
        (0..rows).map(|row| 1_700_000_000_000_000_000 + i64::from(row) * 1_000_000),
    );
    Ok(RecordBatch::try_from_iter([
        ("ordinal", Arc::new(Int64Array::from_iter_values((0..rows).map(i64::from))) as ArrayRef),
        ("name", Arc::new(names)),
        ("time", Arc::new(times.with_timezone("UTC"))),
        ("value", Arc::new(Float64Array::from_iter_values((0..rows).map(|row| f64::from(row % 17))))),
    ])?)
}

fn processes() -> Result<RecordBatch, Box<dyn Error>> {
    Ok(RecordBatch::try_from_iter([
        ("process_id", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef),
        ("exe", Arc::new(StringArray::from(vec![Some("game"), None]))),
    ])?)
}
