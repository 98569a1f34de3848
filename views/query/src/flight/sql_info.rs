//! What this server can do, in FlightSQL's codes: all of them, since the JDBC driver fails with a null pointer on each that is missing.

use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    SqlInfo, SqlNullOrdering, SqlOuterJoinsSupportLevel, SqlSupportedCaseSensitivity, SqlSupportedResultSetConcurrency,
    SqlSupportedResultSetType, SqlSupportedSubqueries, SqlSupportedTransaction, SqlSupportedUnions, SqlSupportsConvert,
    SqlTransactionIsolationLevel, SupportedSqlGrammar,
};
use std::collections::BTreeMap;

/// Zero means "no limit, or none known" for every maximum.
const NO_LIMIT: i64 = 0;

pub(super) fn all() -> Result<SqlInfoData, FlightError> {
    let mut infos = SqlInfoDataBuilder::new();
    server(&mut infos);
    language(&mut infos);
    names(&mut infos);
    queries(&mut infos);
    limits(&mut infos);
    results(&mut infos);
    infos.build()
}

fn server(infos: &mut SqlInfoDataBuilder) {
    infos.append(SqlInfo::FlightSqlServerName, "Framelake");
    infos.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    // The format that arrow 59 writes.
    infos.append(SqlInfo::FlightSqlServerArrowVersion, "1.5");
    infos.append(SqlInfo::FlightSqlServerReadOnly, true);
    infos.append(SqlInfo::FlightSqlServerSql, true);
    infos.append(SqlInfo::FlightSqlServerSubstrait, false);
    infos.append(SqlInfo::FlightSqlServerSubstraitMinVersion, "");
    infos.append(SqlInfo::FlightSqlServerSubstraitMaxVersion, "");
    infos.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    infos.append(SqlInfo::FlightSqlServerCancel, true);
    infos.append(SqlInfo::FlightSqlServerBulkIngestion, false);
    infos.append(SqlInfo::FlightSqlServerIngestTransactionsSupported, false);
    // Handles carry their statement, so they do not expire.
    infos.append(SqlInfo::FlightSqlServerStatementTimeout, 0);
    infos.append(SqlInfo::FlightSqlServerTransactionTimeout, 0);
}

fn language(infos: &mut SqlInfoDataBuilder) {
    infos.append(SqlInfo::SqlKeywords, &["ILIKE", "QUALIFY", "UNNEST", "ANTI", "SEMI", "LIMIT", "OFFSET"][..]);
    infos.append(
        SqlInfo::SqlNumericFunctions,
        &[
            "abs", "ceil", "exp", "floor", "ln", "log", "log10", "log2", "pow", "power", "random", "round", "sign",
            "sqrt", "trunc",
        ][..],
    );
    infos.append(
        SqlInfo::SqlStringFunctions,
        &[
            "ascii",
            "btrim",
            "char_length",
            "chr",
            "concat",
            "concat_ws",
            "ends_with",
            "left",
            "length",
            "lower",
            "lpad",
            "ltrim",
            "regexp_like",
            "regexp_match",
            "regexp_replace",
            "repeat",
            "replace",
            "reverse",
            "right",
            "rpad",
            "rtrim",
            "split_part",
            "starts_with",
            "strpos",
            "substr",
            "to_hex",
            "translate",
            "trim",
            "upper",
        ][..],
    );
    infos.append(SqlInfo::SqlSystemFunctions, &["coalesce", "nullif", "nvl", "version"][..]);
    infos.append(
        SqlInfo::SqlDatetimeFunctions,
        &[
            "current_date",
            "current_time",
            "date_bin",
            "date_part",
            "date_trunc",
            "from_unixtime",
            "now",
            "to_timestamp",
        ][..],
    );
    infos.append(SqlInfo::SqlSupportedGrammar, 1 << SupportedSqlGrammar::SqlMinimumGrammar as i32);
    // The bit of ANSI92_ENTRY_SQL, which arrow-flight has no name for.
    infos.append(SqlInfo::SqlAnsi92SupportedLevel, 1 << 0);
    infos.append(SqlInfo::SqlSupportsIntegrityEnhancementFacility, false);
    infos.append(SqlInfo::SqlNullPlusNullIsNull, true);
    infos.append(SqlInfo::SqlSupportsConvert, conversions());
}

/// CAST goes between numbers and text both ways, and from text to dates and times.
fn conversions() -> BTreeMap<i32, Vec<i32>> {
    use SqlSupportsConvert::{
        SqlConvertBigint, SqlConvertDate, SqlConvertDecimal, SqlConvertFloat, SqlConvertInteger, SqlConvertReal,
        SqlConvertSmallint, SqlConvertTimestamp, SqlConvertTinyint, SqlConvertVarchar,
    };
    let numbers = [
        SqlConvertBigint,
        SqlConvertDecimal,
        SqlConvertFloat,
        SqlConvertInteger,
        SqlConvertReal,
        SqlConvertSmallint,
        SqlConvertTinyint,
    ];
    let codes = |targets: &[SqlSupportsConvert]| targets.iter().map(|&target| target as i32).collect::<Vec<_>>();
    let mut from_number = codes(&numbers);
    from_number.push(SqlConvertVarchar as i32);
    let mut from_text = codes(&numbers);
    from_text.extend(codes(&[SqlConvertVarchar, SqlConvertDate, SqlConvertTimestamp]));
    let from_time = codes(&[SqlConvertVarchar, SqlConvertDate, SqlConvertTimestamp]);
    let mut conversions: BTreeMap<i32, Vec<i32>> =
        numbers.into_iter().map(|number| (number as i32, from_number.clone())).collect();
    conversions.insert(SqlConvertVarchar as i32, from_text);
    conversions.insert(SqlConvertDate as i32, from_time.clone());
    conversions.insert(SqlConvertTimestamp as i32, from_time);
    conversions
}

fn names(infos: &mut SqlInfoDataBuilder) {
    let insensitive = SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i64;
    infos.append(SqlInfo::SqlIdentifierCase, insensitive);
    infos.append(
        SqlInfo::SqlQuotedIdentifierCase,
        SqlSupportedCaseSensitivity::SqlCaseSensitivityCaseInsensitive as i64,
    );
    infos.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    infos.append(SqlInfo::SqlSearchStringEscape, "\\");
    infos.append(SqlInfo::SqlExtraNameCharacters, "");
    infos.append(SqlInfo::SqlSchemaTerm, "schema");
    infos.append(SqlInfo::SqlProcedureTerm, "procedure");
    infos.append(SqlInfo::SqlCatalogTerm, "catalog");
    infos.append(SqlInfo::SqlCatalogAtStart, true);
    for (info, able) in [
        (SqlInfo::SqlDdlCatalog, false),
        (SqlInfo::SqlDdlSchema, false),
        (SqlInfo::SqlDdlTable, false),
        (SqlInfo::SqlAllTablesAreSelectable, true),
        (SqlInfo::SqlSupportsNonNullableColumns, true),
    ] {
        infos.append(info, able);
    }
    // Names are used in SELECT only, never in procedures, indexes or privileges.
    infos.append(SqlInfo::SqlSchemasSupportedActions, 0);
    infos.append(SqlInfo::SqlCatalogsSupportedActions, 0);
}

fn queries(infos: &mut SqlInfoDataBuilder) {
    for (info, able) in [
        (SqlInfo::SqlSupportsColumnAliasing, true),
        (SqlInfo::SqlSupportsTableCorrelationNames, true),
        (SqlInfo::SqlSupportsDifferentTableCorrelationNames, false),
        (SqlInfo::SqlSupportsExpressionsInOrderBy, true),
        (SqlInfo::SqlSupportsOrderByUnrelated, true),
        (SqlInfo::SqlSupportsLikeEscapeClause, true),
        (SqlInfo::SqlSelectForUpdateSupported, false),
        (SqlInfo::SqlStoredProceduresSupported, false),
        (SqlInfo::SqlCorrelatedSubqueriesSupported, true),
    ] {
        infos.append(info, able);
    }
    infos.append(SqlInfo::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i64);
    // The bits of GROUP_BY_UNRELATED and GROUP_BY_BEYOND_SELECT.
    infos.append(SqlInfo::SqlSupportedGroupBy, 0b11);
    // FlightSQL's text asks for one ordinal, the JDBC driver for bits.
    infos.append(
        SqlInfo::SqlOuterJoinsSupportLevel,
        1 << SqlOuterJoinsSupportLevel::SqlLimitedOuterJoins as i32
            | 1 << SqlOuterJoinsSupportLevel::SqlFullOuterJoins as i32,
    );
    infos.append(SqlInfo::SqlSupportedPositionedCommands, 0);
    infos.append(
        SqlInfo::SqlSupportedSubqueries,
        [
            SqlSupportedSubqueries::SqlSubqueriesInComparisons,
            SqlSupportedSubqueries::SqlSubqueriesInExists,
            SqlSupportedSubqueries::SqlSubqueriesInIns,
        ]
        .into_iter()
        .fold(0, |bits, kind| bits | 1 << kind as i32),
    );
    infos.append(
        SqlInfo::SqlSupportedUnions,
        1 << SqlSupportedUnions::SqlUnion as i32 | 1 << SqlSupportedUnions::SqlUnionAll as i32,
    );
}

fn limits(infos: &mut SqlInfoDataBuilder) {
    for info in [
        SqlInfo::SqlMaxBinaryLiteralLength,
        SqlInfo::SqlMaxCharLiteralLength,
        SqlInfo::SqlMaxColumnNameLength,
        SqlInfo::SqlMaxColumnsInGroupBy,
        SqlInfo::SqlMaxColumnsInIndex,
        SqlInfo::SqlMaxColumnsInOrderBy,
        SqlInfo::SqlMaxColumnsInSelect,
        SqlInfo::SqlMaxColumnsInTable,
        SqlInfo::SqlMaxConnections,
        SqlInfo::SqlMaxCursorNameLength,
        SqlInfo::SqlMaxIndexLength,
        SqlInfo::SqlDbSchemaNameLength,
        SqlInfo::SqlMaxProcedureNameLength,
        SqlInfo::SqlMaxCatalogNameLength,
        SqlInfo::SqlMaxRowSize,
        SqlInfo::SqlMaxStatementLength,
        SqlInfo::SqlMaxStatements,
        SqlInfo::SqlMaxTableNameLength,
        SqlInfo::SqlMaxTablesInSelect,
        SqlInfo::SqlMaxUsernameLength,
    ] {
        infos.append(info, NO_LIMIT);
    }
    infos.append(SqlInfo::SqlMaxRowSizeIncludesBlobs, true);
}

fn results(infos: &mut SqlInfoDataBuilder) {
    let none = SqlTransactionIsolationLevel::SqlTransactionNone as i64;
    infos.append(SqlInfo::SqlDefaultTransactionIsolation, none);
    infos.append(SqlInfo::SqlTransactionsSupported, false);
    infos.append(SqlInfo::SqlSupportedTransactionsIsolationLevels, 1 << none as i32);
    infos.append(SqlInfo::SqlDataDefinitionCausesTransactionCommit, false);
    infos.append(SqlInfo::SqlDataDefinitionsInTransactionsIgnored, true);
    infos.append(
        SqlInfo::SqlSupportedResultSetTypes,
        1 << SqlSupportedResultSetType::SqlResultSetTypeForwardOnly as i32,
    );
    let read_only = 1 << SqlSupportedResultSetConcurrency::SqlResultSetConcurrencyReadOnly as i32;
    infos.append(SqlInfo::SqlSupportedConcurrenciesForResultSetForwardOnly, read_only);
    for info in [
        SqlInfo::SqlSupportedConcurrenciesForResultSetUnspecified,
        SqlInfo::SqlSupportedConcurrenciesForResultSetScrollSensitive,
        SqlInfo::SqlSupportedConcurrenciesForResultSetScrollInsensitive,
    ] {
        infos.append(info, 0);
    }
    for info in [
        SqlInfo::SqlBatchUpdatesSupported,
        SqlInfo::SqlSavepointsSupported,
        SqlInfo::SqlNamedParametersSupported,
        SqlInfo::SqlLocatorsUpdateCopy,
        SqlInfo::SqlStoredFunctionsUsingCallSyntaxSupported,
    ] {
        infos.append(info, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::UInt32Type;

    #[test]
    fn every_code_is_answered() {
        let batch = all().and_then(|infos| infos.record_batch(None)).expect("the infos");
        let answered = batch.column(0).as_primitive::<UInt32Type>().values().to_vec();
        let known: Vec<u32> = (0..2_000).filter(|&code| SqlInfo::try_from(code as i32).is_ok()).collect();
        assert_eq!(answered, known);
    }
}
