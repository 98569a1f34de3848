//! All who are measured.

mod floor;
mod framelake;

#[cfg(feature = "timing")]
mod fastrace;
#[cfg(feature = "timing")]
mod micromegas;
#[cfg(feature = "timing")]
mod puffin;
#[cfg(feature = "timing")]
mod tracing;
#[cfg(feature = "timing")]
mod tracy;

use crate::Subject;

pub use self::floor::FLOOR;
pub use self::framelake::{FRAMELAKE, FRAMELAKE_OFF, clock_domains};

/// In the order of the result's columns.
#[cfg(feature = "timing")]
pub const ALL: &[Subject] = &[
    FLOOR,
    FRAMELAKE,
    FRAMELAKE_OFF,
    micromegas::MICROMEGAS,
    micromegas::MICROMEGAS_OFF,
    tracing::BRIDGE,
    tracing::REGISTRY,
    tracing::FMT,
    tracing::OFF,
    fastrace::FASTRACE,
    fastrace::FASTRACE_OFF,
    puffin::PUFFIN,
    puffin::PUFFIN_OFF,
    tracy::TRACY,
];

/// In the order of the result's columns.
#[cfg(not(feature = "timing"))]
pub const ALL: &[Subject] = &[FLOOR, FRAMELAKE, FRAMELAKE_OFF];

/// A value whose text only its `Display` knows.
#[derive(Clone, Copy, Debug)]
struct Shown<T>(T);

impl<T: std::fmt::Display> std::fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
