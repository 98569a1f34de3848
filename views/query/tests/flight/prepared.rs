use crate::server::{Server, refusal, table};
use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema};
use framelake_query::client::Error;
use std::sync::Arc;
use tonic::Code;

fn row(values: Vec<ArrayRef>) -> RecordBatch {
    let names = (1..).map(|number: usize| number.to_string());
    RecordBatch::try_from_iter(names.zip(values)).expect("a row")
}

fn number(value: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value]))
}

fn text(value: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

#[tokio::test]
async fn parameters_are_bound_by_position_and_cast_to_their_column() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let check =
        async |client: &mut framelake_query::client::Client, sql: &str, values: Vec<ArrayRef>, expected: &str| {
            let rows = client.query_with(sql, row(values)).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            assert!(table(&rows).contains(expected), "{sql}: {}", table(&rows));
        };
    let small: ArrayRef = Arc::new(Int32Array::from(vec![3]));
    check(
        &mut client,
        "SELECT count(*) AS n FROM events WHERE name = ? AND ordinal < ?",
        vec![text("draw"), small],
        "| 1 |",
    )
    .await;
    check(
        &mut client,
        "SELECT ordinal FROM events WHERE ordinal = $2 OR name = $1",
        vec![text("no"), number(7)],
        "| 7       |",
    )
    .await;
    check(&mut client, "SELECT count(*) AS n FROM (SELECT * FROM events LIMIT ?)", vec![number(12)], "| 12 |").await;
    check(&mut client, "SELECT ? + 1 AS x", vec![number(41)], "| 42 |").await;
    check(&mut client, "SELECT 'what?' AS q, ? AS a -- why?", vec![text("this")], "| what? | this |").await;
    check(
        &mut client,
        "SELECT ordinal FROM events WHERE ordinal IN (SELECT CAST(? AS BIGINT))",
        vec![text("5")],
        "| 5       |",
    )
    .await;
}

#[tokio::test]
async fn a_prepared_statement_announces_its_columns_and_parameters() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let sql = "SELECT name, note FROM events
        WHERE name = ? AND ordinal > ? AND note LIKE ? AND ordinal < CAST(? AS DOUBLE) AND ? IS NULL LIMIT ?";
    let statement = client.inner_mut().prepare(sql.into(), None).await.expect("prepares");
    let names = |schema: &Schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    assert_eq!(names(statement.dataset_schema().expect("columns")), ["name", "note"]);
    let parameters = statement.parameter_schema().expect("parameters").fields();
    // No dictionary and no view: JDBC cannot bind those. Text where nothing tells.
    assert_eq!(
        parameters.iter().map(|field| field.data_type().clone()).collect::<Vec<_>>(),
        [DataType::Utf8, DataType::Int64, DataType::Utf8, DataType::Float64, DataType::Utf8, DataType::Int64]
    );
    statement.close().await.expect("closes");
}

#[tokio::test]
async fn a_statement_can_be_executed_again_with_other_parameters() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mut statement = client.inner_mut().prepare("SELECT ? * 2 AS x".into(), None).await.expect("prepares");
    for value in [1, 21] {
        statement.set_parameters(row(vec![number(value)])).expect("sets");
        let info = statement.execute().await.expect("executes");
        let (_, rows) = client.fetch(info).await.expect("rows");
        let rows: Vec<_> = futures::TryStreamExt::try_collect(rows).await.expect("rows");
        assert!(table(&rows).contains(&format!("| {} ", value * 2)), "{}", table(&rows));
    }
}

#[tokio::test]
async fn wrong_parameters_are_refused_with_the_reason() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let sql = "SELECT * FROM events WHERE ordinal = ? AND name = ?";
    for (values, says) in [
        (vec![number(1)], "2 parameters and 1"),
        (vec![number(1), text("a"), text("b")], "2 parameters and 3"),
        (vec![text("abc"), text("a")], "$1"),
    ] {
        let (code, message) = refusal(client.query_with(sql, row(values)).await);
        assert_eq!(code, Code::InvalidArgument);
        assert!(message.contains(says), "{message}");
    }
    let many = RecordBatch::try_from_iter([("1", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)]).expect("rows");
    let (code, message) = refusal(client.query_with("SELECT ?", many).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("several rows"), "{message}");
    let mut unbound = client.inner_mut().prepare(sql.into(), None).await.expect("prepares");
    let (code, message) = refusal(unbound.execute().await.map_err(Error::from));
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("2 parameters and 0"), "{message}");
}
