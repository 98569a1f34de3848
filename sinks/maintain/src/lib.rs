//! Removes orphans and keeps the data directory within its bounds.
