//! Whole-flow scenarios.
