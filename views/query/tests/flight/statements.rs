use crate::server::{Server, refusal, table};
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use framelake_query::flight::DICTIONARIES_HEADER;
use futures::TryStreamExt;
use tonic::Code;

#[tokio::test]
async fn a_statement_answers_with_the_schema_it_announced() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for sql in [
        "SELECT 1 AS one",
        "SELECT * FROM events LIMIT 10",
        "SELECT name, count(*) AS n, max(note) AS last FROM events GROUP BY name ORDER BY name",
        "SELECT a.ordinal, b.note FROM events a LEFT JOIN events b ON a.ordinal = b.ordinal + 99990 ORDER BY 1 LIMIT 5",
        "SELECT named_struct('n', name, 'list', [note]) AS nested FROM events LIMIT 3",
        "SELECT * FROM empty",
        "EXPLAIN SELECT * FROM events",
        "EXPLAIN ANALYZE SELECT count(*) FROM events",
        "SHOW TABLES",
        "DESCRIBE events",
        "SELECT table_name FROM information_schema.tables",
    ] {
        let (announced, rows) = client.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let batches: Vec<RecordBatch> = rows.try_collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        for batch in &batches {
            assert_eq!(batch.schema(), announced, "{sql}");
        }
    }
    let rows = client
        .query_all("SELECT name, count(*) AS n FROM events GROUP BY name ORDER BY name")
        .await
        .expect("an answer");
    assert_eq!(
        table(&rows),
        "+---------+-------+\n| name    | n     |\n+---------+-------+\n| draw    | 33333 |\n| physics | 33333 |\n| update  | 33334 |\n+---------+-------+"
    );
    let none = client.query_all("SELECT * FROM empty").await.expect("an answer");
    assert_eq!((none.len(), none[0].num_rows(), none[0].num_columns()), (1, 0, 3));
}

#[tokio::test]
async fn dictionaries_are_kept_for_clients_that_read_them_and_hydrated_for_others() {
    let server = Server::start().await;
    for (header, kept) in [("keep", true), ("hydrate", false), ("", false)] {
        let mut client = server.client().await;
        client.inner_mut().set_header(DICTIONARIES_HEADER, header);
        let sql = "SELECT name, note FROM events ORDER BY ordinal LIMIT 2";
        let (announced, rows) = client.query(sql).await.expect("an answer");
        let rows: Vec<RecordBatch> = rows.try_collect().await.expect("rows");
        assert_eq!(matches!(announced.field(0).data_type(), DataType::Dictionary(..)), kept, "{header}");
        assert_eq!(announced.field(1).data_type(), &DataType::Utf8, "views are never sent");
        assert_eq!(rows[0].schema(), announced);
        assert!(table(&rows).contains("| update | note number 0 |\n| draw   |               |"), "{}", table(&rows));
    }
}

#[tokio::test]
async fn wide_rows_fit_into_messages_of_4_mib() {
    let server = Server::start().await;
    let channel = tonic::transport::Channel::from_shared(server.url.replace("grpc", "http")).expect("a URL");
    // What a gRPC client takes unless told otherwise.
    let channel = channel.connect().await.expect("connects");
    let mut client = arrow_flight::sql::client::FlightSqlServiceClient::new(channel);
    let info = client.execute("SELECT text, text AS again FROM wide".into(), None).await.expect("a plan");
    let ticket = info.endpoint[0].ticket.clone().expect("a ticket");
    let rows: Vec<RecordBatch> = client.do_get(ticket).await.expect("a stream").try_collect().await.expect("rows");
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 8_192);
    assert!(rows.len() >= 16, "{} messages for 32 MiB", rows.len());
}

#[tokio::test]
async fn what_is_not_a_read_is_refused_by_every_door() {
    use arrow_flight::sql::CommandStatementIngest;
    let server = Server::start().await;
    let mut client = server.client().await;
    let path = std::env::temp_dir().join(format!("framelake-{}.parquet", std::process::id()));
    let copy = format!("COPY (SELECT 1 AS x) TO '{}'", path.display());
    for sql in [
        copy.as_str(),
        "CREATE TABLE t AS SELECT 1",
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/tmp/x'",
        "INSERT INTO events SELECT * FROM events",
        "DROP TABLE events",
        "SET datafusion.execution.batch_size = 1",
        "SELECT * FROM '/etc/passwd'",
        "EXPLAIN ANALYZE INSERT INTO events SELECT * FROM events",
    ] {
        let (code, message) = refusal(client.query_all(sql).await);
        assert_eq!(code, Code::InvalidArgument, "{sql}: {message}");
        assert!(message.contains("SELECT") || message.contains("SHOW TABLES"), "{sql}: {message}");
        let prepared = client.inner_mut().prepare(sql.to_owned(), None).await;
        assert_eq!(refusal(prepared.map_err(framelake_query::client::Error::from)).0, Code::InvalidArgument, "{sql}");
        let update = client.inner_mut().execute_update(sql.to_owned(), None).await;
        assert_eq!(refusal(update.map_err(framelake_query::client::Error::from)).0, Code::InvalidArgument, "{sql}");
    }
    let ingest = CommandStatementIngest { table: "events".into(), ..CommandStatementIngest::default() };
    let rows = client.query_all("SELECT * FROM events LIMIT 1").await.expect("rows").remove(0);
    let ingested = client.inner_mut().execute_ingest(ingest, futures::stream::iter([Ok(rows)])).await;
    assert_eq!(refusal(ingested.map_err(framelake_query::client::Error::from)).0, Code::InvalidArgument);
    assert!(!path.exists(), "COPY wrote {}", path.display());
    let count = client.query_all("SELECT count(*) AS n FROM events").await.expect("a count");
    assert!(table(&count).contains("100000"));
}

#[tokio::test]
async fn errors_say_whose_fault_it_is() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for (sql, says) in [
        ("SELEC 1", "SELEC"),
        ("SELECT nothing FROM events", "nothing"),
        ("SELECT * FROM nowhere", "SHOW TABLES"),
        ("SELECT nofunction(1)", "nofunction"),
        ("SELECT CAST(note AS INT) FROM events", "note number"),
        ("SELECT 1 / (ordinal - ordinal) FROM events", "ivide by zero"),
    ] {
        let (code, message) = refusal(client.query_all(sql).await);
        assert_eq!(code, Code::InvalidArgument, "{sql}: {message}");
        assert!(message.contains(says), "{sql}: {message}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let error = framelake_query::client::Client::connect("grpc://127.0.0.1:1").await.expect_err("nobody listens");
    assert!(error.to_string().contains("grpc://127.0.0.1:1"), "{error}");
}
