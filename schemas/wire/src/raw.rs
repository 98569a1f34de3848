//! Arguments as the instrumented thread stores them: whole words, in the order in which they were given.
//!
//! A number, a flag or a character is one word: integers sign-extended, floats as the bits of an `f64` (an `f32` widened). A text is
//! a word with its length in bytes, and its bytes, the last word padded with zeros. What is what stands apart, four bits for each argument
//! ([`Arg::code`]), the first argument in the lowest: the compiler knows them where they are recorded.

use crate::{Arg, limits::STRING_BYTES_MAX};

/// Most arguments of one event: their codes fill a word.
pub const ARGS_MAX: usize = 16;

/// The code of one text that stands for the whole message of a log line, whose arguments were not kept apart.
pub const WHOLE: u64 = 15;

/// Some arguments, as words.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw<'a> {
    count: usize,
    codes: u64,
    words: &'a [u64],
}

impl<'a> Raw<'a> {
    /// Takes `count` arguments off the front of `words`; returns them and the words behind them. `None` where there are not as many.
    #[inline]
    #[must_use]
    pub fn take(count: usize, codes: u64, words: &'a [u64]) -> Option<(Self, &'a [u64])> {
        if count > ARGS_MAX {
            return None;
        }
        let mut at = 0;
        for index in 0..count {
            let length = if is_text(code(codes, index)) {
                let bytes = *words.get(at)?;
                1 + usize::try_from(bytes).ok()?.div_ceil(8)
            } else {
                1
            };
            at = at.checked_add(length)?;
        }
        let (words, rest) = words.split_at_checked(at)?;
        Some((Self { count, codes, words }, rest))
    }

    /// How many arguments.
    #[must_use]
    #[inline]
    pub fn count(&self) -> usize {
        self.count
    }

    /// What they are: four bits each.
    #[must_use]
    #[inline]
    pub fn codes(&self) -> u64 {
        self.codes
    }

    /// The words they take.
    #[must_use]
    #[inline]
    pub fn words(&self) -> &'a [u64] {
        self.words
    }

    /// Whether a program could have stored this: every code is one, and no text is longer than texts may be. For words that somebody else kept.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let rest = self.codes.checked_shr(4 * self.count as u32).unwrap_or(0);
        let known = |code: u8| code != Arg::None.code() && code <= Arg::Text("").code();
        let codes = (0..self.count).all(|index| known(code(self.codes, index)));
        let texts = self.iter().all(|arg| match arg {
            Arg::Str(text) | Arg::Text(text) => text.len() <= STRING_BYTES_MAX,
            _ => true,
        });
        rest == 0 && texts && (codes || (self.count == 1 && self.codes == WHOLE))
    }

    /// The arguments.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Arg<'a>> + use<'a> {
        let (codes, mut words) = (self.codes, self.words);
        (0..self.count).map(move |index| {
            let code = code(codes, index);
            let [word, rest @ ..] = words else { return Arg::None };
            if !is_text(code) {
                words = rest;
                return of_word(code, *word);
            }
            // `take` found so many words.
            let (text, rest) = rest.split_at((*word as usize).div_ceil(8).min(rest.len()));
            words = rest;
            // SAFETY: any initialized words are bytes, and `text` has that many.
            let bytes = unsafe { std::slice::from_raw_parts(text.as_ptr().cast::<u8>(), size_of_val(text)) };
            let text = str::from_utf8(&bytes[..(*word as usize).min(bytes.len())]).unwrap_or("(not text)");
            if code == Arg::Str("").code() { Arg::Str(text) } else { Arg::Text(text) }
        })
    }
}

/// The code of argument `index`.
#[inline]
pub(crate) fn code(codes: u64, index: usize) -> u8 {
    (codes >> (4 * index)) as u8 & 15
}

/// Whether a code stands for a text.
#[inline]
pub(crate) fn is_text(code: u8) -> bool {
    code == Arg::Str("").code() || code == Arg::Text("").code() || u64::from(code) == WHOLE
}

/// Whether a code stands for a float.
#[inline]
pub(crate) fn is_float(code: u8) -> bool {
    code == Arg::F32(0.0).code() || code == Arg::F64(0.0).code()
}

/// The argument of a code that is not a text's, from its word.
#[inline]
pub(crate) fn of_word(code: u8, word: u64) -> Arg<'static> {
    const I8: u8 = Arg::I8(0).code();
    const I16: u8 = Arg::I16(0).code();
    const I32: u8 = Arg::I32(0).code();
    const I64: u8 = Arg::I64(0).code();
    const U64: u8 = Arg::U64(0).code();
    const F32: u8 = Arg::F32(0.0).code();
    const F64: u8 = Arg::F64(0.0).code();
    const BOOL: u8 = Arg::Bool(false).code();
    const CHAR: u8 = Arg::Char('a').code();
    match code {
        I8 => Arg::I8(word as i8),
        I16 => Arg::I16(word as i16),
        I32 => Arg::I32(word as i32),
        I64 => Arg::I64(word.cast_signed()),
        U64 => Arg::U64(word),
        F32 => Arg::F32(f64::from_bits(word) as f32),
        F64 => Arg::F64(f64::from_bits(word)),
        BOOL => Arg::Bool(word != 0),
        CHAR => Arg::Char(char::from_u32(word as u32).unwrap_or(char::REPLACEMENT_CHARACTER)),
        _ => Arg::None,
    }
}

/// Arguments that are kept: the words of a [`Raw`] of one's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawBuf {
    count: usize,
    codes: u64,
    words: Vec<u64>,
}

impl RawBuf {
    /// These arguments, at most [`ARGS_MAX`] of them; texts are cut to 32 KiB.
    #[must_use]
    pub fn of(args: &[Arg<'_>]) -> Self {
        let mut raw = Self::default();
        for &arg in args.iter().take(ARGS_MAX) {
            raw.push(arg);
        }
        raw
    }

    /// The text of a log line whose arguments were not kept apart.
    #[must_use]
    pub fn whole(text: &str) -> Self {
        Self { codes: WHOLE, ..Self::of(&[Arg::Text(text)]) }
    }

    /// One more argument. No room for it is no error: then it is left out.
    pub fn push(&mut self, arg: Arg<'_>) {
        if self.count == ARGS_MAX {
            return;
        }
        self.codes |= u64::from(arg.code()) << (4 * self.count);
        self.count += 1;
        let word = match arg {
            Arg::None => 0,
            Arg::I8(value) => i64::from(value).cast_unsigned(),
            Arg::I16(value) => i64::from(value).cast_unsigned(),
            Arg::I32(value) => i64::from(value).cast_unsigned(),
            Arg::I64(value) => value.cast_unsigned(),
            Arg::U64(value) => value,
            Arg::F32(value) => f64::from(value).to_bits(),
            Arg::F64(value) => value.to_bits(),
            Arg::Bool(value) => u64::from(value),
            Arg::Char(value) => u64::from(u32::from(value)),
            Arg::Str(text) | Arg::Text(text) => return self.push_text(text),
        };
        self.words.push(word);
    }

    fn push_text(&mut self, text: &str) {
        let text = &text[..text.floor_char_boundary(STRING_BYTES_MAX)];
        self.words.push(text.len() as u64);
        self.words.extend(text.as_bytes().chunks(8).map(|bytes| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_ne_bytes(word)
        }));
    }

    /// The same with texts of at most `bytes_max` bytes.
    #[must_use]
    pub fn cut(&self, bytes_max: usize) -> Self {
        let mut cut = Self::default();
        for arg in self.as_raw().iter() {
            cut.push(match arg {
                Arg::Str(text) => Arg::Str(&text[..text.floor_char_boundary(bytes_max)]),
                Arg::Text(text) => Arg::Text(&text[..text.floor_char_boundary(bytes_max)]),
                arg => arg,
            });
        }
        Self { codes: self.codes, ..cut }
    }

    /// The arguments, to be read.
    #[must_use]
    pub fn as_raw(&self) -> Raw<'_> {
        Raw { count: self.count, codes: self.codes, words: &self.words }
    }
}

impl From<Raw<'_>> for RawBuf {
    fn from(raw: Raw<'_>) -> Self {
        Self { count: raw.count, codes: raw.codes, words: raw.words.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_back_from_their_words_and_what_follows_is_left() {
        let args = [
            Arg::I8(-1),
            Arg::Str("twelve bytes"),
            Arg::U64(u64::MAX),
            Arg::F32(0.1),
            Arg::Text(""),
            Arg::Char('ä'),
            Arg::Bool(true),
            Arg::None,
            Arg::F64(-0.0),
            Arg::Str("eight by"),
        ];
        let raw = RawBuf::of(&args);
        let mut words = raw.words.clone();
        words.extend([7, 8]);
        let (taken, rest) = Raw::take(args.len(), raw.codes, &words).unwrap();
        assert_eq!(taken.iter().collect::<Vec<_>>(), args);
        assert_eq!(rest, [7, 8]);
    }

    #[test]
    fn words_that_are_missing_are_found_out() {
        let raw = RawBuf::of(&[Arg::Str("twelve bytes"), Arg::U64(1)]);
        for length in 0..raw.words.len() {
            assert!(Raw::take(raw.count, raw.codes, &raw.words[..length]).is_none(), "{length}");
        }
        let lengths = [u64::MAX, u64::MAX - 7, 1 << 62];
        assert!(lengths.iter().all(|&bytes| Raw::take(1, raw.codes, &[bytes]).is_none()));
    }
}
