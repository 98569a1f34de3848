//! Arrow schemas of Framelake's SQL tables.
