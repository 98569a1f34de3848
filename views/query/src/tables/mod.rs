//! The tables: row views, and what the catalog knows.

mod block_scan;
mod blocks;
mod catalog_table;
mod dead_letters;
mod decode_errors;
mod log_gaps;
mod narrow;
mod parquet_scan;
mod processes;
mod row_view;
#[cfg(test)]
mod sample;
mod streams;

pub(crate) use parquet_scan::register_objects;

use crate::engine::Shared;
use catalog_table::CatalogTable;
use datafusion::catalog::TableProvider;
use row_view::RowViewTable;
use std::sync::Arc;

/// Every table with its name.
pub(crate) fn all(shared: &Arc<Shared>) -> Vec<(&'static str, Arc<dyn TableProvider>)> {
    let mut tables: Vec<(&'static str, Arc<dyn TableProvider>)> = vec![
        ("processes", CatalogTable::new(processes::Processes, shared)),
        ("streams", CatalogTable::new(streams::Streams, shared)),
        ("blocks", CatalogTable::new(blocks::Blocks, shared)),
        ("dead_letters", CatalogTable::new(dead_letters::DeadLetters, shared)),
        ("log_gaps", CatalogTable::new(log_gaps::LogGaps, shared)),
        ("decode_errors", CatalogTable::new(decode_errors::DecodeErrors, shared)),
    ];
    for view in framelake_definitions::ALL {
        tables.push((view.name(), Arc::new(RowViewTable::new(view, shared))));
    }
    tables
}
