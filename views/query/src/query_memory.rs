//! The memory of one query, within that of all.

use datafusion::{
    common::Result,
    execution::memory_pool::{GreedyMemoryPool, MemoryLimit, MemoryPool, MemoryReservation},
};
use std::{fmt, sync::Arc};

/// Bytes count against the query's own limit and against the one all queries share; whichever is reached first refuses.
#[derive(Debug)]
pub(crate) struct QueryMemory {
    own: GreedyMemoryPool,
    all: Arc<GreedyMemoryPool>,
}

impl QueryMemory {
    pub(crate) fn new(limit: usize, all: Arc<GreedyMemoryPool>) -> Self {
        Self { own: GreedyMemoryPool::new(limit), all }
    }
}

impl MemoryPool for QueryMemory {
    fn name(&self) -> &str {
        "query"
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.own.grow(reservation, additional);
        self.all.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.own.shrink(reservation, shrink);
        self.all.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.own
            .try_grow(reservation, additional)
            .map_err(|error| error.context("the query is over its memory limit; narrow it or raise the limit"))?;
        self.all.try_grow(reservation, additional).map_err(|error| {
            self.own.shrink(reservation, additional);
            error.context("all queries together are over the memory limit; ask again later or raise the limit")
        })
    }

    fn reserved(&self) -> usize {
        self.own.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.own.memory_limit()
    }
}

impl fmt::Display for QueryMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.own, self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::execution::memory_pool::MemoryConsumer;

    #[test]
    fn a_query_stops_at_its_own_limit_and_at_that_of_all() {
        let all = Arc::new(GreedyMemoryPool::new(150));
        let query = || -> Arc<dyn MemoryPool> { Arc::new(QueryMemory::new(100, Arc::clone(&all))) };
        let (first, second) = (query(), query());
        let one = MemoryConsumer::new("one").register(&first);
        let two = MemoryConsumer::new("two").register(&second);

        one.try_grow(90).unwrap();
        let refused = one.try_grow(20).unwrap_err().to_string();
        assert!(refused.contains("the query is over its memory limit"), "{refused}");
        two.try_grow(60).unwrap();
        let refused = two.try_grow(20).unwrap_err().to_string();
        assert!(refused.contains("all queries together"), "{refused}");
        assert_eq!(
            (first.reserved(), second.reserved(), all.reserved()),
            (90, 60, 150),
            "what was refused is not counted"
        );

        drop(one);
        two.try_grow(20).unwrap();
        assert_eq!(all.reserved(), 80);
        drop(two);
        assert_eq!(all.reserved(), 0);
    }
}
