//! Records logs, metrics and spans of programs that do a great deal every frame.
