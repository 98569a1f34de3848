//! Segments and the catalog.
