//! Decodes blocks to the rows of each SQL table.
