//! Records logs, metrics, spans and frames of programs that do a great deal every frame, cheaply enough to leave it on.
//!
//! ```no_run
//! // main.rs
//! fn main() -> Result<(), framelake::Error> {
//!     let _framelake = framelake::start("my-game")?;
//!     for tick in 0..600 {
//!         framelake::frame!();
//!         simulate(tick);
//!         framelake::metric!("bodies", "1", 2_000);
//!     }
//!     framelake::info!("played {} ticks", 600);
//!     Ok(())
//! }
//!
//! #[framelake::instrument]
//! fn simulate(tick: u64) {
//!     framelake::span!("physics");
//!     // …
//! }
//! ```
//!
//! - **Logs**: [`fatal!`], [`error!`], [`warn!`], [`info!`], [`debug!`], [`trace!`].
//! - **Metrics**: [`metric!`], integer or float, with a unit and perhaps a [`PropertySet`].
//! - **Spans**: [`span!`] for a scope, [`span_guard!`] for a value, [`instrument`](macro@instrument) for a function.
//! - **Frames**: [`frame!`] marks where one ends and the next begins.
//! - **Attachments**: [`attach`] records a file, such as a screenshot.
//!
//! # What it costs and what it keeps
//! An event reads the processor's counter and stores 8 to 24 bytes in its thread's own buffer: no lock, no allocation, no system call; static
//! lines are not formatted, others straight into the buffer. A background thread drains all buffers every second, makes blocks of them and
//! sends them. Before [`start`], and after the [`Guard`] is dropped, an event costs a load and a branch and is not recorded.
//!
//! Memory has a [budget](Builder::memory_budget). While the server is away blocks wait in memory, then on disk in the
//! [spool](Builder::spool); when that is used up too, spans go before metrics before logs and attachments. What cannot be sent before the end of the program waits
//! there for the next run. What is lost is counted, by stream, and the count can be queried. The feature `off` compiles all of it to nothing.
//!
//! What was recorded is sent when the guard is dropped, on `std::process::exit` (Unix), and before a panic goes on. A signal that ends the
//! process takes the last period with it: handle it, and call [`flush`] or drop the guard, or record [crash-safe](Builder::crash_safe): then the next start of
//! the program, or [`recover`](fn@recover), sends what a kill, an abort or a stack overflow left.
//!
//! # What it is not
//! Not for signal handlers: an event recorded there may overwrite one half written. Not for `async` functions yet: a [`Span`] stays on its thread,
//! so it cannot be held across an await in a task that moves.

mod aggregate;
mod arg;
mod attachment;
mod buffer;
mod builder;
mod chunk;
mod clock;
mod control;
mod crash;
mod dictionary;
mod environment;
mod error;
mod event;
mod filter;
mod instrument;
mod level;
mod macros;
mod mapping;
mod merge;
mod panic;
mod process_info;
mod properties;
mod reader;
mod record;
mod recover;
mod report;
mod sampler;
mod session;
mod settings;
mod site;
mod stream;
mod text;
mod thread;
mod wake;
mod worker;

pub use attachment::{NotAttached, attach};
pub use builder::{Builder, start};
pub use error::{Error, Result};
pub use framelake_macros::instrument;
pub use framelake_transport as transport;
pub use framelake_wire::{ProcessId, StreamId, StreamKind};
pub use instrument::{InCurrentSpan, Instrument, Instrumented};
pub use level::Level;
pub use properties::PropertySet;
pub use record::{AsyncSpan, MetricValue, Span};
pub use recover::{Recovered, recover};
pub use report::{KindStats, Report, Stats, StreamReport};
pub use session::{Guard, adopt, flush, process_id, set_filter, stats};

/// What the macros expand to; not for direct use, and free to change.
#[doc(hidden)]
pub mod __private {
    pub use crate::aggregate::{counter, histogram};
    pub use crate::arg::{ArgValue, Args, ErasedArg, Formatted, Probe, ProbeFormatted, ProbeRaw, Raw, Str};
    pub use crate::record::{frame, log, log_args, log_enabled, log_formatted, log_on, metric, metric_args, on};
    pub use crate::site::CallSite;
    pub use framelake_macros::{__log, __metric, __span};

    /// Whether a format string has neither arguments nor escaped braces.
    #[must_use]
    pub const fn is_plain(format: &str) -> bool {
        let bytes = format.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at] == b'{' || bytes[at] == b'}' {
                return false;
            }
            at += 1;
        }
        true
    }
}
