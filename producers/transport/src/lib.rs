//! Carries sealed blocks from a program to Framelake.
