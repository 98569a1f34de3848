//! From SQL text to a plan that only reads.

use super::{asked::ON_CORRUPT_HEADER, error, placeholder};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Sql;
use tonic::Status;

/// 1 MiB: the longest generated statements seen are some 100 KiB; planning time grows with the square of some of them.
const SQL_BYTES_MAX: usize = 1024 * 1024;

/// Plans `sql` without running anything: SELECT, EXPLAIN, SHOW and DESCRIBE; the rest is refused.
///
/// This never goes through `SessionContext::sql`, which carries out DDL and SET while it plans.
pub(super) async fn plan(state: &SessionState, sql: &str) -> Result<LogicalPlan, Status> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(Status::invalid_argument(format!(
            "the statement is {} bytes long, the limit is {SQL_BYTES_MAX}; bind long lists as parameters or join with a table",
            sql.len()
        )));
    }
    let sql = placeholder::number(sql);
    let dialect = state.config().options().sql_parser.dialect;
    let statement = state.sql_to_statement(&sql, &dialect).map_err(error::status)?;
    if !reads(&statement) {
        if sql.to_ascii_lowercase().contains("framelake.on_corrupt") {
            return Err(Status::invalid_argument(format!(
                "there are no sessions that could keep a setting; send the header {ON_CORRUPT_HEADER} with the query, its value skip or error, or start the server with query.on_corrupt"
            )));
        }
        let verb: Vec<&str> = sql.split_whitespace().take(2).collect();
        return Err(refused(&verb.join(" ")));
    }
    for table in state.resolve_table_references(&statement).map_err(error::status)? {
        if table.table().contains(['/', '\\']) {
            return Err(Status::invalid_argument(format!(
                "'{table}' is a file or an address, and this server reads its own tables only; SHOW TABLES lists them"
            )));
        }
    }
    let plan = state.statement_to_plan(statement).await.map_err(error::status)?;
    // The statement's kind is not everything: SELECT … INTO and EXPLAIN INSERT only show in the plan.
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)
        .map_err(|error| refused(&error.strip_backtrace()))?;
    Ok(plan)
}

/// Answers whatever would write, define, set or reach outside.
pub(super) fn refused(what: &str) -> Status {
    Status::invalid_argument(format!(
        "this server only reads: it answers SELECT, EXPLAIN, SHOW and DESCRIBE, not {what:?}; events come in from instrumented programs, results are saved by the client"
    ))
}

fn reads(statement: &Statement) -> bool {
    match statement {
        Statement::Explain(explain) => reads(&explain.statement),
        Statement::Statement(statement) => match statement.as_ref() {
            Sql::Explain { statement, .. } => matches!(statement.as_ref(), Sql::Query(_)),
            Sql::Query(_)
            | Sql::ExplainTable { .. }
            | Sql::ShowTables { .. }
            | Sql::ShowColumns { .. }
            | Sql::ShowFunctions { .. }
            | Sql::ShowVariable { .. } => true,
            _ => false,
        },
        Statement::CopyTo(_) | Statement::CreateExternalTable(_) | Statement::Reset(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::prelude::{SessionConfig, SessionContext};
    use tonic::Code;

    #[tokio::test]
    async fn what_reads_is_planned() {
        let context = SessionContext::new_with_config(SessionConfig::new().with_information_schema(true));
        for sql in [
            "SELECT 1",
            "WITH a AS (SELECT 1 AS x) SELECT * FROM a UNION ALL SELECT 2",
            "VALUES (1), (2)",
            "EXPLAIN SELECT 1",
            "EXPLAIN ANALYZE SELECT 1",
            "SHOW TABLES",
            "DESCRIBE information_schema.tables",
            "SELECT * FROM generate_series(1, 3)",
        ] {
            plan(&context.state(), sql).await.unwrap_or_else(|status| panic!("{sql}: {status}"));
        }
    }

    #[tokio::test]
    async fn what_writes_sets_or_reaches_outside_is_refused() {
        for sql in [
            "CREATE TABLE t AS SELECT 1",
            "CREATE VIEW v AS SELECT 1",
            "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/etc'",
            "COPY (SELECT 1) TO '/tmp/x.parquet'",
            "INSERT INTO t VALUES (1)",
            "DELETE FROM t",
            "UPDATE t SET x = 1",
            "DROP TABLE t",
            "TRUNCATE TABLE t",
            "SET datafusion.execution.batch_size = 1",
            "RESET datafusion.execution.batch_size",
            "BEGIN",
            "COMMIT",
            "PREPARE p AS SELECT 1",
            "EXECUTE p",
            "DEALLOCATE p",
            "EXPLAIN INSERT INTO t VALUES (1)",
            "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/x.parquet'",
            "SELECT 1 AS x INTO t",
            "SELECT * FROM '/etc/passwd'",
            "SELECT * FROM 's3://bucket/x.parquet'",
            "SELECT * FROM 'x.csv'",
            "SELECT * FROM read_csv('x.csv')",
            "SELECT 1; SELECT 2",
            "SELEC 1",
            "",
        ] {
            let context = SessionContext::new();
            let code = plan(&context.state(), sql).await.expect_err(sql).code();
            assert!(matches!(code, Code::InvalidArgument | Code::Unimplemented), "{sql}: {code:?}");
        }
    }

    #[tokio::test]
    async fn a_refusal_names_the_remedy() {
        let context = SessionContext::new();
        let status = plan(&context.state(), "INSERT INTO t VALUES (1)").await.expect_err("an INSERT");
        assert!(status.message().contains("SELECT") && status.message().contains("INSERT INTO"), "{status}");
        let status = plan(&context.state(), "SET framelake.on_corrupt = 'error'").await.expect_err("a SET");
        assert!(status.message().contains(ON_CORRUPT_HEADER), "{status}");
    }
}
