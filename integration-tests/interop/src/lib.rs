//! Only tests: see `tests`, and the README's lines of Rust, which must build.
#![doc = include_str!("../../../README.md")]
