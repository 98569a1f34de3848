//! The framelake binary.
fn main() {}
