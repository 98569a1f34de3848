//! What clients ask before they query: catalogs, schemas, tables, types, keys, abilities.

use super::wire::{Wire, with_sql_metadata};
use super::{error, keys, sql_info, xdbc};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{GetDbSchemasBuilder, GetTablesBuilder};
use arrow_flight::sql::{Command, CommandGetTableTypes};
use datafusion::datasource::TableType;
use datafusion::prelude::SessionContext;
use tonic::Status;

/// As Grafana and JDBC tools spell it.
const BASE_TABLE: &str = "BASE TABLE";
const VIEW: &str = "VIEW";
const TEMPORARY: &str = "LOCAL TEMPORARY";

/// The columns of the answer; `None` if `command` asks for something else than metadata.
pub(super) fn schema(command: &Command) -> Result<Option<SchemaRef>, Status> {
    Ok(Some(match command.clone() {
        Command::CommandGetCatalogs(command) => command.into_builder().schema(),
        Command::CommandGetDbSchemas(command) => command.into_builder().schema(),
        Command::CommandGetTables(command) => command.into_builder().schema(),
        Command::CommandGetTableTypes(command) => command.into_builder().schema(),
        Command::CommandGetPrimaryKeys(_) => keys::primary().schema(),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => keys::foreign().schema(),
        Command::CommandGetSqlInfo(_) => sql_info::all().map_err(error::flight)?.schema(),
        Command::CommandGetXdbcTypeInfo(_) => xdbc::all().map_err(error::flight)?.schema(),
        _ => return Ok(None),
    }))
}

/// The answer; `None` if `command` asks for something else than metadata.
pub(super) async fn answer(
    command: Command,
    context: &SessionContext,
    keep_dictionaries: bool,
) -> Result<Option<RecordBatch>, Status> {
    let answer = match command {
        Command::CommandGetCatalogs(command) => {
            let mut builder = command.into_builder();
            for name in context.catalog_names() {
                builder.append(name);
            }
            builder.build()
        }
        Command::CommandGetDbSchemas(command) => db_schemas(command.into_builder(), context),
        Command::CommandGetTables(command) => tables(command.into_builder(), context, keep_dictionaries).await?,
        Command::CommandGetTableTypes(command) => table_types(command),
        Command::CommandGetPrimaryKeys(_) => Ok(keys::primary()),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => Ok(keys::foreign()),
        Command::CommandGetSqlInfo(command) => sql_info::all().and_then(|infos| command.into_builder(&infos).build()),
        Command::CommandGetXdbcTypeInfo(command) => xdbc::all().and_then(|infos| command.into_builder(&infos).build()),
        _ => return Ok(None),
    };
    answer.map(Some).map_err(error::flight)
}

fn db_schemas(mut builder: GetDbSchemasBuilder, context: &SessionContext) -> Result<RecordBatch, FlightError> {
    for catalog_name in context.catalog_names() {
        let Some(catalog) = context.catalog(&catalog_name) else { continue };
        for name in catalog.schema_names() {
            builder.append(&catalog_name, name);
        }
    }
    builder.build()
}

async fn tables(
    mut builder: GetTablesBuilder,
    context: &SessionContext,
    keep_dictionaries: bool,
) -> Result<Result<RecordBatch, FlightError>, Status> {
    for catalog_name in context.catalog_names() {
        let Some(catalog) = context.catalog(&catalog_name) else { continue };
        for schema_name in catalog.schema_names() {
            let Some(schema) = catalog.schema(&schema_name) else { continue };
            for name in schema.table_names() {
                // Dropped between the two calls.
                let Some(table) = schema.table(&name).await.map_err(error::status)? else { continue };
                let kind = match table.table_type() {
                    TableType::Base => BASE_TABLE,
                    TableType::View => VIEW,
                    TableType::Temporary => TEMPORARY,
                };
                let columns = columns(&table.schema(), &catalog_name, &schema_name, &name, keep_dictionaries);
                builder.append(&catalog_name, &schema_name, &name, kind, &columns).map_err(error::flight)?;
            }
        }
    }
    Ok(builder.build())
}

/// The columns that a SELECT would send, with what JDBC wants to know of each.
fn columns(schema: &Schema, catalog: &str, db_schema: &str, table: &str, keep_dictionaries: bool) -> Schema {
    let wire = Wire::new(schema, keep_dictionaries);
    with_sql_metadata(wire.schema(), catalog, db_schema, table)
}

fn table_types(command: CommandGetTableTypes) -> Result<RecordBatch, FlightError> {
    let mut builder = command.into_builder();
    for kind in [BASE_TABLE, VIEW] {
        builder.append(kind);
    }
    builder.build()
}
