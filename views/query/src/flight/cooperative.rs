//! Joins that can be stopped.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use std::sync::Arc;

/// Wraps every node that has several inputs, so that it gives the runtime its turn.
///
/// DataFusion counts what leaves the scans. A join can make millions of rows of one scanned batch without asking for another, and nothing in it then sees that
/// its query was cancelled: one ran on for 797 s after its client had gone. Counting what leaves the join as well ends it within 0.1 s. What stays inside one
/// node's step cannot be helped here: a nested-loop join whose filter passes nothing goes through a whole batch first, which took up to 4 s.
pub fn wrap_nodes_with_several_inputs(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        if node.children().len() < 2 {
            return Ok(Transformed::no(node));
        }
        Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>))
    })
    .map(|transformed| transformed.data)
}
