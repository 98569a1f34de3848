//! The ordered, partitioned, replayable log.
