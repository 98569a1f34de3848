//! Parameters of prepared statements: what is announced, what is bound.

use super::error;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use tonic::Status;

/// The types that a plan's parameters `$1`, `$2`, … must have; `None` where the statement leaves it open.
pub(super) struct Parameters(Vec<Option<DataType>>);

impl Parameters {
    pub(super) fn of(plan: &LogicalPlan) -> Result<Self, Status> {
        let mut types: Vec<Option<DataType>> = Vec::new();
        for (name, kind) in plan.get_parameter_types().map_err(error::status)? {
            let number =
                name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok()).filter(|&number| number > 0);
            // 65,535 is what PostgreSQL allows.
            let Some(number) = number.filter(|&number| number <= 65_535) else {
                return Err(Status::invalid_argument(format!("cannot bind parameter {name}; write ? or $1, $2, …")));
            };
            if types.len() < number {
                types.resize(number, None);
            }
            let kind = kind.or_else(|| found_in_use(plan, &name));
            types[number - 1] = kind.map(|kind| value_type(&kind));
        }
        Ok(Self(types))
    }

    /// As clients can bind them: text where the type is open, timestamps in milliseconds (JDBC's `setTimestamp` writes those whatever is announced).
    pub(super) fn schema(&self) -> Schema {
        let fields: Vec<Field> = self
            .0
            .iter()
            .enumerate()
            .map(|(index, kind)| Field::new(format!("${}", index + 1), announced(kind.as_ref()), true))
            .collect();
        Schema::new(fields)
    }

    /// `plan` with NULLs for parameters: its schema is what the statement will answer.
    pub(super) fn bind_nulls(&self, plan: LogicalPlan) -> Result<LogicalPlan, Status> {
        let nulls = self
            .0
            .iter()
            .map(|kind| ScalarValue::try_from(kind.as_ref().unwrap_or(&DataType::Utf8)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(error::status)?;
        self.replace(plan, nulls)
    }

    /// `plan` with the values of `row`; their number must be right, and each must fit its type.
    pub(super) fn bind(&self, plan: LogicalPlan, row: Option<&RecordBatch>) -> Result<LogicalPlan, Status> {
        let given = row.map_or(0, RecordBatch::num_columns);
        if given != self.0.len() {
            return Err(Status::invalid_argument(format!(
                "the statement has {} parameters and {given} are bound; bind each of them",
                self.0.len()
            )));
        }
        let Some(row) = row else { return Ok(plan) };
        let values = self
            .0
            .iter()
            .zip(row.columns())
            .enumerate()
            .map(|(index, (kind, column))| {
                let value = ScalarValue::try_from_array(column, 0).map_err(error::status)?;
                let kind = kind.clone().unwrap_or_else(|| value_type(&value.data_type()));
                value.cast_to(&kind).map_err(|error| {
                    let reason = error::status(error);
                    Status::invalid_argument(format!(
                        "parameter ${} does not fit {kind}: {}",
                        index + 1,
                        reason.message()
                    ))
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.replace(plan, values)
    }

    fn replace(&self, plan: LogicalPlan, values: Vec<ScalarValue>) -> Result<LogicalPlan, Status> {
        if values.is_empty() {
            return Ok(plan);
        }
        plan.with_param_values(values).map_err(error::status)
    }
}

/// DataFusion infers types from comparisons only; JDBC needs them to bind a number where `CAST(? AS DOUBLE)` or `LIMIT ?` stands.
fn found_in_use(plan: &LogicalPlan, name: &str) -> Option<DataType> {
    let is_it = |expr: &Expr| matches!(expr, Expr::Placeholder(placeholder) if placeholder.id == name);
    let mut found = None;
    let visited = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node
            && [&limit.skip, &limit.fetch].into_iter().flatten().any(|expr| is_it(expr))
        {
            found = Some(DataType::Int64);
            return Ok(TreeNodeRecursion::Stop);
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                let kind = match expr {
                    Expr::Cast(cast) if is_it(&cast.expr) => cast.field.data_type(),
                    Expr::TryCast(cast) if is_it(&cast.expr) => cast.field.data_type(),
                    _ => return Ok(TreeNodeRecursion::Continue),
                };
                found = Some(kind.clone());
                Ok(TreeNodeRecursion::Stop)
            })
        })
    });
    visited.ok().and(found)
}

fn value_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Dictionary(_, value) => value_type(value),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}

fn announced(kind: Option<&DataType>) -> DataType {
    match kind {
        None | Some(DataType::Null) => DataType::Utf8,
        Some(DataType::Timestamp(_, zone)) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        Some(other) => other.clone(),
    }
}
