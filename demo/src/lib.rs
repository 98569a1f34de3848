//! The game that framelake demo watches.
