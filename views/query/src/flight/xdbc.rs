//! The column types, in the words of ODBC and JDBC.

use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode};

pub(super) fn all() -> Result<XdbcTypeInfoData, FlightError> {
    let mut builder = XdbcTypeInfoDataBuilder::new();
    builder.append(named("BOOLEAN", XdbcDataType::XdbcBit, 1));
    for (name, kind, digits) in [
        ("TINYINT", XdbcDataType::XdbcTinyint, 3),
        ("SMALLINT", XdbcDataType::XdbcSmallint, 5),
        ("INTEGER", XdbcDataType::XdbcInteger, 10),
        ("BIGINT", XdbcDataType::XdbcBigint, 19),
        ("DECIMAL", XdbcDataType::XdbcDecimal, 38),
    ] {
        builder.append(number(name, kind, digits, 10));
    }
    // Significant bits of IEEE 754.
    builder.append(number("REAL", XdbcDataType::XdbcReal, 24, 2));
    builder.append(number("DOUBLE", XdbcDataType::XdbcDouble, 53, 2));
    builder.append(quoted("VARCHAR", XdbcDataType::XdbcVarchar, i32::MAX));
    builder.append(XdbcTypeInfo {
        literal_prefix: Some("X'".into()),
        ..quoted("VARBINARY", XdbcDataType::XdbcVarbinary, i32::MAX)
    });
    // 2026-01-31, 23:59:59.123456789, both with a space between.
    builder.append(date_time("DATE", XdbcDataType::XdbcDate, 10, XdbcDatetimeSubcode::XdbcSubcodeYear));
    builder.append(date_time("TIME", XdbcDataType::XdbcTime, 18, XdbcDatetimeSubcode::XdbcSubcodeTime));
    builder.append(date_time("TIMESTAMP", XdbcDataType::XdbcTimestamp, 29, XdbcDatetimeSubcode::XdbcSubcodeTimestamp));
    builder.build()
}

fn named(name: &str, kind: XdbcDataType, size: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        type_name: name.into(),
        local_type_name: Some(name.into()),
        data_type: kind,
        sql_data_type: kind,
        column_size: Some(size),
        nullable: Nullable::NullabilityNullable,
        searchable: Searchable::Full,
        auto_increment: Some(false),
        ..XdbcTypeInfo::default()
    }
}

fn number(name: &str, kind: XdbcDataType, digits: i32, radix: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        unsigned_attribute: Some(false),
        num_prec_radix: Some(radix),
        minimum_scale: Some(0),
        maximum_scale: Some(if kind == XdbcDataType::XdbcDecimal { digits } else { 0 }),
        ..named(name, kind, digits)
    }
}

fn quoted(name: &str, kind: XdbcDataType, size: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        literal_prefix: Some("'".into()),
        literal_suffix: Some("'".into()),
        case_sensitive: true,
        ..named(name, kind, size)
    }
}

fn date_time(name: &str, kind: XdbcDataType, size: i32, subcode: XdbcDatetimeSubcode) -> XdbcTypeInfo {
    XdbcTypeInfo {
        sql_data_type: XdbcDataType::XdbcDatetime,
        datetime_subcode: Some(subcode),
        maximum_scale: Some(9),
        case_sensitive: false,
        ..quoted(name, kind, size)
    }
}
