//! Writes decoded rows through as Parquet and plans what is covered.
