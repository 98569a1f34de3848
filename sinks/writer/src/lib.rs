//! The sink worker: from the log to segments and catalog.
