//! Records logs, metrics, spans and frames of programs that do a great deal every frame, cheaply enough to leave it on.
//!
//! ```standalone_crate
//! // main.rs
//! fn main() -> Result<(), framelake::Error> {
//! #   framelake::__private::example();
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
//! # Logs
//! [`fatal!`], [`error!`], [`warn!`], [`info!`], [`debug!`], [`trace!`], and [`log!`] where the level is a value. Numbers, flags, characters and strings are stored
//! as they are and put into the format string when somebody asks, exactly as `format!` would; so each line has its arguments as columns, too. Fields have names.
//!
//! ```
//! # let (player, map) = (7_u64, "castle");
//! framelake::info!("{player} joined {map}");
//! framelake::warn!(player, reason = "timeout", "left {map}");
//! ```
//!
//! # Spans
//! [`span!`] for a scope, [`span_guard!`] for a value, [`instrument`](macro@instrument) for a function; they nest within their thread. [`async_span!`] is for
//! what moves between threads: an [`AsyncSpan`] can be sent, and [`Instrument`] puts a future into one. Both take fields, and names known only at run time.
//!
//! ```
//! use framelake::Instrument as _;
//!
//! #[framelake::instrument(fields(agents = agents.len()))]
//! fn update(agents: &[String]) {
//!     for agent in agents {
//!         framelake::span!(name: agent, length = agent.len());
//!     }
//! }
//!
//! // The span lasts as long as the future, on whatever thread it is polled, and those that begin in it are its children.
//! #[framelake::instrument]
//! async fn load(path: &str) -> usize {
//!     async { path.len() }.instrument(framelake::async_span!("measure", path)).await
//! }
//! # update(&["Ada".to_owned()]);
//! # let _ = load("a.png");
//! ```
//!
//! # Metrics
//! [`metric!`], or [`gauge!`]: an integer or a float, its unit, and perhaps tags or a [`PropertySet`]. [`counter!`] and [`histogram!`] are added up in their thread:
//! what goes out is a row for each second.
//!
//! ```
//! framelake::metric!("frame_time", "ms", 16.6);
//! framelake::gauge!("players", "1", 12, map = "castle");
//! framelake::counter!("shots", "1", 1);
//! framelake::histogram!("ping", "ms", 23.5);
//! ```
//!
//! # Frames and files
//! [`frame!`] marks where a frame ends and the next begins. [`attach`] records a file whole, such as a screenshot, and returns the number that it has, or an
//! error where nothing is recorded, or there is no room for it.
//!
//! ```
//! # let png: Vec<u8> = vec![];
//! framelake::frame!();
//! if let Ok(number) = framelake::attach("frame 569.png", "image/png", png) {
//!     framelake::warn!("frame 569 was late, see attachment {number}");
//! }
//! ```
//!
//! # What is recorded, and where it goes
//! [`start`] takes the defaults, a [`Builder`] all that can be said otherwise, and variables of the environment win over both. A [filter](Builder::filter) says
//! which levels, and whether spans and metrics, for each part of the program; [`set_filter`] changes it while the program runs. [`flush`] waits until the server
//! has what was recorded so far; [`Guard::shutdown`] says what became of everything.
//!
//! ```standalone_crate
//! # framelake::__private::example();
//! # use std::time::Duration;
//! let guard = framelake::Builder::new()
//!     .app("my-game")
//!     .property("map", "castle")
//!     .filter("info,my_game::physics=debug,spans:audio=off")?
//!     .start()?;
//! framelake::set_filter("warn")?;
//! let arrived = framelake::flush(Duration::from_secs(1));
//! let report = guard.shutdown();
//! # Ok::<(), framelake::Error>(())
//! ```
//!
//! # Crashes
//! [`Builder::crash_safe`] has a kill, an abort or a stack overflow take next to nothing with it: the next start of the program sends what is left. For programs
//! that are not started again [`recover`](fn@recover) puts that into a spool. On Unix and Windows.
//!
//! ```standalone_crate
//! # framelake::__private::example();
//! # let spool = std::env::temp_dir().join(format!("framelake-example-{}", std::process::id()));
//! let _framelake = framelake::Builder::new()
//!     .app("my-game")
//! #   .spool(&spool)
//!     .crash_safe(true)
//!     .start()?;
//! # drop(_framelake);
//! # let _ = std::fs::remove_dir_all(spool);
//! # Ok::<(), framelake::Error>(())
//! ```
//!
//! # Sampling
//! [`Builder::keep_slow_frames`] keeps the spans of slow frames alone, here of those that take twice the median or more; all else is kept as ever. What is left
//! out is counted as [`sampled`](StreamReport::sampled), which is no loss.
//!
//! ```standalone_crate
//! # framelake::__private::example();
//! let _framelake = framelake::Builder::new().app("my-game").keep_slow_frames(2.0).start()?;
//! # Ok::<(), framelake::Error>(())
//! ```
//!
//! # Control
//! `framelake control set "info,spans:physics=off"` tells running programs what to record; what the server says takes the place of their own filter until it
//! says nothing more. [`Builder::server_control`] is how a program does not obey.
//!
//! ```standalone_crate
//! # framelake::__private::example();
//! let _framelake = framelake::Builder::new().app("my-game").server_control(false).start()?;
//! # Ok::<(), framelake::Error>(())
//! ```
//!
//! # The system, and other crates
//! [`Builder::system_metrics`] measures process and machine. Features, none of them on by default, take in what is recorded with other crates.
//!
//! `tracing`: [spans and events](https://docs.rs/tracing), by a subscriber or by a layer beside others.
#![cfg_attr(feature = "tracing", doc = "See [`tracing`](mod@tracing).")]
//!
//! ```standalone_crate
//! # #[cfg(feature = "tracing")] {
//! tracing::subscriber::set_global_default(framelake::tracing::subscriber())?;
//! tracing::info_span!("load", map = "castle").in_scope(|| tracing::info!(bodies = 2_000, "loaded"));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `log`: [lines](https://docs.rs/log), with their key-values.
#![cfg_attr(feature = "log", doc = "See [`log`](mod@log).")]
//!
//! ```standalone_crate
//! # #[cfg(feature = "log")] {
//! framelake::log::init();
//! log::info!(bodies = 2_000; "moved");
//! # }
//! ```
//!
//! `metrics`: [counters, gauges and histograms](https://docs.rs/metrics), added up in their thread.
#![cfg_attr(feature = "metrics", doc = "See [`metrics`](mod@metrics).")]
//!
//! ```standalone_crate
//! # #[cfg(feature = "metrics")] {
//! metrics::set_global_recorder(framelake::metrics::recorder())?;
//! metrics::counter!("requests", "path" => "/a").increment(1);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `tokio`: [a runtime's](https://docs.rs/tokio) threads, queues and tasks, measured each period of [`Builder::system_metrics`].
#![cfg_attr(feature = "tokio", doc = "See [`tokio`](mod@tokio).")]
//!
//! ```standalone_crate
//! # #[cfg(feature = "tokio")] {
//! let mut builder = tokio::runtime::Builder::new_multi_thread();
//! let runtime = framelake::tokio::hooks(builder.enable_all(), "worker").build()?;
//! framelake::tokio::watch(runtime.handle(), "main");
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What it costs and what it keeps
//! An event reads the processor's counter and stores some 8-byte words in its thread's own buffer, one for the end of a span, two for its begin or a static line, one more for each
//! number: no lock, no allocation, no system call. Only what has nothing but a `Display` or `Debug` is formatted there and then, straight into the buffer. A counter or a
//! histogram does not even read the counter. An attachment is copied behind a lock. A background thread drains all buffers every second, makes blocks of them
//! and sends them. What is filtered, and every event before [`start`] and after the [`Guard`] is dropped, costs a load and a branch.
//!
//! Memory has a [budget](Builder::memory_budget). While the server is away blocks wait in memory, then on disk in the
//! [spool](Builder::spool); when that is used up too, spans go before metrics before attachments before logs. What cannot be sent before the end of the program waits
//! there for the next run. What is lost is counted, by stream, and the count can be queried. The feature `off` compiles all of it to nothing.
//!
//! [Filters](Builder::filter) say which events are recorded at all, by kind, level and target; the program, its environment and the
//! [server](Builder::server_control) set them. [Sampling](Builder::keep_slow_frames) keeps the spans of slow frames alone. Neither counts as loss.
//!
//! What was recorded is sent when the guard is dropped, on `std::process::exit` (Unix), and before a panic goes on. A signal that ends the
//! process takes the last period with it: handle it, and call [`flush`] or drop the guard, or record [crash-safe](Builder::crash_safe): then the next start of
//! the program, or [`recover`](fn@recover), sends what a kill, an abort or a stack overflow left.
//!
//! # What it is not
//! Not for signal handlers: an event recorded there may overwrite one half written. A [`Span`] stays on its thread: what is held across an await in a task that
//! moves is an [`AsyncSpan`].
//!
//! # What stays
//! What stands on this page keeps its name and meaning until version 1 and from there on as semantic versioning has it. `__private` is what the macros expand to and
//! changes with any release, and so does [`transport`], but for what [`Builder::deliver_by`] needs.
//!
//! Features: `http` (the default) sends to a gateway, `tls` does to `https://`, `kafka` sends straight to Kafka, `off` leaves nothing; `tracing`, `log`,
//! `metrics` and `tokio` are [told above](#the-system-and-other-crates).

mod aggregate;
mod arg;
mod attachment;
mod buffer;
mod builder;
mod chunk;
mod clock;
mod control;
#[cfg_attr(not(unix), allow(dead_code, reason = "only on Unix a process forks"))]
mod crash;
mod dictionary;
mod environment;
mod error;
mod event;
mod filter;
mod instrument;
mod interop;
mod level;
#[cfg(all(test, loom))]
mod loom_tests;
#[cfg_attr(test, macro_use)]
mod macros;
#[cfg_attr(not(unix), allow(dead_code, reason = "only on Unix a process forks"))]
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
mod sampling;
mod server_control;
mod session;
mod settings;
mod site;
mod stream;
mod sync;
mod system;
#[cfg_attr(
    all(feature = "log", not(feature = "tracing")),
    allow(dead_code, reason = "`Found::count` and `Found::none`: only of `tracing` a field may have no value")
)]
mod text;
mod thread;
mod wake;
mod worker;

/// Held by tests that record: a process has one recording at a time.
#[cfg(test)]
static RECORDS: std::sync::Mutex<()> = std::sync::Mutex::new(());

// Behind the macros that it uses.
#[cfg(all(test, not(loom)))]
mod hot_path_tests;

pub use attachment::{NotAttached, attach};
pub use builder::{Builder, start};
pub use error::{Error, Result};
pub use framelake_macros::instrument;
pub use framelake_transport as transport;
pub use framelake_wire::{ProcessId, StreamId, StreamKind};
pub use instrument::{InCurrentSpan, Instrument, Instrumented};
#[cfg(feature = "log")]
pub use interop::log;
#[cfg(feature = "metrics")]
pub use interop::metrics;
#[cfg(feature = "tokio")]
pub use interop::tokio;
#[cfg(feature = "tracing")]
pub use interop::tracing;
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
    pub use crate::arg::{ArgValue, Args, Formatted, Probe, ProbeFormatted, ProbeRaw, ProbeShown, Raw, Str, Visit};
    pub use crate::record::{frame, log, log_args, log_formatted, log_on, metric, metric_args, on};
    pub use crate::settings::example;
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
