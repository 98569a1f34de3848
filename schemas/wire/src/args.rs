//! Arguments as they were recorded: the value itself, to be formatted when somebody asks.

use std::fmt;

/// One recorded argument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arg<'a> {
    /// There is no value; prints nothing.
    None,
    /// An `i8`. The widths of signed integers are kept, because `{:x}` of a negative one shows its two's complement.
    I8(i8),
    /// An `i16`.
    I16(i16),
    /// An `i32`.
    I32(i32),
    /// An `i64` or `isize`.
    I64(i64),
    /// A `u8`, `u16`, `u32`, `u64` or `usize`: they print alike.
    U64(u64),
    /// An `f32`, kept apart from `f64` because its shortest text is another.
    F32(f32),
    /// An `f64`.
    F64(f64),
    /// A `bool`.
    Bool(bool),
    /// A `char`.
    Char(char),
    /// A string.
    Str(&'a str),
    /// `Display` or `Debug` of another type, already formatted with its whole spec: goes in verbatim.
    Text(&'a str),
}

impl Arg<'_> {
    /// The sort of argument on the wire, in 4 bits.
    #[must_use]
    #[inline]
    pub const fn code(&self) -> u8 {
        match self {
            Arg::None => 0,
            Arg::I8(_) => 1,
            Arg::I16(_) => 2,
            Arg::I32(_) => 3,
            Arg::I64(_) => 4,
            Arg::U64(_) => 5,
            Arg::F32(_) => 6,
            Arg::F64(_) => 7,
            Arg::Bool(_) => 8,
            Arg::Char(_) => 9,
            Arg::Str(_) => 10,
            Arg::Text(_) => 11,
        }
    }
}

/// As `{}` prints the value.
impl fmt::Display for Arg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arg::None => Ok(()),
            Arg::I8(value) => value.fmt(f),
            Arg::I16(value) => value.fmt(f),
            Arg::I32(value) => value.fmt(f),
            Arg::I64(value) => value.fmt(f),
            Arg::U64(value) => value.fmt(f),
            Arg::F32(value) => value.fmt(f),
            Arg::F64(value) => value.fmt(f),
            Arg::Bool(value) => value.fmt(f),
            Arg::Char(value) => value.fmt(f),
            Arg::Str(value) | Arg::Text(value) => value.fmt(f),
        }
    }
}
