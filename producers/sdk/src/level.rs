//! How urgent a log line is.

use crate::{Error, Result};
use std::str::FromStr;

/// How urgent a log line is, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// The program cannot go on.
    Fatal = 1,
    /// Something failed.
    Error = 2,
    /// Something is not as it should be.
    Warn = 3,
    /// Something happened that people want to know.
    Info = 4,
    /// For those who look into this part of the program.
    Debug = 5,
    /// Every step.
    Trace = 6,
}

/// Which log lines are recorded: those up to a level, or none.
pub(crate) fn parse(text: &str) -> Result<Option<Level>> {
    match text.trim().to_ascii_lowercase().as_str() {
        "off" => Ok(None),
        other => other.parse().map(Some),
    }
}

impl FromStr for Level {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text.trim().to_ascii_lowercase().as_str() {
            "fatal" => Level::Fatal,
            "error" => Level::Error,
            "warn" => Level::Warn,
            "info" => Level::Info,
            "debug" => Level::Debug,
            "trace" => Level::Trace,
            _ => return Err(Error::Level { text: text.to_owned() }),
        })
    }
}
