//! When to stop early: Ctrl-C, SIGTERM, or the parent's end of standard input.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::{Error, Options, workers};

/// A flag that becomes true when the game shall stop. It then ends its frame, sends what it recorded and writes its report.
pub(crate) fn watch(options: &Options) -> Result<Arc<AtomicBool>, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Registered first, so that it sees the flag of an earlier signal only: the second one ends a wait for a server that does not answer.
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))
            .map_err(Error::Signals)?;
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(Error::Signals)?;
    }
    if options.stop_at_end_of_input {
        let stop = Arc::clone(&stop);
        // Not joined: it may wait for input until the process ends.
        workers::spawn("stop-watch", move || {
            wait_for_end(io::stdin());
            stop.store(true, Ordering::Relaxed);
        })?;
    }
    Ok(stop)
}

fn wait_for_end(mut input: impl Read) {
    let mut ignored = [0u8; 256];
    loop {
        match input.read(&mut ignored) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
            _ => {}
        }
    }
}
