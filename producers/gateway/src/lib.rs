//! Accepts records over HTTP and appends them to the log.
