//! Blocks, ids and clock samples, and their bytes on the wire.
