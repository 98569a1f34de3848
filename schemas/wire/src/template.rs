//! Format strings with their arguments put in later, byte for byte as `format!` would have.
//!
//! Placeholders refer to the recorded arguments: `{}` counts through them in order, `{2}` is the third, `{map}` the first of that name; widths
//! and precisions (`{:>2$}`, `{:.digits$}`, `{:.*}`) likewise. The grammar is that of [`std::fmt`], over the types that an [`Arg`] can have.
//!
//! Nothing panics, because templates and arguments come from outside. A placeholder that cannot be filled (no such argument, a spec that its type
//! does not have, a width that is no number) prints itself as written.

use crate::Arg;
use std::fmt::{self, Write as _};
use std::ops::Range;

/// No text gets longer than this by much: 1 MiB, twice what 16 arguments of 32 KiB can fill. A short template could name a long argument a thousand times.
const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Ends a text that was cut.
const CUT: &str = "…";

/// A parsed format string. Parsing costs about as much as rendering: parse once per call site.
///
/// ```
/// use framelake_wire::{Arg, template::Template};
/// let template = Template::parse("{map} has {:>4}", &["count", "map"]);
/// let mut out = String::new();
/// template.render(&mut out, &[Arg::U64(3), Arg::Str("castle")]);
/// assert_eq!(out, "castle has    3");
/// ```
#[derive(Clone, Debug)]
pub struct Template {
    source: Box<str>,
    pieces: Vec<Piece>,
}

/// A part of the source.
#[derive(Clone, Debug)]
enum Piece {
    Literal(Range<usize>),
    Placeholder { written: Range<usize>, argument: usize, spec: Spec },
}

/// What stands behind a placeholder's colon.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spec {
    fill: char,
    align: Option<Align>,
    plus: bool,
    alternate: bool,
    zero: bool,
    width: Option<Count>,
    precision: Option<Count>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Align {
    Left,
    Center,
    Right,
}

/// A width or a precision.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Count {
    Is(u16),
    /// The value of this argument.
    Argument(usize),
}

/// The trait that formats.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Display,
    Debug,
    DebugLowerHex,
    DebugUpperHex,
    LowerHex,
    UpperHex,
    Octal,
    Binary,
    LowerExp,
    UpperExp,
    /// One that no recorded type has, so that only text formatted before can be put in.
    Pointer,
}

impl Template {
    /// Parses a format string whose arguments have these names.
    #[must_use]
    pub fn parse(source: &str, names: &[impl AsRef<str>]) -> Self {
        let mut pieces = Vec::new();
        let mut parser = Parser { source, at: 0, implicit: 0, names };
        let mut literal = 0;
        while let Some(found) = source[parser.at..].find(['{', '}']) {
            let brace = parser.at + found;
            let byte = source.as_bytes()[brace];
            parser.at = brace + 1;
            if source.as_bytes().get(brace + 1) == Some(&byte) {
                // Escaped: the first of the two belongs to the text.
                pieces.push(Piece::Literal(literal..brace + 1));
                parser.at = brace + 2;
                literal = parser.at;
                continue;
            }
            if byte == b'}' {
                continue;
            }
            match parser.placeholder() {
                Some((argument, spec)) => {
                    pieces.push(Piece::Literal(literal..brace));
                    pieces.push(Piece::Placeholder { written: brace..parser.at, argument, spec });
                    literal = parser.at;
                }
                None => parser.at = source[brace..].find('}').map_or(source.len(), |end| brace + end + 1),
            }
        }
        pieces.push(Piece::Literal(literal..source.len()));
        pieces.retain(|piece| !matches!(piece, Piece::Literal(range) if range.is_empty()));
        Self { source: source.into(), pieces }
    }

    /// Appends the text with `args` put in.
    pub fn render(&self, out: &mut String, args: &[Arg<'_>]) {
        let limit = out.len() + TEXT_BYTES_MAX;
        for piece in &self.pieces {
            if out.len() > limit {
                out.push_str(CUT);
                return;
            }
            match piece {
                Piece::Literal(text) => out.push_str(&self.source[text.clone()]),
                Piece::Placeholder { written, argument, spec } => {
                    let begin = out.len();
                    if args.get(*argument).and_then(|arg| put(out, arg, spec, args)).is_none() {
                        out.truncate(begin);
                        out.push_str(&self.source[written.clone()]);
                    }
                }
            }
        }
    }
}

/// Parses and renders in one go. See [`Template`] for more than one line of a call site.
pub fn render(out: &mut String, template: &str, names: &[impl AsRef<str>], args: &[Arg<'_>]) {
    Template::parse(template, names).render(out, args);
}

struct Parser<'a, N> {
    source: &'a str,
    /// Where to go on.
    at: usize,
    /// The argument of the next `{}`.
    implicit: usize,
    names: &'a [N],
}

/// What names an argument.
enum Reference {
    Position(usize),
    /// A name that no argument has.
    Unknown,
}

impl<'a, N: AsRef<str>> Parser<'a, N> {
    /// The rest of a placeholder, after its opening brace. `None` when there is none to be had; the position is then anywhere.
    fn placeholder(&mut self) -> Option<(usize, Spec)> {
        self.skip_space();
        let reference = self.reference();
        self.skip_space();
        let mut spec = Spec::PLAIN;
        let mut precision_from_arguments = false;
        if self.take(':') {
            precision_from_arguments = self.spec(&mut spec)?;
            self.skip_space();
        }
        if !self.take('}') {
            return None;
        }
        if precision_from_arguments {
            spec.precision = Some(Count::Argument(self.next_implicit()));
        }
        match reference {
            Some(Reference::Position(position)) => Some((position, spec)),
            Some(Reference::Unknown) => None,
            None => Some((self.next_implicit(), spec)),
        }
    }

    fn next_implicit(&mut self) -> usize {
        let position = self.implicit;
        self.implicit += 1;
        position
    }

    /// Fills in what stands between the colon and the brace; says whether the precision is the next argument.
    fn spec(&mut self, spec: &mut Spec) -> Option<bool> {
        let mut chars = self.rest().chars();
        if let (Some(fill), Some(align)) = (chars.next(), chars.next().and_then(Align::of)) {
            spec.fill = fill;
            spec.align = Some(align);
            self.at += fill.len_utf8() + 1;
        } else if let Some(align) = self.peek().and_then(Align::of) {
            spec.align = Some(align);
            self.at += 1;
        }
        if self.take('+') {
            spec.plus = true;
        } else {
            // Stands in the grammar and does nothing.
            self.take('-');
        }
        spec.alternate = self.take('#');
        // `0$` is a width: that of the first argument.
        if self.rest().starts_with('0') && !self.rest().starts_with("0$") {
            spec.zero = true;
            self.at += 1;
        }
        spec.width = self.count()?;
        let mut from_arguments = false;
        if self.take('.') {
            from_arguments = self.take('*');
            if !from_arguments {
                spec.precision = self.count()?;
            }
        }
        let (kind, length) = Kind::of(self.rest());
        spec.kind = kind;
        self.at += length;
        Some(from_arguments)
    }

    /// A width or precision, if there is one here; `None` for one that cannot be.
    fn count(&mut self) -> Option<Option<Count>> {
        let begin = self.at;
        if let Some(reference) = self.reference() {
            if self.take('$') {
                return match reference {
                    Reference::Position(position) => Some(Some(Count::Argument(position))),
                    Reference::Unknown => None,
                };
            }
            let written = &self.source[begin..self.at];
            if written.as_bytes()[0].is_ascii_digit() {
                return written.parse().ok().map(|count| Some(Count::Is(count)));
            }
            // A name without `$` is the type.
            self.at = begin;
        }
        Some(None)
    }

    /// A number or a name, if there is one here.
    fn reference(&mut self) -> Option<Reference> {
        let rest = self.rest();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if digits > 0 {
            self.at += digits;
            return Some(rest[..digits].parse().map_or(Reference::Unknown, Reference::Position));
        }
        let name = &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())];
        if name.is_empty() {
            return None;
        }
        self.at += name.len();
        let position = self.names.iter().position(|known| known.as_ref() == name);
        Some(position.map_or(Reference::Unknown, Reference::Position))
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn skip_space(&mut self) {
        self.at = self.source.len() - self.rest().trim_start().len();
    }
}

impl Spec {
    const PLAIN: Spec = Spec {
        fill: ' ',
        align: None,
        plus: false,
        alternate: false,
        zero: false,
        width: None,
        precision: None,
        kind: Kind::Display,
    };
}

impl Align {
    fn of(c: char) -> Option<Self> {
        match c {
            '<' => Some(Align::Left),
            '^' => Some(Align::Center),
            '>' => Some(Align::Right),
            _ => None,
        }
    }
}

impl Kind {
    /// The type that `text` begins with, and its length.
    fn of(text: &str) -> (Self, usize) {
        if text.starts_with("x?") {
            return (Kind::DebugLowerHex, 2);
        }
        if text.starts_with("X?") {
            return (Kind::DebugUpperHex, 2);
        }
        match text.as_bytes().first() {
            Some(b'?') => (Kind::Debug, 1),
            Some(b'x') => (Kind::LowerHex, 1),
            Some(b'X') => (Kind::UpperHex, 1),
            Some(b'o') => (Kind::Octal, 1),
            Some(b'b') => (Kind::Binary, 1),
            Some(b'e') => (Kind::LowerExp, 1),
            Some(b'E') => (Kind::UpperExp, 1),
            Some(b'p') => (Kind::Pointer, 1),
            _ => (Kind::Display, 0),
        }
    }
}

impl Count {
    fn resolve(self, args: &[Arg<'_>]) -> Option<u16> {
        match self {
            Count::Is(count) => Some(count),
            Count::Argument(position) => match *args.get(position)? {
                Arg::I8(value) => value.try_into().ok(),
                Arg::I16(value) => value.try_into().ok(),
                Arg::I32(value) => value.try_into().ok(),
                Arg::I64(value) => value.try_into().ok(),
                Arg::U64(value) => value.try_into().ok(),
                _ => None,
            },
        }
    }
}

/// A [`Spec`] with its numbers known.
struct Flags {
    plus: bool,
    alternate: bool,
    zero: bool,
    width: Option<u16>,
    precision: Option<u16>,
}

/// Appends `arg`; `None` when it cannot be formatted so.
fn put(out: &mut String, arg: &Arg<'_>, spec: &Spec, args: &[Arg<'_>]) -> Option<()> {
    if let Arg::Text(text) = arg {
        out.push_str(text);
        return Some(());
    }
    if *spec == Spec::PLAIN {
        put_plain(out, arg);
        return Some(());
    }
    let flags = Flags {
        plus: spec.plus,
        alternate: spec.alternate,
        zero: spec.zero,
        width: resolve(spec.width, args)?,
        precision: resolve(spec.precision, args)?,
    };
    let begin = out.len();
    let default = match *arg {
        Arg::None => return Some(()),
        Arg::I8(value) => put_integer(out, value.into(), value.cast_unsigned().into(), spec.kind, &flags)?,
        Arg::I16(value) => put_integer(out, value.into(), value.cast_unsigned().into(), spec.kind, &flags)?,
        Arg::I32(value) => put_integer(out, value.into(), value.cast_unsigned().into(), spec.kind, &flags)?,
        Arg::I64(value) => put_integer(out, value, value.cast_unsigned(), spec.kind, &flags)?,
        Arg::U64(value) => put_unsigned(out, value, spec.kind, &flags)?,
        Arg::F32(value) => put_float(out, value, spec.kind, &flags)?,
        Arg::F64(value) => put_float(out, value, spec.kind, &flags)?,
        Arg::Bool(value) => put_str(out, if value { "true" } else { "false" }, spec.kind, &flags)?,
        Arg::Char(value) if spec.kind == Kind::Display => {
            put_str(out, value.encode_utf8(&mut [0; 4]), spec.kind, &flags)?
        }
        Arg::Char(value) if spec.kind.is_debug() => return put_quoted(out, &value),
        Arg::Str(value) if spec.kind == Kind::Display => put_str(out, value, spec.kind, &flags)?,
        Arg::Str(value) if spec.kind.is_debug() => return put_quoted(out, &value),
        Arg::Char(_) | Arg::Str(_) | Arg::Text(_) => return None,
    };
    // Numbers with the flag 0 have their width already, whatever else the spec says.
    if let Some(width) = flags.width
        && !(flags.zero && default == Align::Right)
    {
        pad(out, begin, width, spec.fill, spec.align.unwrap_or(default));
    }
    Some(())
}

/// The count's value, if there is a count; `None` when its argument is not a number that fits.
#[allow(clippy::option_option, reason = "the inner one is what std::fmt has, the outer one the failure")]
fn resolve(count: Option<Count>, args: &[Arg<'_>]) -> Option<Option<u16>> {
    match count {
        None => Some(None),
        Some(count) => count.resolve(args).map(Some),
    }
}

fn put_plain(out: &mut String, arg: &Arg<'_>) {
    match arg {
        Arg::Str(text) => out.push_str(text),
        Arg::Char(value) => out.push(*value),
        _ => {
            let _ = write!(out, "{arg}");
        }
    }
}

/// `Debug` of `char` and `str` knows neither width nor precision.
fn put_quoted(out: &mut String, value: &dyn fmt::Debug) -> Option<()> {
    write!(out, "{value:?}").ok()
}

fn put_str(out: &mut String, text: &str, kind: Kind, flags: &Flags) -> Option<Align> {
    if kind != Kind::Display && !kind.is_debug() {
        return None;
    }
    let end = flags.precision.and_then(|precision| text.char_indices().nth(precision.into()));
    out.push_str(end.map_or(text, |(end, _)| &text[..end]));
    Some(Align::Left)
}

impl Kind {
    fn is_debug(self) -> bool {
        matches!(self, Kind::Debug | Kind::DebugLowerHex | Kind::DebugUpperHex)
    }
}

/// Writes `value` with a fixed type and the flags as they are: `std::fmt` has flags only in literals. The width only counts with the flag 0,
/// which puts the zeros between sign and digits; all other padding is done by [`pad`].
macro_rules! put_flagged {
    ($out:expr, $flags:expr, $value:expr, $kind:literal) => {{
        let (out, value, width) = ($out, $value, usize::from($flags.width.unwrap_or(0)));
        match ($flags.plus, $flags.alternate, $flags.zero) {
            (false, false, false) => write!(out, concat!("{:", $kind, "}"), value),
            (true, false, false) => write!(out, concat!("{:+", $kind, "}"), value),
            (false, true, false) => write!(out, concat!("{:#", $kind, "}"), value),
            (true, true, false) => write!(out, concat!("{:+#", $kind, "}"), value),
            (false, false, true) => write!(out, concat!("{:01$", $kind, "}"), value, width),
            (true, false, true) => write!(out, concat!("{:+01$", $kind, "}"), value, width),
            (false, true, true) => write!(out, concat!("{:#01$", $kind, "}"), value, width),
            (true, true, true) => write!(out, concat!("{:+#01$", $kind, "}"), value, width),
        }
        .ok()?
    }};
}

/// The same for the types that know a precision. The flag `#` says nothing to them.
macro_rules! put_precise {
    ($out:expr, $flags:expr, $value:expr, $kind:literal) => {{
        let (out, value, width) = ($out, $value, usize::from($flags.width.unwrap_or(0)));
        match ($flags.plus, $flags.zero, $flags.precision.map(usize::from)) {
            (false, false, None) => write!(out, concat!("{:", $kind, "}"), value),
            (true, false, None) => write!(out, concat!("{:+", $kind, "}"), value),
            (false, true, None) => write!(out, concat!("{:01$", $kind, "}"), value, width),
            (true, true, None) => write!(out, concat!("{:+01$", $kind, "}"), value, width),
            (false, false, Some(digits)) => write!(out, concat!("{:.1$", $kind, "}"), value, digits),
            (true, false, Some(digits)) => write!(out, concat!("{:+.1$", $kind, "}"), value, digits),
            (false, true, Some(digits)) => write!(out, concat!("{:01$.2$", $kind, "}"), value, width, digits),
            (true, true, Some(digits)) => write!(out, concat!("{:+01$.2$", $kind, "}"), value, width, digits),
        }
        .ok()?
    }};
}

/// A signed integer, which in hexadecimal and the like prints as the `bits` of its own width.
fn put_integer(out: &mut String, value: i64, bits: u64, kind: Kind, flags: &Flags) -> Option<Align> {
    match kind {
        Kind::Display | Kind::Debug => put_flagged!(out, flags, value, ""),
        Kind::LowerExp => put_precise!(out, flags, value, "e"),
        Kind::UpperExp => put_precise!(out, flags, value, "E"),
        _ => return put_unsigned(out, bits, kind, flags),
    }
    Some(Align::Right)
}

fn put_unsigned(out: &mut String, value: u64, kind: Kind, flags: &Flags) -> Option<Align> {
    match kind {
        Kind::Display | Kind::Debug => put_flagged!(out, flags, value, ""),
        Kind::LowerHex | Kind::DebugLowerHex => put_flagged!(out, flags, value, "x"),
        Kind::UpperHex | Kind::DebugUpperHex => put_flagged!(out, flags, value, "X"),
        Kind::Octal => put_flagged!(out, flags, value, "o"),
        Kind::Binary => put_flagged!(out, flags, value, "b"),
        Kind::LowerExp => put_precise!(out, flags, value, "e"),
        Kind::UpperExp => put_precise!(out, flags, value, "E"),
        Kind::Pointer => return None,
    }
    Some(Align::Right)
}

fn put_float<F>(out: &mut String, value: F, kind: Kind, flags: &Flags) -> Option<Align>
where
    F: fmt::Display + fmt::Debug + fmt::LowerExp + fmt::UpperExp,
{
    match kind {
        Kind::Display => put_precise!(out, flags, value, ""),
        Kind::Debug | Kind::DebugLowerHex | Kind::DebugUpperHex => put_precise!(out, flags, value, "?"),
        Kind::LowerExp => put_precise!(out, flags, value, "e"),
        Kind::UpperExp => put_precise!(out, flags, value, "E"),
        Kind::LowerHex | Kind::UpperHex | Kind::Octal | Kind::Binary | Kind::Pointer => return None,
    }
    Some(Align::Right)
}

/// Fills what was written since `begin` up to `width` characters.
fn pad(out: &mut String, begin: usize, width: u16, fill: char, align: Align) {
    const SPACES: &str = "                                ";
    let Some(missing) = usize::from(width).checked_sub(out[begin..].chars().count()) else { return };
    let before = match align {
        Align::Left => 0,
        Align::Center => missing / 2,
        Align::Right => missing,
    };
    if fill == ' ' && before <= SPACES.len() {
        out.insert_str(begin, &SPACES[..before]);
    } else {
        out.insert_str(begin, &std::iter::repeat_n(fill, before).collect::<String>());
    }
    out.extend(std::iter::repeat_n(fill, missing - before));
}

#[cfg(test)]
mod tests;
