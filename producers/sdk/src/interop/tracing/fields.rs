//! Values of fields as arguments: by position, raw where the type is known.

use super::site::Site;
use crate::text::Found;
use framelake_wire::Arg;
use framelake_wire::limits::STRING_BYTES_MAX;
use framelake_wire::raw::{ARGS_MAX, Raw};
use std::error::Error;
use std::fmt::{self, Write};
use tracing_core::field::{Field, Visit};

/// A value of a field.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Arg(Arg<'a>),
    Text(fmt::Arguments<'a>),
}

/// Takes values with the numbers of their arguments.
pub(super) trait Sink {
    /// Argument `index`. Those before it that had no value have none.
    fn put(&mut self, index: usize, value: Value<'_>);
    /// A field beyond the arguments.
    fn more(&mut self, name: &str, value: fmt::Arguments<'_>);
}

/// Hands the fields of `site` over to a sink.
pub(super) struct Visitor<'a, S> {
    pub(super) site: &'static Site,
    pub(super) sink: &'a mut S,
}

impl<S: Sink> Visitor<'_, S> {
    #[inline]
    fn put(&mut self, field: &Field, value: Value<'_>) {
        let index = field.index();
        if self.site.is_over && index >= ARGS_MAX - 1 {
            match value {
                Value::Arg(arg) => self.sink.more(field.name(), format_args!("{arg}")),
                Value::Text(text) => self.sink.more(field.name(), text),
            }
        } else if index < self.site.count {
            self.sink.put(index, value);
        }
    }
}

impl<S: Sink> Visit for Visitor<'_, S> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::Arg(Arg::F64(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::Arg(Arg::I64(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::Arg(Arg::U64(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Arg(Arg::Bool(value)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::Arg(Arg::Str(value)));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, Value::Text(format_args!("{value}")));
    }

    /// Also what has no other method: integers of 128 bits, bytes.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::Text(format_args!("{value:?}")));
    }
}

/// Straight into the thread's chunk.
pub(super) struct Direct<'a, 'b> {
    pub(super) found: &'a mut Found<'b>,
    /// A value came after that of a later field.
    pub(super) is_disordered: bool,
}

impl Direct<'_, '_> {
    /// Those up to argument `count` that have no value have none.
    #[inline]
    pub(super) fn fill(&mut self, count: usize) {
        while self.found.count() < count {
            self.found.none();
        }
    }
}

impl Sink for Direct<'_, '_> {
    #[inline]
    fn put(&mut self, index: usize, value: Value<'_>) {
        self.fill(index);
        if self.found.count() > index {
            self.is_disordered = true;
            return;
        }
        match value {
            Value::Arg(Arg::Str(text) | Arg::Text(text)) => self.found.str(text),
            Value::Arg(arg) => self.found.word(arg, word(arg)),
            Value::Text(text) => self.found.text(text),
        }
    }

    fn more(&mut self, name: &str, value: fmt::Arguments<'_>) {
        self.fill(ARGS_MAX - 1);
        let space = if self.found.count() == ARGS_MAX { " " } else { "" };
        self.found.more(format_args!("{space}{name}={value}"));
    }
}

/// Most bytes of text that the fields of one span hold, in sum, so that they fit into a chunk: 48 of 64 KiB.
const TEXT_BYTES_MAX: usize = 48 * 1024;

/// The fields of a span, kept until it ends: codes and words, as [`framelake_wire::raw`] has them.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub(super) count: usize,
    pub(super) codes: u64,
    /// Whole words.
    bytes: Vec<u8>,
}

impl Fields {
    pub(super) const NONE: Self = Self { count: 0, codes: 0, bytes: Vec::new() };

    /// The words.
    pub(super) fn words(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().expect("eight bytes")))
    }

    /// Fields of these words.
    pub(super) fn of(count: usize, codes: u64, words: impl Iterator<Item = u64>) -> Self {
        Self { count, codes, bytes: words.flat_map(u64::to_ne_bytes).collect() }
    }

    /// No fields, in the memory that these had.
    pub(super) fn clear(&mut self) {
        (self.count, self.codes) = (0, 0);
        self.bytes.clear();
    }

    /// Those up to argument `count` that have no value have none.
    pub(super) fn fill(&mut self, count: usize) {
        while self.count < count {
            self.push(Value::Arg(Arg::None));
        }
    }

    fn push(&mut self, value: Value<'_>) {
        let code = match value {
            Value::Arg(arg @ (Arg::Str(text) | Arg::Text(text))) => {
                self.text(|out| out.write_str(text));
                arg.code()
            }
            Value::Text(text) => {
                self.text(|out| out.write_fmt(text));
                Arg::Text("").code()
            }
            Value::Arg(arg) => {
                self.bytes.extend_from_slice(&word(arg).to_ne_bytes());
                arg.code()
            }
        };
        self.codes |= u64::from(code) << (4 * self.count);
        self.count += 1;
    }

    fn text(&mut self, write: impl FnOnce(&mut Limited<'_>) -> fmt::Result) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 8]);
        let left = STRING_BYTES_MAX.min(TEXT_BYTES_MAX.saturating_sub(begin));
        // An error is a text that was cut, or a `Debug` that failed: what it wrote before stays.
        let _ = write(&mut Limited { bytes: &mut self.bytes, left });
        let length = self.bytes.len() - begin - 8;
        self.bytes[begin..begin + 8].copy_from_slice(&(length as u64).to_ne_bytes());
        self.bytes.resize(begin + 8 + length.next_multiple_of(8), 0);
    }

    /// Puts another value in the place of argument `index`, which has one.
    #[cold]
    fn replace(&mut self, index: usize, value: Value<'_>) {
        let words: Vec<u64> = self.words().collect();
        let Some((raw, _)) = Raw::take(self.count, self.codes, &words) else { return };
        self.clear();
        for (at, arg) in raw.iter().enumerate() {
            self.push(if at == index { value } else { Value::Arg(arg) });
        }
    }
}

impl Sink for Fields {
    fn put(&mut self, index: usize, value: Value<'_>) {
        if index < self.count {
            return self.replace(index, value);
        }
        self.fill(index);
        self.push(value);
    }

    fn more(&mut self, name: &str, value: fmt::Arguments<'_>) {
        self.fill(ARGS_MAX - 1);
        let words: Vec<u64> = self.words().collect();
        let before = Raw::take(self.count, self.codes, &words).and_then(|(raw, _)| raw.iter().nth(ARGS_MAX - 1));
        match before {
            Some(before @ (Arg::Str(_) | Arg::Text(_))) => {
                self.replace(ARGS_MAX - 1, Value::Text(format_args!("{before} {name}={value}")));
            }
            _ => self.put(ARGS_MAX - 1, Value::Text(format_args!("{name}={value}"))),
        }
    }
}

struct Limited<'a> {
    bytes: &'a mut Vec<u8>,
    left: usize,
}

impl fmt::Write for Limited<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = if text.len() <= self.left { text.len() } else { text.floor_char_boundary(self.left) };
        self.bytes.extend_from_slice(&text.as_bytes()[..end]);
        self.left -= end;
        if end < text.len() {
            self.left = 0;
            return Err(fmt::Error);
        }
        Ok(())
    }
}

/// The word of what is no text.
#[inline]
fn word(arg: Arg<'_>) -> u64 {
    match arg {
        Arg::I64(value) => value.cast_unsigned(),
        Arg::U64(value) => value,
        Arg::F64(value) => value.to_bits(),
        Arg::Bool(value) => u64::from(value),
        // Only from fields kept before.
        Arg::I8(value) => i64::from(value).cast_unsigned(),
        Arg::I16(value) => i64::from(value).cast_unsigned(),
        Arg::I32(value) => i64::from(value).cast_unsigned(),
        Arg::F32(value) => f64::from(value).to_bits(),
        Arg::Char(value) => u64::from(value),
        Arg::None | Arg::Str(_) | Arg::Text(_) => 0,
    }
}
