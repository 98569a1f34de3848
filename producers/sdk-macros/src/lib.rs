//! Attribute macros of the Framelake SDK.
