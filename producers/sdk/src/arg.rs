//! What the arguments of events are stored as: raw words where the type is known, text where only its `Display` or `Debug` is.

use framelake_wire::Arg;
use framelake_wire::limits::STRING_BYTES_MAX;
use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// What an argument is stored as.
///
/// # Safety
/// [`ArgValue::write`] writes as many words as [`ArgValue::words`] says each time it is asked, and returns past them: whoever made room for those publishes
/// what it returns. A value whose code is no text's takes one word.
pub unsafe trait ArgValue {
    /// [`Arg::code`].
    const CODE: u64;
    /// It is text that must yet be formatted: [`ArgValue::as_formatted`] has it, and the words are not known before.
    const FORMATTED: bool;
    /// How many words [`ArgValue::write`] writes: a number one; text one with its length and its bytes up to a whole word.
    fn words(&self) -> usize;
    /// Writes the words and returns past the last.
    ///
    /// # Safety
    /// There must be room for `words()` at `at`.
    unsafe fn write(&self, at: *mut u64) -> *mut u64;
    /// What is yet to be formatted.
    fn as_formatted(&self) -> Option<Formatted<'_>>;
    /// The value as it is read back; that of text yet to be formatted is empty, unless it is static.
    fn as_arg(&self) -> Arg<'_>;
}

/// Takes the arguments of an event one by one.
pub trait Visit<'a> {
    /// The next one.
    fn arg<A: ArgValue>(&mut self, arg: &'a A);
}

macro_rules! word {
    ($($type:ty, $variant:ident as $wide:ty, $word:expr;)*) => {$(
        // SAFETY: one word.
        unsafe impl ArgValue for $type {
            const CODE: u64 = Arg::$variant(<$wide>::MIN).code() as u64;
            const FORMATTED: bool = false;

            #[inline(always)]
            fn words(&self) -> usize {
                1
            }

            #[inline(always)]
            unsafe fn write(&self, at: *mut u64) -> *mut u64 {
                // SAFETY: there is room for one word.
                unsafe {
                    at.write($word(*self));
                    at.add(1)
                }
            }

            #[inline(always)]
            fn as_formatted(&self) -> Option<Formatted<'_>> {
                None
            }

            #[inline(always)]
            fn as_arg(&self) -> Arg<'_> {
                Arg::$variant(*self as $wide)
            }
        }
    )*};
}

word! {
    i8, I8 as i8, |value| i64::from(value).cast_unsigned();
    i16, I16 as i16, |value| i64::from(value).cast_unsigned();
    i32, I32 as i32, |value| i64::from(value).cast_unsigned();
    i64, I64 as i64, i64::cast_unsigned;
    isize, I64 as i64, |value| (value as i64).cast_unsigned();
    u8, U64 as u64, u64::from;
    u16, U64 as u64, u64::from;
    u32, U64 as u64, u64::from;
    u64, U64 as u64, u64::from;
    usize, U64 as u64, |value| value as u64;
    f32, F32 as f32, |value| f64::from(value).to_bits();
    f64, F64 as f64, f64::to_bits;
    char, Char as char, u64::from;
}

// SAFETY: one word.
unsafe impl ArgValue for bool {
    const CODE: u64 = Arg::Bool(false).code() as u64;
    const FORMATTED: bool = false;

    #[inline(always)]
    fn words(&self) -> usize {
        1
    }

    #[inline(always)]
    unsafe fn write(&self, at: *mut u64) -> *mut u64 {
        // SAFETY: there is room for one word.
        unsafe {
            at.write(u64::from(*self));
            at.add(1)
        }
    }

    #[inline(always)]
    fn as_formatted(&self) -> Option<Formatted<'_>> {
        None
    }

    #[inline(always)]
    fn as_arg(&self) -> Arg<'_> {
        Arg::Bool(*self)
    }
}

/// A string. One longer than [`STRING_BYTES_MAX`] finds no room in any chunk: the slow path cuts it.
#[derive(Clone, Copy, Debug)]
pub struct Str<'a>(&'a str);

impl<'a> Str<'a> {
    /// The string.
    #[inline(always)]
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }
}

/// More words than any chunk has, and still few enough for 16 of them to be added up.
const TOO_MANY_WORDS: usize = 1 << 24;
/// From here on a call to copy bytes costs less than copying them word by word.
const CALL_BYTES_MIN: usize = 64;

// SAFETY: the length does not change while it is borrowed; a string that is too long has more words than it writes, but no room ever.
unsafe impl ArgValue for Str<'_> {
    const CODE: u64 = Arg::Str("").code() as u64;
    const FORMATTED: bool = false;

    #[inline(always)]
    fn words(&self) -> usize {
        if self.0.len() <= STRING_BYTES_MAX { 1 + self.0.len().div_ceil(8) } else { TOO_MANY_WORDS }
    }

    #[inline(always)]
    unsafe fn write(&self, at: *mut u64) -> *mut u64 {
        let (from, bytes) = (self.0.as_ptr(), self.0.len());
        // SAFETY: there is room for one word and as many more as the bytes fill; reads stay within the string.
        unsafe {
            at.write(bytes as u64);
            let at = at.add(1);
            if bytes >= CALL_BYTES_MIN {
                return write_long(at, from, bytes);
            }
            let words = bytes / 8;
            for index in 0..words {
                at.add(index).write(from.cast::<u64>().add(index).read_unaligned());
            }
            let rest = bytes % 8;
            if rest == 0 {
                return at.add(words);
            }
            let last = if words > 0 {
                // The last eight bytes, those before the rest shifted out.
                (from.add(bytes - 8).cast::<u64>().read_unaligned().to_le() >> (64 - 8 * rest)).to_le()
            } else {
                last_word(from, rest)
            };
            at.add(words).write(last);
            at.add(words + 1)
        }
    }

    #[inline(always)]
    fn as_formatted(&self) -> Option<Formatted<'_>> {
        None
    }

    #[inline(always)]
    fn as_arg(&self) -> Arg<'_> {
        Arg::Str(self.0)
    }
}

/// Writes a string's bytes, the last word padded with zeros.
///
/// # Safety
/// There must be room at `at` for the words that `bytes` bytes at `from` fill, of which there must be one at least.
#[inline(never)]
unsafe fn write_long(at: *mut u64, from: *const u8, bytes: usize) -> *mut u64 {
    let words = bytes.div_ceil(8);
    // SAFETY: as promised. The last word is zeroed first, so that all of it is initialized.
    unsafe {
        at.add(words - 1).write(0);
        at.cast::<u8>().copy_from_nonoverlapping(from, bytes);
        at.add(words)
    }
}

/// The 1 to 7 bytes at `from`, and zeros. Reads overlap rather than go one by one.
///
/// # Safety
/// There must be `bytes` bytes at `from`, 1 to 7 of them.
#[inline(always)]
unsafe fn last_word(from: *const u8, bytes: usize) -> u64 {
    // SAFETY: all reads lie within the `bytes` bytes.
    let word = unsafe {
        if bytes >= 4 {
            let low = u64::from(from.cast::<u32>().read_unaligned().to_le());
            let high = u64::from(from.add(bytes - 4).cast::<u32>().read_unaligned().to_le());
            low | high << (8 * (bytes - 4))
        } else {
            let byte = |index: usize| u64::from(from.add(index).read()) << (8 * index);
            byte(0) | byte(bytes / 2) | byte(bytes - 1)
        }
    };
    word.to_le()
}

/// An argument of a type that only its `Display`, `Debug` and so on know.
#[derive(Clone, Copy)]
pub enum Formatted<'a> {
    /// What a format string of its own says.
    Text(fmt::Arguments<'a>),
    /// What `{}` says. By the value itself: all of an event are formatted by one formatter, and setting one up costs 60 instructions.
    Value(&'a dyn fmt::Display),
}

impl fmt::Display for Formatted<'_> {
    #[inline(always)]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_fmt(*text),
            Self::Value(value) => value.fmt(f),
        }
    }
}

impl fmt::Debug for Formatted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Formatted({self})")
    }
}

// SAFETY: one word, that of an empty text.
unsafe impl ArgValue for Formatted<'_> {
    const CODE: u64 = Arg::Text("").code() as u64;
    const FORMATTED: bool = true;

    /// The least: text that turns out empty.
    #[inline(always)]
    fn words(&self) -> usize {
        1
    }

    #[inline(always)]
    unsafe fn write(&self, at: *mut u64) -> *mut u64 {
        // SAFETY: there is room for one word.
        unsafe {
            at.write(0);
            at.add(1)
        }
    }

    #[inline(always)]
    fn as_formatted(&self) -> Option<Formatted<'_>> {
        Some(*self)
    }

    #[inline(always)]
    fn as_arg(&self) -> Arg<'_> {
        match self {
            Self::Text(text) => Arg::Text(text.as_str().unwrap_or_default()),
            Self::Value(_) => Arg::Text(""),
        }
    }
}

/// A type that is stored raw, because what `format!` makes of it can be made later.
#[diagnostic::on_unimplemented(
    message = "the type of an argument must be known where it is recorded, and here it turns out to be `{Self}` only later",
    label = "records an argument of a type that is not known yet",
    note = "write the type where the value is made"
)]
pub trait Raw {
    /// What it is stored as.
    type Value<'a>: ArgValue
    where
        Self: 'a;

    /// The value to store.
    fn raw(&self) -> Self::Value<'_>;
}

macro_rules! raw_copy {
    ($($type:ty)*) => {$(
        impl Raw for $type {
            type Value<'a> = $type;

            #[inline(always)]
            fn raw(&self) -> $type {
                *self
            }
        }
    )*};
}

raw_copy!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize f32 f64 bool char);

macro_rules! raw_text {
    ($($type:ty)*) => {$(
        impl Raw for $type {
            type Value<'a>
                = Str<'a>
            where
                Self: 'a;

            #[inline(always)]
            fn raw(&self) -> Str<'_> {
                Str::new(self)
            }
        }
    )*};
}

raw_text!(str String Cow<'_, str>);

/// What only holds a value prints as the value does.
macro_rules! raw_behind {
    ($($type:ty)*) => {$(
        impl<T: Raw + ?Sized> Raw for $type {
            type Value<'a>
                = T::Value<'a>
            where
                Self: 'a;

            #[inline(always)]
            fn raw(&self) -> T::Value<'_> {
                (**self).raw()
            }
        }
    )*};
}

raw_behind!(&T &mut T Box<T> Rc<T> Arc<T>);

/// Finds out how an argument is stored: `(&&Probe(&x)).shown(format_args!("{}", x))` is `x` itself where its type is [`Raw`], else the value by its
/// `Display`, and only where it has none the text, which then does not compile, and says so where `x` stands. `(&&Probe(&x)).arg(…)` is for other formats.
///
/// Method lookup decides: it tries the receiver `&&Probe`, `&&&Probe` and `&Probe` in this order, and goes on where `T` is not as it must be.
#[derive(Debug)]
pub struct Probe<'a, T: ?Sized>(pub &'a T);

/// Found first.
pub trait ProbeRaw<'a> {
    /// What the argument is stored as.
    type Value: ArgValue;

    /// The value; the text is not formatted.
    fn arg(&self, text: fmt::Arguments<'_>) -> Self::Value;

    /// The value; the text is not formatted.
    fn shown(&self, text: fmt::Arguments<'_>) -> Self::Value;
}

impl<'a, T: Raw + ?Sized> ProbeRaw<'a> for &Probe<'a, T> {
    type Value = T::Value<'a>;

    #[inline(always)]
    fn arg(&self, _: fmt::Arguments<'_>) -> T::Value<'a> {
        self.0.raw()
    }

    #[inline(always)]
    fn shown(&self, _: fmt::Arguments<'_>) -> T::Value<'a> {
        self.0.raw()
    }
}

/// Found next.
pub trait ProbeShown {
    /// The value, by its `Display`.
    fn shown(&self, text: fmt::Arguments<'_>) -> Formatted<'_>;
}

impl<T: fmt::Display + ?Sized> ProbeShown for &&Probe<'_, T> {
    #[inline(always)]
    fn shown(&self, _: fmt::Arguments<'_>) -> Formatted<'_> {
        // By the reference: `T` may have no size.
        Formatted::Value(&self.0)
    }
}

/// Found otherwise.
pub trait ProbeFormatted {
    /// The text.
    fn arg<'b>(&self, text: fmt::Arguments<'b>) -> Formatted<'b>;

    /// The text.
    fn shown<'b>(&self, text: fmt::Arguments<'b>) -> Formatted<'b>;
}

impl<T: ?Sized> ProbeFormatted for Probe<'_, T> {
    #[inline(always)]
    fn arg<'b>(&self, text: fmt::Arguments<'b>) -> Formatted<'b> {
        Formatted::Text(text)
    }

    #[inline(always)]
    fn shown<'b>(&self, text: fmt::Arguments<'b>) -> Formatted<'b> {
        Formatted::Text(text)
    }
}

/// The arguments of an event: tuples of 0 to 16.
///
/// # Safety
/// As [`ArgValue`]: [`Args::write`] writes [`Args::words`] words and returns past them.
pub unsafe trait Args {
    /// How many there are.
    const COUNT: usize;
    /// Their codes, 4 bits each, the first lowest.
    const CODES: u64;
    /// Some of them must yet be formatted.
    const FORMATTED: bool;

    /// How many words [`Args::write`] writes.
    fn words(&self) -> usize;

    /// Writes all of them, one after the other, and returns past the last word.
    ///
    /// # Safety
    /// There must be room for `words()` at `at`.
    unsafe fn write(&self, at: *mut u64) -> *mut u64;

    /// Hands each to `visitor`, in order.
    fn visit<'a>(&'a self, visitor: &mut impl Visit<'a>);
}

macro_rules! args {
    ($($name:ident $index:tt),+) => {
        // SAFETY: each writes its words, one behind the other.
        unsafe impl<$($name: ArgValue),+> Args for ($($name,)+) {
            const COUNT: usize = [$($index),+].len();
            const CODES: u64 = 0 $(| $name::CODE << (4 * $index))+;
            const FORMATTED: bool = false $(|| $name::FORMATTED)+;

            #[inline(always)]
            fn words(&self) -> usize {
                0 $(+ ArgValue::words(&self.$index))+
            }

            #[inline(always)]
            unsafe fn write(&self, at: *mut u64) -> *mut u64 {
                // SAFETY: there is room for the words of all.
                $(let at = unsafe { ArgValue::write(&self.$index, at) };)+
                at
            }

            #[inline(always)]
            fn visit<'a>(&'a self, visitor: &mut impl Visit<'a>) {
                $(visitor.arg(&self.$index);)+
            }
        }
    };
}

// SAFETY: no words.
unsafe impl Args for () {
    const COUNT: usize = 0;
    const CODES: u64 = 0;
    const FORMATTED: bool = false;

    #[inline(always)]
    fn words(&self) -> usize {
        0
    }

    #[inline(always)]
    unsafe fn write(&self, at: *mut u64) -> *mut u64 {
        at
    }

    #[inline(always)]
    fn visit<'a>(&'a self, _: &mut impl Visit<'a>) {}
}

args!(A 0);
args!(A 0, B 1);
args!(A 0, B 1, C 2);
args!(A 0, B 1, C 2, D 3);
args!(A 0, B 1, C 2, D 3, E 4);
args!(A 0, B 1, C 2, D 3, E 4, F 5);
args!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
args!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
args!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
args!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
args!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
args!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
args!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12);
args!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13);
args!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14);
args!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15);

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written, and nothing beyond.
    fn written(args: &impl Args) -> Vec<u64> {
        const UNTOUCHED: u64 = 0x5555_5555_5555_5555;
        let mut words = vec![UNTOUCHED; args.words() + 1];
        // SAFETY: there is room for all of them.
        let end = unsafe { args.write(words.as_mut_ptr()) };
        assert_eq!(end as usize - words.as_ptr() as usize, args.words() * 8);
        assert_eq!(words.pop(), Some(UNTOUCHED));
        words
    }

    fn bytes(text: &[u8; 8]) -> u64 {
        u64::from_ne_bytes(*text)
    }

    #[test]
    fn numbers_are_one_word_that_says_the_value() {
        let args = (-1_i8, i16::MIN, -3_i32, i64::MIN, -5_isize, u8::MAX, u64::MAX, 0.1_f32, -0.0_f64, true, 'é');
        assert_eq!(
            written(&args),
            [
                u64::MAX,
                -32_768_i64 as u64,
                -3_i64 as u64,
                1 << 63,
                -5_i64 as u64,
                255,
                u64::MAX,
                f64::from(0.1_f32).to_bits(),
                1 << 63,
                1,
                0xe9
            ]
        );
        type Values = (i8, i16, i32, i64, isize, u8, u64, f32, f64, bool, char);
        assert_eq!((Values::COUNT, Values::CODES, Values::FORMATTED), (11, 0x987_6554_4321, false));
    }

    #[test]
    fn strings_are_their_length_and_whole_words_of_bytes() {
        let args = (Str::new(""), Str::new("a"), 1_u8, Str::new("12345678"), Str::new("123456789"));
        let expected = [0, 1, bytes(b"a\0\0\0\0\0\0\0"), 1, 8, bytes(b"12345678"), 9, bytes(b"12345678")];
        assert_eq!(written(&args), [&expected[..], &[bytes(b"9\0\0\0\0\0\0\0")]].concat());
        let text = "abcdefghijklmnopqrstuvwxyz0123456789".repeat(10);
        for length in 0..text.len() {
            let mut expected = text.as_bytes()[..length].to_vec();
            expected.resize(length.next_multiple_of(8), 0);
            let expected = expected.chunks(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap()));
            assert!(written(&(Str::new(&text[..length]),)).into_iter().eq([length as u64].into_iter().chain(expected)));
        }
        // The longest that is written as it is; a longer one finds no room.
        let long = "é".repeat(STRING_BYTES_MAX / 2);
        assert_eq!(written(&(Str::new(&long),)).len(), 1 + STRING_BYTES_MAX / 8);
        assert!(ArgValue::words(&Str::new(&format!("a{long}"))) > crate::chunk::CHUNK_WORDS);
    }

    #[allow(clippy::needless_borrow, reason = "as the macros write it, which do not know the type")]
    #[test]
    fn text_yet_to_be_formatted_is_told_apart() {
        #[derive(Default)]
        struct Seen(Vec<Option<String>>);

        impl Visit<'_> for Seen {
            fn arg<A: ArgValue>(&mut self, arg: &A) {
                self.0.push(arg.as_formatted().map(|text| text.to_string()));
            }
        }

        fn check<A: Args>(args: &A, codes: u64, texts: &[Option<&str>], formatted: bool) {
            let mut seen = Seen::default();
            args.visit(&mut seen);
            assert_eq!(seen.0.iter().map(Option::as_deref).collect::<Vec<_>>(), texts);
            assert_eq!((A::CODES, A::FORMATTED, A::COUNT), (codes, formatted, texts.len()));
        }
        let (value, text, other) = (1_u8, String::from("text"), Some(1));
        check(&(), 0, &[], false);
        check(&((&&Probe(&&value)).arg(format_args!("{value}")), Str::new(&text)), 0xa5, &[None, None], false);
        check(&((&&Probe(&&value)).shown(format_args!("{value}")), Str::new(&text)), 0xa5, &[None, None], false);
        check(
            &((&&Probe(&other)).arg(format_args!("{other:?}")), (&&Probe(text.as_str())).arg(format_args!("{text}"))),
            0xab,
            &[Some("Some(1)"), None],
            true,
        );
        let (address, unsized_one): (_, &dyn fmt::Display) = (std::net::Ipv4Addr::LOCALHOST, &1);
        check(
            &(
                (&&Probe(&address)).shown(format_args!("not looked at")),
                (&&Probe(unsized_one)).shown(format_args!("not looked at")),
                (&&Probe(&other)).shown(format_args!("{other:?}")),
            ),
            0xbbb,
            &[Some("127.0.0.1"), Some("1"), Some("Some(1)")],
            true,
        );
        assert_eq!(written(&(Formatted::Text(format_args!("{value}")),)), [0]);
    }
}
