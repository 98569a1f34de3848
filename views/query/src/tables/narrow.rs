//! What a query's filters say about processes, streams and times.
//!
//! Only to leave out what cannot match: DataFusion applies the filters again to every row, so whatever is not understood here narrows nothing and stays
//! correct.

use arrow::datatypes::DataType;
use datafusion::{
    common::ScalarValue,
    logical_expr::{BinaryExpr, Expr, Operator},
};
use framelake_materialize::TimeRange;
use framelake_wire::{ProcessId, StreamId, UnixNanos};
use std::{collections::BTreeSet, str::FromStr};

/// What rows must have to match; the algebra of filters. `None` is any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Narrowed {
    pub(crate) processes: Option<BTreeSet<ProcessId>>,
    pub(crate) streams: Option<BTreeSet<StreamId>>,
    pub(crate) times: TimeRange,
    /// A time column other than the first (`end`) must have a value, so rows still open cannot match.
    pub(crate) ended: bool,
}

impl Narrowed {
    /// Any row.
    pub(crate) const ANY: Narrowed = Narrowed { processes: None, streams: None, times: TimeRange::ALL, ended: false };

    /// What all the filters together leave. `time_columns` are those between a block's least and greatest time; the first is never NULL.
    pub(crate) fn by(filters: &[Expr], time_columns: &[&str]) -> Self {
        filters.iter().fold(Self::ANY, |left, filter| left.and(Self::of(filter, time_columns)))
    }

    /// Whether no row can match.
    pub(crate) fn is_nothing(&self) -> bool {
        self.processes.as_ref().is_some_and(BTreeSet::is_empty)
            || self.streams.as_ref().is_some_and(BTreeSet::is_empty)
            || self.times.from > self.times.to
    }

    fn of(filter: &Expr, time_columns: &[&str]) -> Self {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                Self::of(left, time_columns).and(Self::of(right, time_columns))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                Self::of(left, time_columns).or(Self::of(right, time_columns))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if let (Some(column), Some(value)) = (column(left), literal(right)) {
                    Self::compared(column, *op, value, time_columns)
                } else if let (Some(value), Some(column), Some(op)) = (literal(left), column(right), op.swap()) {
                    Self::compared(column, op, value, time_columns)
                } else {
                    Self::ANY
                }
            }
            Expr::Between(between) if !between.negated => {
                let (Some(column), Some(low), Some(high)) =
                    (column(&between.expr), literal(&between.low), literal(&between.high))
                else {
                    return Self::ANY;
                };
                Self::compared(column, Operator::GtEq, low, time_columns).and(Self::compared(
                    column,
                    Operator::LtEq,
                    high,
                    time_columns,
                ))
            }
            Expr::InList(list) if !list.negated => {
                let Some(column) = column(&list.expr) else { return Self::ANY };
                let mut values = list.list.iter().map(|value| match literal(value) {
                    Some(value) => Self::compared(column, Operator::Eq, value, time_columns),
                    None => Self::ANY,
                });
                let Some(first) = values.next() else { return Self::ANY };
                values.fold(first, Self::or)
            }
            _ => Self::ANY,
        }
    }

    fn compared(column: &str, op: Operator, value: &ScalarValue, time_columns: &[&str]) -> Self {
        match (column, op) {
            ("process_id", Operator::Eq) => Self { processes: id(value), ..Self::ANY },
            ("stream_id", Operator::Eq) => Self { streams: id(value), ..Self::ANY },
            _ if time_columns.contains(&column) => {
                let Some(at) = times(value) else { return Self::ANY };
                let times = match op {
                    Operator::Eq => at,
                    Operator::Gt | Operator::GtEq => TimeRange { to: UnixNanos::MAX, ..at },
                    Operator::Lt | Operator::LtEq => TimeRange { from: UnixNanos::MIN, ..at },
                    _ => return Self::ANY,
                };
                Self { times, ended: time_columns[0] != column, ..Self::ANY }
            }
            _ => Self::ANY,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            processes: both(self.processes, other.processes),
            streams: both(self.streams, other.streams),
            times: TimeRange { from: self.times.from.max(other.times.from), to: self.times.to.min(other.times.to) },
            ended: self.ended || other.ended,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            processes: either(self.processes, other.processes),
            streams: either(self.streams, other.streams),
            times: TimeRange { from: self.times.from.min(other.times.from), to: self.times.to.max(other.times.to) },
            ended: self.ended && other.ended,
        }
    }
}

fn both<T: Ord + Copy>(left: Option<BTreeSet<T>>, right: Option<BTreeSet<T>>) -> Option<BTreeSet<T>> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.intersection(&right).copied().collect()),
        (left, right) => left.or(right),
    }
}

fn either<T: Ord>(left: Option<BTreeSet<T>>, right: Option<BTreeSet<T>>) -> Option<BTreeSet<T>> {
    let (mut left, right) = (left?, right?);
    left.extend(right);
    Some(left)
}

/// The column's name, also under the casts that comparing with text, or with times of another unit, brings about.
fn column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        Expr::Cast(cast) if keeps_meaning(cast.field.data_type()) => column(&cast.expr),
        Expr::TryCast(cast) if keeps_meaning(cast.field.data_type()) => column(&cast.expr),
        _ => None,
    }
}

/// Ids stay ids as text, and times stay times as timestamps: ours are UTC, whose wall time is the same number.
fn keeps_meaning(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Timestamp(..) => true,
        DataType::Dictionary(_, values) => keeps_meaning(values),
        _ => false,
    }
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

/// The one id, or none at all when the text is no id as SQL shows it: then no row has it. `None` when the value is no text.
fn id<T: FromStr + Ord + ToString>(value: &ScalarValue) -> Option<BTreeSet<T>> {
    let text = value.try_as_str()?.unwrap_or_default();
    let id = text.parse::<T>().ok().filter(|id| id.to_string() == text);
    Some(id.into_iter().collect())
}

/// The nanoseconds that the value may stand for: a coarser unit cuts off up to one of it, in either direction around zero.
fn times(value: &ScalarValue) -> Option<TimeRange> {
    let (value, unit) = match value {
        ScalarValue::TimestampNanosecond(Some(value), _) => return Some(TimeRange { from: *value, to: *value }),
        ScalarValue::TimestampMicrosecond(Some(value), _) => (value, 1_000),
        ScalarValue::TimestampMillisecond(Some(value), _) => (value, 1_000_000),
        ScalarValue::TimestampSecond(Some(value), _) => (value, 1_000_000_000),
        _ => return None,
    };
    Some(TimeRange {
        from: value.saturating_sub(1).saturating_mul(unit),
        to: value.saturating_add(1).saturating_mul(unit),
    })
}

#[cfg(test)]
mod tests;
