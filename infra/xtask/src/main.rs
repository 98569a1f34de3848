//! Set-up, servers for tests, CI.
fn main() {}
