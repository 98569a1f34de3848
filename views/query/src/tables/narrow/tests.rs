//! Filters as data.

use super::*;
use arrow::datatypes::TimeUnit;
use datafusion::logical_expr::{cast, col, lit};

const COLUMNS: Columns = Columns { times: &["begin", "end"], ended: &["end", "duration_ns"], thread: true };
const ID: &str = "01010101-0101-0101-0101-0101010101ab";

fn at(nanoseconds: i64) -> Expr {
    Expr::Literal(ScalarValue::TimestampNanosecond(Some(nanoseconds), Some("UTC".into())), None)
}

fn ids<T: FromStr + Ord>(texts: &[&str]) -> Option<BTreeSet<T>> {
    Some(texts.iter().map(|text| text.parse().ok().unwrap()).collect())
}

fn threads(names: &[&str]) -> Narrowed {
    Narrowed { threads: Some(names.iter().map(|&name| name.to_owned()).collect()), ..Narrowed::ANY }
}

fn within(from: i64, to: i64) -> Narrowed {
    Narrowed { times: TimeRange { from, to }, ..Narrowed::ANY }
}

#[test]
fn a_filter_narrows_no_further_than_it_says() {
    let other = "02020202-0202-0202-0202-020202020202";
    let process = Narrowed { processes: ids(&[ID]), ..Narrowed::ANY };
    let cases = [
        (col("process_id").eq(lit(ID)), process.clone()),
        (lit(ID).eq(col("process_id")), process.clone()),
        (col("process_id").not_eq(lit(ID)), Narrowed::ANY),
        (col("process_id").eq(lit(ID.to_uppercase())), Narrowed { processes: ids(&[]), ..Narrowed::ANY }),
        (col("process_id").eq(col("stream_id")), Narrowed::ANY),
        (
            col("process_id").in_list(vec![lit(ID), lit(other)], false),
            Narrowed { processes: ids(&[ID, other]), ..Narrowed::ANY },
        ),
        (col("process_id").in_list(vec![lit(ID), lit(other)], true), Narrowed::ANY),
        (col("process_id").in_list(vec![lit(ID), col("name")], false), Narrowed::ANY),
        (
            col("process_id").eq(lit(ID)).or(col("process_id").eq(lit(other))),
            Narrowed { processes: ids(&[ID, other]), ..Narrowed::ANY },
        ),
        (col("process_id").eq(lit(ID)).or(col("stream_id").eq(lit(ID))), Narrowed::ANY),
        (
            col("process_id").eq(lit(ID)).and(col("stream_id").eq(lit(ID))),
            Narrowed { streams: ids(&[ID]), ..process.clone() },
        ),
        (
            col("process_id").eq(lit(ID)).and(col("process_id").eq(lit(other))),
            Narrowed { processes: ids(&[]), ..Narrowed::ANY },
        ),
        (col("thread").eq(lit("main")), threads(&["main"])),
        (col("thread").in_list(vec![lit("main"), lit("101")], false), threads(&["main", "101"])),
        (col("thread").in_list(vec![lit("main")], true), Narrowed::ANY),
        (col("thread").not_eq(lit("main")), Narrowed::ANY),
        (col("thread").like(lit("main")), Narrowed::ANY),
        (col("thread").eq(lit(101)), Narrowed::ANY),
        (col("thread").eq(lit(ScalarValue::Utf8(None))), threads(&[])),
        (col("thread").eq(lit("main")).and(col("thread").eq(lit("101"))), threads(&[])),
        (col("thread").eq(lit("main")).or(col("stream_id").eq(lit(ID))), Narrowed::ANY),
        (col("begin").gt_eq(at(5)), within(5, i64::MAX)),
        (col("begin").gt(at(5)), within(6, i64::MAX)),
        (at(5).gt(col("begin")), within(i64::MIN, 4)),
        (col("begin").lt_eq(at(5)), within(i64::MIN, 5)),
        (col("begin").not_eq(at(5)), Narrowed::ANY),
        (col("begin").between(at(5), at(9)), within(5, 9)),
        (col("begin").not_between(at(5), at(9)), Narrowed::ANY),
        (col("begin").between(at(1), at(2)).or(col("begin").between(at(8), at(9))), within(1, 9)),
        (col("begin").gt(col("end")), Narrowed::ANY),
        (col("end").lt(at(5)), Narrowed { ended: true, ..within(i64::MIN, 4) }),
        (col("end").is_not_null(), Narrowed { ended: true, ..Narrowed::ANY }),
        (col("end").is_null(), Narrowed::ANY),
        (col("duration_ns").gt(lit(5)), Narrowed { ended: true, ..Narrowed::ANY }),
        (col("duration_ns").gt(lit(5)).or(col("begin").gt_eq(at(5))), Narrowed::ANY),
        (col("name").eq(lit("physics")), Narrowed::ANY),
        // A coarser unit has been cut off.
        (
            col("begin").eq(Expr::Literal(ScalarValue::TimestampMillisecond(Some(7), None), None)),
            within(6_000_000, 8_000_000),
        ),
        (col("begin").eq(lit("2026-01-01")), Narrowed::ANY),
    ];
    for (filter, expected) in cases {
        assert_eq!(Narrowed::by(std::slice::from_ref(&filter), COLUMNS), expected, "{filter}");
    }
}

#[test]
fn what_cannot_be_is_nothing() {
    assert!(Narrowed::by(&[col("stream_id").eq(lit("main"))], COLUMNS).is_nothing());
    assert!(!Narrowed::by(&[col("begin").eq(at(5))], COLUMNS).is_nothing());
    let two = [col("thread").eq(lit("main")), col("thread").eq(lit("audio"))];
    assert!(Narrowed::by(&two, COLUMNS).is_nothing());
    let of_rows = Columns { thread: false, ..COLUMNS };
    assert_eq!(Narrowed::by(&two, of_rows), Narrowed::ANY, "where each row has a thread of its own");
}

#[test]
fn what_was_open_between_two_moments_is_not_nothing() {
    let open = [col("begin").lt_eq(at(5)), col("end").gt_eq(at(9))];
    let narrowed = Narrowed::by(&open, COLUMNS);
    assert!(!narrowed.is_nothing());
    assert_eq!((narrowed.times.from, narrowed.times.to), (9, 5));
}

#[test]
fn a_time_rounded_by_an_inner_cast_narrows_nothing() {
    let to = |expr, unit| cast(expr, DataType::Timestamp(unit, None));
    let rounded = to(to(col("begin"), TimeUnit::Second), TimeUnit::Nanosecond);
    assert_eq!(Narrowed::by(&[rounded.lt(at(1_500_000_000))], COLUMNS), Narrowed::ANY);
}
