//! The row views: what rows a block yields in each SQL table. No IO, no SQL engine.
//!
//! A view is a folder with the same shape as the others: its definition in `mod.rs`, its rows in `rows.rs`. Adding one is copying a folder and adding a
//! line to [`ALL`].
//!
//! ```
//! use framelake_definitions::{by_name, RowView};
//! let spans = by_name("thread_spans").unwrap();
//! assert_eq!(spans.sort_column(), "begin");
//! ```

mod columns;
mod projection;
#[cfg(test)]
mod sample;
mod view;

pub mod async_spans;
pub mod attachments;
pub mod frames;
pub mod log_entries;
pub mod measures;
pub mod thread_spans;

pub use columns::thread_name;
pub use projection::Projection;
pub use view::{BATCH_ROWS, RowView, Rows, ScopeRule, batches, next_batch};

/// Every row view.
pub static ALL: [&dyn RowView; 6] = [
    &log_entries::LogEntries,
    &measures::Measures,
    &thread_spans::ThreadSpans,
    &async_spans::AsyncSpans,
    &frames::Frames,
    &attachments::Attachments,
];

/// The row view of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static dyn RowView> {
    ALL.into_iter().find(|view| view.name() == name)
}
