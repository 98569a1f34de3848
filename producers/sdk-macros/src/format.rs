//! Format strings, read as `format!` reads them.

use std::fmt::Write as _;

/// A format string. Placeholders without a number have got theirs.
pub(crate) struct Format {
    pub(crate) pieces: Vec<Piece>,
}

pub(crate) enum Piece {
    /// Text between placeholders, its braces unescaped.
    Literal(String),
    Placeholder(Placeholder),
}

pub(crate) struct Placeholder {
    pub(crate) argument: Reference,
    pub(crate) spec: Vec<SpecPart>,
    /// It prints an address, which is no argument's value.
    pub(crate) pointer: bool,
}

/// What names an argument.
#[derive(Clone, PartialEq)]
pub(crate) enum Reference {
    Position(usize),
    Name(String),
}

/// A piece of what stands behind the colon.
pub(crate) enum SpecPart {
    Text(String),
    /// A width or precision taken from an argument.
    Count(Reference),
}

impl Format {
    /// `None` where it is not one: `format_args!` says why.
    pub(crate) fn parse(source: &str) -> Option<Self> {
        let mut parser = Parser { rest: source, implicit: 0 };
        let mut pieces = Vec::new();
        let mut literal = String::new();
        while let Some(c) = parser.next() {
            match c {
                '{' | '}' if parser.take(c) => literal.push(c),
                '}' => return None,
                '{' => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(Piece::Placeholder(parser.placeholder()?));
                }
                _ => literal.push(c),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Some(Self { pieces })
    }

    pub(crate) fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Placeholder(placeholder) => Some(placeholder),
            Piece::Literal(_) => None,
        })
    }

    /// The format string with other numbers: those that `of` gives to the placeholders in their order, and `of_count` to widths and precisions.
    pub(crate) fn renumbered(
        &self,
        mut of: impl FnMut(&Placeholder) -> usize,
        of_count: impl Fn(&Reference) -> usize,
    ) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(&text.replace('{', "{{").replace('}', "}}")),
                Piece::Placeholder(placeholder) => placeholder.write(&mut out, of(placeholder), &of_count),
            }
        }
        out
    }
}

impl Placeholder {
    /// The arguments of its widths and precisions.
    pub(crate) fn counts(&self) -> impl Iterator<Item = &Reference> {
        self.spec.iter().filter_map(|part| match part {
            SpecPart::Count(reference) => Some(reference),
            SpecPart::Text(_) => None,
        })
    }

    pub(crate) fn write(&self, out: &mut String, position: usize, of_count: &impl Fn(&Reference) -> usize) {
        let _ = write!(out, "{{{position}");
        if !self.spec.is_empty() {
            out.push(':');
        }
        for part in &self.spec {
            match part {
                SpecPart::Text(text) => out.push_str(text),
                SpecPart::Count(reference) => {
                    let _ = write!(out, "{}$", of_count(reference));
                }
            }
        }
        out.push('}');
    }
}

struct Parser<'a> {
    rest: &'a str,
    /// The number of the next placeholder without one.
    implicit: usize,
}

impl Parser<'_> {
    /// The rest of a placeholder, after its opening brace.
    fn placeholder(&mut self) -> Option<Placeholder> {
        self.skip_space();
        let argument = self.reference()?;
        self.skip_space();
        let (mut spec, mut pointer) = (Vec::new(), false);
        if self.take(':') {
            pointer = self.spec(&mut spec)?;
            self.skip_space();
        }
        if !self.take('}') {
            return None;
        }
        let argument = argument.unwrap_or_else(|| self.next_implicit());
        Some(Placeholder { argument, spec, pointer })
    }

    /// Reads what stands between the colon and the brace; says whether it asks for an address.
    fn spec(&mut self, spec: &mut Vec<SpecPart>) -> Option<bool> {
        let mut text = String::new();
        let mut ahead = self.rest.chars();
        let (first, second) = (ahead.next(), ahead.next());
        if second.is_some_and(is_align) {
            text.extend(first.into_iter().chain(second));
            self.rest = ahead.as_str();
        } else if first.is_some_and(is_align) {
            text.extend(self.next());
        }
        for flag in ["+-", "#"] {
            if self.rest.starts_with(|c| flag.contains(c)) {
                text.extend(self.next());
            }
        }
        // `0$` is a width: that of the first argument.
        if self.rest.starts_with('0') && !self.rest.starts_with("0$") {
            text.extend(self.next());
        }
        self.count(spec, &mut text)?;
        if self.take('.') {
            text.push('.');
            if self.take('*') {
                spec.push(SpecPart::Text(std::mem::take(&mut text)));
                spec.push(SpecPart::Count(self.next_implicit()));
            } else {
                self.count(spec, &mut text)?;
            }
        }
        let kinds = ["x?", "X?", "?", "x", "X", "o", "b", "e", "E", "p"];
        let kind = kinds.into_iter().find(|kind| self.rest.starts_with(kind)).unwrap_or_default();
        self.rest = &self.rest[kind.len()..];
        text.push_str(kind);
        if !text.is_empty() {
            spec.push(SpecPart::Text(text));
        }
        Some(kind == "p")
    }

    /// Reads a width or precision, if there is one here.
    fn count(&mut self, spec: &mut Vec<SpecPart>, text: &mut String) -> Option<()> {
        let before = self.rest;
        let Some(reference) = self.reference()? else { return Some(()) };
        if self.take('$') {
            if !text.is_empty() {
                spec.push(SpecPart::Text(std::mem::take(text)));
            }
            spec.push(SpecPart::Count(reference));
        } else if let Reference::Position(count) = reference {
            text.push_str(&u16::try_from(count).ok()?.to_string());
        } else {
            // A name without `$` is the type.
            self.rest = before;
        }
        Some(())
    }

    /// A number or a name, if there is one here; `None` for a number beyond all.
    #[allow(clippy::option_option, reason = "the inner one is what may stand here, the outer one the failure")]
    fn reference(&mut self) -> Option<Option<Reference>> {
        let digits = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        if digits > 0 {
            return Some(Some(Reference::Position(self.split(digits).parse().ok()?)));
        }
        let length = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        Some((length > 0).then(|| Reference::Name(self.split(length).to_owned())))
    }

    fn split(&mut self, at: usize) -> &str {
        let (taken, rest) = self.rest.split_at(at);
        self.rest = rest;
        taken
    }

    fn next_implicit(&mut self) -> Reference {
        self.implicit += 1;
        Reference::Position(self.implicit - 1)
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        self.rest = chars.as_str();
        c
    }

    fn take(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

fn is_align(c: char) -> bool {
    matches!(c, '<' | '^' | '>')
}
