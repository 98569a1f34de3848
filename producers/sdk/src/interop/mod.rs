//! What others record with: their spans, events, lines and measurements become Framelake's. Each is a feature, and none is on by default.

#[cfg(any(feature = "tracing", feature = "log"))]
mod lines;
#[cfg(feature = "log")]
pub mod log;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "tracing")]
pub mod tracing;
