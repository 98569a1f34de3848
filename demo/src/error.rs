//! Why the game did not run to its end.

use std::io;
use std::path::PathBuf;

/// Why the game did not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Recording could not be started.
    #[error(transparent)]
    Recorder(#[from] framelake::Error),
    /// A thread could not be started.
    #[error("cannot start a thread of the game; raise the limit on threads (ulimit -u): {0}")]
    Spawn(#[source] io::Error),
    /// A thread of the game ended early, by a panic that was printed.
    #[error("the game's {name} thread is gone; its panic stands above")]
    Thread {
        /// The thread.
        name: &'static str,
    },
    /// Ctrl-C and SIGTERM could not be watched for.
    #[error("cannot watch for signals: {0}")]
    Signals(#[source] io::Error),
    /// The report could not be written.
    #[error("cannot write the report {path}; choose a writable path: {source}")]
    Report {
        /// Where it should have gone.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}
