use crate::server::{Server, table};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow_flight::sql::{
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetTables, CommandGetXdbcTypeInfo, SqlInfo,
};
use arrow_flight::{Action, FlightInfo, IpcMessage};
use framelake_query::client::Client;
use framelake_query::flight::DICTIONARIES_HEADER;
use futures::TryStreamExt;

/// The rows, which must have the announced schema and come through one endpoint.
async fn fetch(client: &mut Client, info: FlightInfo) -> Vec<RecordBatch> {
    assert_eq!(info.endpoint.len(), 1);
    let (announced, rows) = client.fetch(info).await.expect("rows");
    let rows: Vec<RecordBatch> = rows.try_collect().await.expect("rows");
    assert!(rows.iter().all(|batch| batch.schema() == announced));
    rows
}

async fn tables(client: &mut Client, command: CommandGetTables) -> Vec<String> {
    let info = client.inner_mut().get_tables(command).await.expect("tables");
    let rows = fetch(client, info).await;
    rows.iter()
        .flat_map(|batch| batch.column(2).as_string::<i32>().iter().flatten().map(String::from).collect::<Vec<_>>())
        .collect()
}

#[tokio::test]
async fn catalogs_schemas_and_table_types_are_listed() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let info = client.inner_mut().get_catalogs().await.expect("catalogs");
    assert!(table(&fetch(&mut client, info).await).contains("| framelake    |"));
    for (pattern, found) in [(None, true), (Some("pub%"), true), (Some("p_blic"), true), (Some("p_lic"), false)] {
        let command = CommandGetDbSchemas { catalog: None, db_schema_filter_pattern: pattern.map(String::from) };
        let info = client.inner_mut().get_db_schemas(command).await.expect("schemas");
        assert_eq!(table(&fetch(&mut client, info).await).contains("public"), found, "{pattern:?}");
    }
    let info = client.inner_mut().get_table_types().await.expect("types");
    assert!(table(&fetch(&mut client, info).await).contains("| BASE TABLE |\n| VIEW       |"));
}

#[tokio::test]
async fn tables_are_found_by_pattern_and_type() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let check = async |client: &mut Client, pattern: Option<&str>, kinds: &[&str], expected: &[&str]| {
        let command = CommandGetTables {
            table_name_filter_pattern: pattern.map(String::from),
            table_types: kinds.iter().map(|&kind| kind.into()).collect(),
            ..CommandGetTables::default()
        };
        assert_eq!(tables(client, command).await, expected, "{pattern:?} {kinds:?}");
    };
    check(&mut client, None, &[], &["empty", "events", "events_view", "wide"]).await;
    check(&mut client, Some("ev%"), &[], &["events", "events_view"]).await;
    check(&mut client, Some("_ide"), &[], &["wide"]).await;
    check(&mut client, Some("events\\_view"), &[], &["events_view"]).await;
    check(&mut client, None, &["VIEW"], &["events_view"]).await;
    check(&mut client, Some("e%"), &["BASE TABLE"], &["empty", "events"]).await;
    let elsewhere = CommandGetTables { catalog: Some("other".into()), ..CommandGetTables::default() };
    assert!(tables(&mut client, elsewhere).await.is_empty());
}

#[tokio::test]
async fn a_tables_schema_is_what_a_select_sends() {
    let server = Server::start().await;
    for header in ["keep", "hydrate"] {
        let mut client = server.client().await;
        client.inner_mut().set_header(DICTIONARIES_HEADER, header);
        let command = CommandGetTables {
            table_name_filter_pattern: Some("events".into()),
            include_schema: true,
            ..CommandGetTables::default()
        };
        let info = client.inner_mut().get_tables(command).await.expect("tables");
        let rows = fetch(&mut client, info).await;
        let message = rows[0].column(4).as_binary::<i32>().value(0).to_vec();
        let described = Schema::try_from(IpcMessage(message.into())).expect("a schema");
        let (sent, _) = client.query("SELECT * FROM events").await.expect("an answer");
        let kinds = |schema: &Schema| schema.fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>();
        assert_eq!(kinds(&described), kinds(&sent), "{header}");
        assert_eq!(matches!(kinds(&described)[1], DataType::Dictionary(..)), header == "keep");
        assert_eq!(described.field(0).metadata()["ARROW:FLIGHT:SQL:TYPE_NAME"], "BIGINT");
    }
}

#[tokio::test]
async fn abilities_and_types_are_complete_and_keys_are_empty() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let info = client.inner_mut().get_sql_info(vec![]).await.expect("infos");
    let all = fetch(&mut client, info).await;
    let info = client.inner_mut().get_sql_info(vec![SqlInfo::FlightSqlServerTransaction]).await.expect("infos");
    let one = fetch(&mut client, info).await;
    assert_eq!((all[0].num_rows() > 90, one[0].num_rows()), (true, 1));
    let info = client.inner_mut().get_xdbc_type_info(CommandGetXdbcTypeInfo::default()).await.expect("types");
    assert!(table(&fetch(&mut client, info).await).contains("TIMESTAMP"));

    let inner = client.inner_mut();
    let table = || "events".to_owned();
    let primary = CommandGetPrimaryKeys { table: table(), ..CommandGetPrimaryKeys::default() };
    let exported = CommandGetExportedKeys { table: table(), ..CommandGetExportedKeys::default() };
    let imported = CommandGetImportedKeys { table: table(), ..CommandGetImportedKeys::default() };
    let keys = [
        inner.get_primary_keys(primary).await.expect("keys"),
        inner.get_exported_keys(exported).await.expect("keys"),
        inner.get_imported_keys(imported).await.expect("keys"),
        inner.get_cross_reference(CommandGetCrossReference::default()).await.expect("keys"),
    ];
    for info in keys {
        assert_eq!(fetch(&mut client, info).await.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    }
}

#[tokio::test]
async fn clients_that_insist_get_a_token_and_a_session() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.inner_mut().handshake("anyone", "anything").await.expect("a handshake");
    assert!(client.inner_mut().token().is_some());
    client.query_all("SELECT 1").await.expect("the token is taken");
    for action in ["SetSessionOptions", "GetSessionOptions", "CloseSession"] {
        let mut results = client.inner_mut().do_action(Action::new(action, vec![])).await.expect(action);
        assert!(results.message().await.expect(action).is_some(), "{action}");
    }
}

#[tokio::test]
async fn what_is_missing_is_unimplemented() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let refused = client.inner_mut().begin_transaction().await.map_err(framelake_query::client::Error::from);
    assert_eq!(crate::server::refusal(refused).0, tonic::Code::Unimplemented);
    let refused =
        client.inner_mut().do_action(Action::new("Dance", vec![])).await.map_err(framelake_query::client::Error::from);
    assert_eq!(crate::server::refusal(refused).0, tonic::Code::Unimplemented);
}
