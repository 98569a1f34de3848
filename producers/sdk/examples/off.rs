//! Every macro in one function, for `cargo xtask off`: with the feature `off` nothing is left of it.
//!
//! `cargo build --release --example off -p framelake --features off`

use framelake::Instrument as _;
use std::fmt;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Waker};

/// What only knows how to print itself.
struct Foreign;

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("marked-for-absence")
    }
}

#[inline(never)]
fn every_macro(number: u64, text: &str, foreign: &Foreign) {
    framelake::fatal!("marked-for-absence");
    framelake::error!(code = number, "marked-for-absence {text}");
    framelake::warn!("marked-for-absence {} {}", number, foreign);
    framelake::info!(target: "marked-for-absence", "{number:>8} {foreign}");
    framelake::debug!(text, %foreign, "marked-for-absence");
    framelake::trace!("{}", 1.5);
    framelake::log!(framelake::Level::Info, "marked-for-absence {number}");
    framelake::metric!("marked-for-absence", "1", number);
    framelake::metric!("marked-for-absence", "1", 0.5, text = text, %foreign);
    framelake::gauge!("marked-for-absence", "1", number);
    framelake::counter!("marked-for-absence", "1", number);
    framelake::histogram!("marked-for-absence", "ms", 0.5);
    framelake::frame!();
    framelake::span!("marked-for-absence");
    framelake::span!("marked-for-absence", number, %foreign);
    framelake::span!(name: foreign, text = text);
    drop(framelake::span_guard!("marked-for-absence"));
    drop(framelake::async_span!("marked-for-absence", number));
    let _ = framelake::attach("marked-for-absence", "text/plain", text.as_bytes());
    function(number);
    let _ = pin!(future(number)).poll(&mut Context::from_waker(Waker::noop()));
    let _ = pin!(async {}.instrument(framelake::async_span!("marked-for-absence")))
        .poll(&mut Context::from_waker(Waker::noop()));
}

#[framelake::instrument(args)]
fn function(number: u64) {}

#[framelake::instrument]
async fn future(_number: u64) {}

fn main() -> Result<(), framelake::Error> {
    let _framelake = framelake::start("off")?;
    black_box(every_macro as fn(u64, &str, &Foreign))(1, "text", &Foreign);
    Ok(())
}
