//! Whole-flow scenarios against the real binary: what they need to start servers and producers, to kill them, and to compare what was emitted with
//! what SQL sees.

#![allow(missing_docs, reason = "a harness for the tests beside it, not an API")]

mod compare;
mod deployment;
mod producer;
mod proxy;
mod server;

pub use compare::{Differences, settle};
pub use deployment::Deployment;
pub use producer::{Emitted, EmittedStream, Load, Producer};
pub use proxy::Proxy;
pub use server::Server;

/// The value of a variable that `cargo xtask ci` sets. `None` means that the test cannot run here: it says so and passes, unless
/// `FRAMELAKE_TEST_REQUIRED` is set, as it is in CI, where a missing server is a failure.
///
/// # Panics
/// The variable is missing in CI.
#[must_use]
pub fn required(variable: &str) -> Option<String> {
    let value = std::env::var(variable).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        assert!(
            std::env::var_os("FRAMELAKE_TEST_REQUIRED").is_none(),
            "{variable} is not set; `cargo xtask ci` sets it"
        );
        eprintln!("skipped: {variable} is not set; `cargo xtask ci` runs this test with everything it needs");
    }
    value
}
