//! What a query's filters say about processes, streams, threads and times.
//!
//! Only to leave out what cannot match: DataFusion applies the filters again to every row, so whatever is not understood here narrows nothing and stays
//! correct.

use arrow::datatypes::DataType;
use datafusion::{
    common::ScalarValue,
    logical_expr::{BinaryExpr, Expr, Operator},
};
use framelake_definitions::RowView;
use framelake_materialize::TimeRange;
use framelake_wire::{ProcessId, StreamId, UnixNanos};
use std::{collections::BTreeSet, str::FromStr};

/// What rows must have to match; the algebra of filters. `None` is any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Narrowed {
    pub(crate) processes: Option<BTreeSet<ProcessId>>,
    pub(crate) streams: Option<BTreeSet<StreamId>>,
    /// Threads as SQL shows them; only where a table's [`Columns::thread`] says so.
    pub(crate) threads: Option<BTreeSet<String>>,
    pub(crate) times: TimeRange,
    /// A column that is NULL in rows still open must have a value.
    pub(crate) ended: bool,
}

/// The columns of a table that say something of its blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    /// Those between a block's least and greatest time.
    pub(crate) times: &'static [&'static str],
    /// Those that are NULL in rows still open and nowhere else.
    pub(crate) ended: &'static [&'static str],
    /// Whether `thread` is the same in all rows of a block.
    pub(crate) thread: bool,
}

impl Columns {
    /// Of a table without times.
    pub(crate) const NONE: Columns = Columns { times: &[], ended: &[], thread: false };

    /// Of a row view.
    pub(crate) fn of(view: &dyn RowView) -> Self {
        Self { times: view.time_columns(), ended: view.ended_columns(), thread: view.thread_is_of_stream() }
    }
}

impl Narrowed {
    /// Any row.
    pub(crate) const ANY: Narrowed =
        Narrowed { processes: None, streams: None, threads: None, times: TimeRange::ALL, ended: false };

    /// What all the filters together leave.
    pub(crate) fn by(filters: &[Expr], columns: Columns) -> Self {
        filters.iter().fold(Self::ANY, |left, filter| left.and(Self::of(filter, columns)))
    }

    /// Whether no row can match. Times alone never say so: they bound several columns at once, and what began before a moment and ended after another
    /// has `to < from`.
    pub(crate) fn is_nothing(&self) -> bool {
        self.processes.as_ref().is_some_and(BTreeSet::is_empty)
            || self.streams.as_ref().is_some_and(BTreeSet::is_empty)
            || self.threads.as_ref().is_some_and(BTreeSet::is_empty)
    }

    fn of(filter: &Expr, columns: Columns) -> Self {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                Self::of(left, columns).and(Self::of(right, columns))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                Self::of(left, columns).or(Self::of(right, columns))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if let (Some(column), Some(value)) = (column(left), literal(right)) {
                    Self::compared(column, *op, value, columns)
                } else if let (Some(value), Some(column), Some(op)) = (literal(left), column(right), op.swap()) {
                    Self::compared(column, op, value, columns)
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
                Self::compared(column, Operator::GtEq, low, columns).and(Self::compared(
                    column,
                    Operator::LtEq,
                    high,
                    columns,
                ))
            }
            Expr::InList(list) if !list.negated => {
                let Some(column) = column(&list.expr) else { return Self::ANY };
                let mut values = list.list.iter().map(|value| match literal(value) {
                    Some(value) => Self::compared(column, Operator::Eq, value, columns),
                    None => Self::ANY,
                });
                let Some(first) = values.next() else { return Self::ANY };
                values.fold(first, Self::or)
            }
            Expr::IsNotNull(expr) => {
                Self { ended: column(expr).is_some_and(|column| columns.ended.contains(&column)), ..Self::ANY }
            }
            _ => Self::ANY,
        }
    }

    fn compared(column: &str, op: Operator, value: &ScalarValue, columns: Columns) -> Self {
        // NULL is neither equal nor unequal to anything.
        use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
        let ended = matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq);
        let any = Self { ended: ended && columns.ended.contains(&column), ..Self::ANY };
        match (column, op) {
            ("process_id", Operator::Eq) => Self { processes: id(value), ..any },
            ("stream_id", Operator::Eq) => Self { streams: id(value), ..any },
            ("thread", Operator::Eq) if columns.thread => Self { threads: text(value), ..any },
            _ if columns.times.contains(&column) => {
                let Some(at) = times(value) else { return any };
                let times = match op {
                    Operator::Eq => at,
                    Operator::Gt => TimeRange { from: at.from.saturating_add(1), to: UnixNanos::MAX },
                    Operator::GtEq => TimeRange { to: UnixNanos::MAX, ..at },
                    Operator::Lt => TimeRange { from: UnixNanos::MIN, to: at.to.saturating_sub(1) },
                    Operator::LtEq => TimeRange { from: UnixNanos::MIN, ..at },
                    _ => return any,
                };
                Self { times, ..any }
            }
            _ => any,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            processes: both(self.processes, other.processes),
            streams: both(self.streams, other.streams),
            threads: both(self.threads, other.threads),
            times: TimeRange { from: self.times.from.max(other.times.from), to: self.times.to.min(other.times.to) },
            ended: self.ended || other.ended,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            processes: either(self.processes, other.processes),
            streams: either(self.streams, other.streams),
            threads: either(self.threads, other.threads),
            times: TimeRange { from: self.times.from.min(other.times.from), to: self.times.to.max(other.times.to) },
            ended: self.ended && other.ended,
        }
    }
}

fn both<T: Ord + Clone>(left: Option<BTreeSet<T>>, right: Option<BTreeSet<T>>) -> Option<BTreeSet<T>> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.intersection(&right).cloned().collect()),
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
        Expr::Cast(cast) => under_cast(&cast.expr, cast.field.data_type()),
        Expr::TryCast(cast) => under_cast(&cast.expr, cast.field.data_type()),
        _ => None,
    }
}

/// A time under two casts may have been rounded by the inner one, which the unit of the literal no longer shows.
fn under_cast<'a>(inner: &'a Expr, kind: &DataType) -> Option<&'a str> {
    match kind {
        DataType::Timestamp(..) if !matches!(inner, Expr::Column(_)) => None,
        kind if keeps_meaning(kind) => column(inner),
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

/// The one text, or none at all for NULL, which nothing equals. `None` when the value is no text.
fn text(value: &ScalarValue) -> Option<BTreeSet<String>> {
    Some(value.try_as_str()?.map(str::to_owned).into_iter().collect())
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
