//! Why recording could not be started.

/// The result of starting.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why recording could not be started. Once started, nothing is returned as an error: what cannot be recorded or sent is counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// One recording at a time.
    #[error("framelake records already in this process; keep the guard that the first start returned")]
    AlreadyStarted,
    /// The process was forked off one that records.
    #[error(
        "this process was forked off one that records, and shares its state; start another program instead, or fork before recording starts"
    )]
    Forked,
    /// Where to send to is not understood.
    #[error(transparent)]
    Transport(#[from] framelake_transport::Error),
    /// Not a level.
    #[error("{text:?} is not a level; give off, fatal, error, warn, info, debug or trace")]
    Level {
        /// What was given.
        text: String,
    },
    /// Not a rule of a filter.
    #[error(
        "{text:?} is not a rule of a filter; give a level or off for log lines (info, net=debug), on or off for others (spans:physics=off, metrics:on)"
    )]
    Filter {
        /// The rule.
        text: String,
    },
    /// Neither on nor off.
    #[error("FRAMELAKE_SERVER_CONTROL is {text:?}; give on or off")]
    ServerControl {
        /// What was given.
        text: String,
    },
    /// Not a number of medians.
    #[error(
        "{text:?} is not how many medians a slow frame takes; give 1 to 1000, such as 3, or set FRAMELAKE_KEEP_SLOW_FRAMES=off"
    )]
    KeepSlowFrames {
        /// What was given.
        text: String,
    },
    /// Not a duration.
    #[error("{text:?} is not a drain period; give 10ms to 60s, such as 100ms or 1s")]
    DrainPeriod {
        /// What was given.
        text: String,
    },
    /// Not a process id.
    #[error("FRAMELAKE_PARENT_PROCESS is wrong: {0}")]
    ParentProcess(#[source] framelake_wire::Error),
    /// Not key=value pairs.
    #[error("FRAMELAKE_PROPERTIES has {text:?} in it; give key=value pairs with commas in between")]
    Properties {
        /// The part that is not a pair.
        text: String,
    },
    /// Too little to work with.
    #[error("a memory budget of {bytes} bytes is too small; give at least 4 MiB")]
    MemoryBudget {
        /// What was given.
        bytes: usize,
    },
    /// More than its share of the memory budget.
    #[error(
        "attachments cannot have {bytes} bytes of a memory budget of {memory_budget}; give at most an eighth, or a larger memory budget"
    )]
    AttachmentBudget {
        /// What was given.
        bytes: usize,
        /// Of what.
        memory_budget: usize,
    },
    /// Not a number of bytes, or too few.
    #[error("{text:?} is not a budget for the spool; give at least 1 MiB, such as 512MiB, or set FRAMELAKE_SPOOL=off")]
    SpoolBytes {
        /// What was given.
        text: String,
    },
    /// The directory of crash-safe recordings cannot be read.
    #[error(
        "what crashes left in {dir:?} cannot be read: {source}; give the directory of Builder::crash_safe, as the user who ran the program"
    )]
    Recover {
        /// What was given.
        dir: std::path::PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The operating system gave no thread.
    #[error("the background thread could not be started: {0}")]
    Thread(#[source] std::io::Error),
}
