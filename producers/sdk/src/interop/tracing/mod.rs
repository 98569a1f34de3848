//! Spans and events of the [`tracing`](https://docs.rs/tracing) crate, with their fields (feature `tracing`).
//!
//! [`subscriber`] takes the place of `tracing`'s own registry and is the fast way; [`layer`] stands beside other layers.
//!
//! ```standalone_crate
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # framelake::__private::example();
//! let _framelake = framelake::start("my-game")?;
//! tracing::subscriber::set_global_default(framelake::tracing::subscriber())?;
//! tracing::info_span!("load", map = "castle").in_scope(|| tracing::info!(bodies = 2_000, "loaded"));
//! # Ok(())
//! # }
//! ```
//!
//! - An **event** is a log line: its message the message, its fields the arguments. Without a message the fields are the message.
//! - Each time a **span** is entered, until it is exited, is a row of `thread_spans` with the fields known by then.
//! - A span that is entered more than once (a future that was awaited) or never also has one row in `async_spans`, from when it was made until it was closed,
//!   with the fields known in the end; so has one whose fields were recorded too late for any row of `thread_spans`. The spans around it, as far as they are
//!   still open, have one too, so that it has its parent. The first such span of a call site begins in `async_spans` when it was first entered, not when it was
//!   made: until then the clock is not read for that.
//!
//! Numbers, `bool` and strings are stored as they are, everything else as the text that it prints. What has more than 16 fields keeps 15, and the others as one
//! text `a=1 b=2` under the name `...`. Framelake's [filter](crate::Builder::filter) says what is recorded: events by level and target, spans by target alone.
//!
//! Not kept: `follows_from`, and the span in which an event happened where that is not the one entered on its thread. Spans exited in another order than
//! entered end in `thread_spans` once those within them have.

mod fields;
mod layer;
mod site;
mod span;
mod subscriber;

pub use layer::{Layer, layer};
pub use subscriber::{Subscriber, subscriber};

/// Where framelake's filter changed: `tracing` keeps for each of its call sites whether anybody wants it.
pub(crate) fn renew() {
    tracing_core::callsite::rebuild_interest_cache();
}

/// Whether `tracing` has a call site in that place: then a line from there is one of its events once more.
#[cfg(feature = "log")]
pub(crate) fn knows(file: &str, line: u32) -> bool {
    site::any(|metadata| metadata.line() == Some(line) && metadata.file() == Some(file))
}
