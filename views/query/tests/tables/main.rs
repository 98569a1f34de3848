//! The tables, asked through SQL over real segments and a real catalog.

mod catalog_tables;
mod corrupt;
mod fixture;
mod limits;
mod materialized;
mod open_spans;
mod order;
mod pruning;
mod rows;
