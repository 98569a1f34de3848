//! The arguments of events as columns: one for each argument of each shape, all values of one beside each other.
//!
//! Integers are written plainly or as the difference to the one before, whichever is shorter. Floats that are decimals of a few digits (as what people
//! set and round are) are written as integers (after ALP: Afroozeh and Boncz, "ALP: Adaptive Lossless floating-Point Compression", 2023), others byte by byte,
//! as are integers that are noise (hashes, addresses, random ids). Such words that come again and again (the ids of a few players) are written once each, then by
//! number, as texts always are.

use super::{
    column,
    frame::Opened,
    planes::{self, PlaneReader, Planes},
    shapes::Shape,
};
use crate::{
    Arg, Error, Result,
    limits::{DECODED_BYTES_MAX, STRING_BYTES_MAX},
    raw::{self, ARGS_MAX, Raw, RawBuf},
    varint,
    varint::{Reader, unzigzag, zigzag},
};
use hashbrown::HashTable;
use std::cell::RefCell;

/// Most values of a block. Encoders keep the opened payload below 768 KiB, and each value takes a byte or more.
pub(crate) const VALUES_MAX: usize = 768 * 1024;

/// How a column is written. Texts' numbers: [`PLAIN`]. Integers: [`PLAIN`], [`DELTA`], [`REPEATED`] or [`BITS`]. Floats: [`REPEATED`] or [`BITS`], or as a
/// decimal: [`DELTA`] or not, the exponent of ten in [`EXPONENT`], and [`SINGLE`] where the value is the `f32` next to the decimal.
const PLAIN: u8 = 0;
const DELTA: u8 = 1;
const EXPONENT: u8 = 0b0001_1110;
const SINGLE: u8 = 0b0010_0000;
const REPEATED: u8 = 0xfe;
const BITS: u8 = 0xff;
/// Integers that take fewer bits each are varints, whatever they are.
const WIDE_BITS: u64 = 20;

/// Powers of ten that are tried: what has more digits is noise.
const TENS: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/// Integers up to 2^53 are exact in an `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Arguments being written.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// For each event with arguments its shape.
    shapes: Vec<u32>,
    /// A word for each argument: as in [`Raw`], but for texts their numbers in `texts`.
    words: Vec<u64>,
    texts: Texts,
    /// Bytes of all texts, each counted as often as it was given.
    referred: usize,
}

impl Values {
    /// The arguments of the next event. Nothing is added where it has none.
    #[inline]
    pub(crate) fn push(&mut self, shape: u32, raw: Raw<'_>) {
        if raw.count() > 0 {
            self.push_some(shape, raw);
        }
    }

    fn push_some(&mut self, shape: u32, raw: Raw<'_>) {
        self.shapes.push(shape);
        for (index, arg) in raw.iter().enumerate() {
            self.words.push(match arg {
                Arg::Str(text) | Arg::Text(text) => {
                    self.referred += text.len();
                    self.texts.number(text)
                }
                // The word as it was stored.
                _ => word_of(arg, raw::code(raw.codes(), index)),
            });
        }
    }

    /// Bytes of the columns at most, for limits.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        // An integer takes at most 10 bytes, a float 8; a new text 3 more for its length.
        self.words.len() * 10 + self.texts.bytes() + 3 * self.texts.ends.len() + 128
    }

    /// Whether one more event might refer to more bytes of text than a block may, however often they repeat.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.referred > DECODED_BYTES_MAX - ARGS_MAX * STRING_BYTES_MAX
    }

    /// How many events of each shape there are.
    fn counts(&self, shapes: usize) -> Vec<u32> {
        let mut counts = vec![0; shapes];
        for &shape in &self.shapes {
            counts[shape as usize] += 1;
        }
        counts
    }

    /// Arguments of the events that `wanted` chooses by shape and number among the events of that shape, in order.
    pub(crate) fn kept(&self, shapes: &[Shape], wanted: &[(u32, u32)]) -> Vec<RawBuf> {
        let mut at = 0;
        let mut seen = vec![0u32; shapes.len()];
        let mut found: Vec<Option<RawBuf>> = vec![None; wanted.len()];
        let mut sorted: Vec<_> = wanted.iter().copied().enumerate().map(|(index, event)| (event, index)).collect();
        sorted.sort_unstable();
        for &shape in &self.shapes {
            let number = seen[shape as usize];
            seen[shape as usize] += 1;
            if let Ok(place) = sorted.binary_search_by_key(&(shape, number), |&(event, _)| event) {
                let words = self.words[at..].iter();
                let mut raw = RawBuf::default();
                for (code, &word) in shapes[shape as usize].codes().zip(words) {
                    raw.push(self.arg(code, word));
                }
                found[sorted[place].1] = Some(raw);
            }
            at += shapes[shape as usize].count as usize;
        }
        found.into_iter().map(Option::unwrap_or_default).collect()
    }

    fn arg(&self, code: u8, word: u64) -> Arg<'_> {
        if !raw::is_text(code) {
            return raw::of_word(code, word);
        }
        let text = self.texts.get(word as usize);
        if code == Arg::Str("").code() { Arg::Str(text) } else { Arg::Text(text) }
    }

    /// Appends the columns, shape by shape.
    pub(crate) fn put(&self, out: &mut Opened, shapes: &[Shape]) {
        if self.shapes.is_empty() {
            return;
        }
        let mut columns = SCRATCH.take();
        columns.begin(self.texts.ends.len());
        let places = self.places(shapes);
        let mut from = 0;
        for (shape, count) in shapes.iter().zip(self.counts(shapes.len())) {
            let events = &places[from..from + count as usize];
            from += count as usize;
            for (index, code) in shape.codes().enumerate() {
                let words = events.iter().map(|&at| self.words[at as usize + index]);
                if !events.is_empty() {
                    columns.put(code, words);
                }
            }
        }
        columns.append(out, &self.texts);
        SCRATCH.set(columns);
    }

    /// Where each event's words begin, sorted by shape.
    fn places(&self, shapes: &[Shape]) -> Vec<u32> {
        let mut next = self.counts(shapes.len());
        let mut sum = 0;
        for count in &mut next {
            sum += std::mem::replace(count, sum);
        }
        let mut places = vec![0; self.shapes.len()];
        let mut at = 0;
        for &shape in &self.shapes {
            let place = &mut next[shape as usize];
            places[*place as usize] = at;
            *place += 1;
            at += shapes[shape as usize].count;
        }
        places
    }

    pub(crate) fn clear(&mut self) {
        self.shapes.clear();
        self.words.clear();
        self.texts.clear();
        self.referred = 0;
    }
}

fn word_of(arg: Arg<'_>, code: u8) -> u64 {
    debug_assert_eq!(arg.code(), code);
    match arg {
        Arg::None | Arg::Str(_) | Arg::Text(_) => 0,
        Arg::I8(value) => i64::from(value).cast_unsigned(),
        Arg::I16(value) => i64::from(value).cast_unsigned(),
        Arg::I32(value) => i64::from(value).cast_unsigned(),
        Arg::I64(value) => value.cast_unsigned(),
        Arg::U64(value) => value,
        Arg::F32(value) => f64::from(value).to_bits(),
        Arg::F64(value) => value.to_bits(),
        Arg::Bool(value) => u64::from(value),
        Arg::Char(value) => u64::from(u32::from(value)),
    }
}

/// The texts of a block's arguments, each once.
#[derive(Debug, Default)]
struct Texts {
    numbers: HashTable<u32>,
    ends: Vec<u32>,
    text: String,
}

impl Texts {
    fn number(&mut self, text: &str) -> u64 {
        let Self { numbers, ends, text: all } = self;
        let hash = hash(text);
        let of = |number: u32| {
            let start = if number == 0 { 0 } else { ends[number as usize - 1] as usize };
            &all[start..ends[number as usize] as usize]
        };
        if let Some(&number) = numbers.find(hash, |&number| of(number) == text) {
            return u64::from(number);
        }
        let number = ends.len() as u32;
        numbers.insert_unique(hash, number, |&number| self::hash(of(number)));
        all.push_str(text);
        ends.push(all.len() as u32);
        u64::from(number)
    }

    fn get(&self, number: usize) -> &str {
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        &self.text[start..self.ends[number] as usize]
    }

    fn bytes(&self) -> usize {
        self.text.len()
    }

    fn clear(&mut self) {
        self.numbers.clear();
        self.ends.clear();
        self.text.clear();
    }
}

fn hash(text: &str) -> u64 {
    use std::hash::BuildHasher;
    foldhash::fast::FixedState::with_seed(0).hash_one(text)
}

thread_local! {
    // One for each thread that seals, not one for each stream.
    static SCRATCH: RefCell<Columns> = RefCell::new(Columns::default());
}

/// The columns as they are written.
#[derive(Debug, Default)]
struct Columns {
    modes: Vec<u8>,
    integers: Planes,
    cuts: Vec<[usize; 3]>,
    /// Those that are written byte by byte.
    words: Vec<u64>,
    repeats: Repeats,
    /// By number of a text: its number in the block + 1, in the order in which they are written; 0 for those that were not yet.
    written: Vec<u32>,
    order: Vec<u32>,
}

impl Columns {
    /// Begins anew, with so many texts; keeps the allocations.
    fn begin(&mut self, texts: usize) {
        let Self { modes, integers, cuts, words, repeats: _, written, order } = self;
        modes.clear();
        integers.clear();
        cuts.clear();
        words.clear();
        written.clear();
        written.resize(texts, 0);
        order.clear();
    }

    fn put(&mut self, code: u8, words: impl Iterator<Item = u64> + Clone) {
        if code == Arg::None.code() {
            return;
        }
        if raw::is_text(code) {
            self.modes.push(PLAIN);
            for word in words {
                let number = self.number_of_text(word as usize);
                self.integers.put(number);
            }
        } else if raw::is_float(code) {
            self.put_floats(code == Arg::F32(0.0).code(), words.map(f64::from_bits));
        } else {
            let mode = self.put_integers(is_signed(code), words);
            self.modes.push(mode);
        }
        self.cuts.push(self.integers.lengths());
    }

    /// 0 for a text that comes here for the first time, otherwise its number + 1.
    fn number_of_text(&mut self, number: usize) -> u64 {
        let written = &mut self.written[number];
        if *written == 0 {
            self.order.push(number as u32);
            *written = self.order.len() as u32;
            return 0;
        }
        u64::from(*written)
    }

    /// Writes integers as whatever is shortest; says how.
    fn put_integers(&mut self, signed: bool, words: impl Iterator<Item = u64> + Clone) -> u8 {
        let lengths = Lengths::of(signed, words.clone());
        if lengths.varints() >= lengths.count * WIDE_BITS {
            // A byte that all words share costs nothing where it has a column of its own.
            let bytes = lengths.count * bit_length(unlike(words.clone())).next_multiple_of(8);
            if self.put_repeated(words.clone(), bytes.min(lengths.varints())) {
                return REPEATED;
            }
            if bytes < lengths.varints() {
                self.words.extend(words);
                return BITS;
            }
        }
        self.put_varints(signed, &lengths, words)
    }

    /// Writes integers plainly, or as differences.
    fn put_varints(&mut self, signed: bool, lengths: &Lengths, words: impl Iterator<Item = u64>) -> u8 {
        if lengths.plain <= lengths.delta {
            words.for_each(|word| self.integers.put(plainly(signed, word)));
            return PLAIN;
        }
        let mut last = 0;
        for word in words {
            self.integers.put(zigzag(word.wrapping_sub(last).cast_signed()));
            last = word;
        }
        DELTA
    }

    /// Writes each of `words` once, then by number, where that takes fewer than `bits` bits; says whether it does.
    fn put_repeated(&mut self, words: impl Iterator<Item = u64>, bits: u64) -> bool {
        let Self { repeats, integers, words: new, .. } = self;
        if !repeats.find(words) || repeats.bits() >= bits {
            return false;
        }
        repeats.numbers.iter().for_each(|&number| integers.put(u64::from(number)));
        new.extend_from_slice(&repeats.words);
        true
    }

    /// As [`Columns::put_integers`], but never byte by byte: they are small where they are decimals at all.
    fn put_decimals(&mut self, words: impl Iterator<Item = u64> + Clone) -> u8 {
        let lengths = Lengths::of(true, words.clone());
        self.put_varints(true, &lengths, words)
    }

    fn put_floats(&mut self, single: bool, values: impl Iterator<Item = f64> + Clone) {
        match exponent(values.clone(), single) {
            Some((exponent, single)) => {
                let decimals = values.map(|value| ((value * TENS[exponent]).round() as i64).cast_unsigned());
                let delta = self.put_decimals(decimals);
                self.modes.push(delta | (exponent as u8) << 1 | if single { SINGLE } else { 0 });
            }
            None => {
                let words = values.map(f64::to_bits);
                if self.put_repeated(words.clone(), words.clone().count() as u64 * 64) {
                    return self.modes.push(REPEATED);
                }
                self.words.extend(words);
                self.modes.push(BITS);
            }
        }
    }

    fn append(&self, out: &mut Opened, texts: &Texts) {
        out.column(&self.modes);
        self.integers.append_cut(out, &self.cuts);
        // All lowest bytes, then all second ones, and so on: signs and exponents resemble each other, and zstd sees them side by side.
        let mut bytes = Vec::new();
        for plane in 0..8 {
            bytes.clear();
            bytes.extend(self.words.iter().map(|word| word.to_le_bytes()[plane]));
            out.column(&bytes);
        }
        let texts = self.order.iter().map(|&number| texts.get(number as usize));
        let (mut lengths, mut all) = (Vec::new(), Vec::new());
        for text in texts {
            varint::put(&mut lengths, text.len() as u64);
            all.extend_from_slice(text.as_bytes());
        }
        out.column(&lengths);
        out.column(&all);
    }
}

/// How many bits integers take in all, without those that say how long each is.
struct Lengths {
    count: u64,
    plain: u64,
    delta: u64,
}

impl Lengths {
    fn of(signed: bool, words: impl Iterator<Item = u64>) -> Self {
        let (mut lengths, mut last) = (Self { count: 0, plain: 0, delta: 0 }, 0u64);
        for word in words {
            lengths.count += 1;
            lengths.plain += bit_length(plainly(signed, word));
            lengths.delta += bit_length(zigzag(word.wrapping_sub(last).cast_signed()));
            last = word;
        }
        lengths
    }

    /// Of each byte of a varint seven bits are the integer's.
    fn varints(&self) -> u64 {
        self.plain.min(self.delta) * 8 / 7
    }
}

#[inline]
fn plainly(signed: bool, word: u64) -> u64 {
    if signed { zigzag(word.cast_signed()) } else { word }
}

#[inline]
fn bit_length(word: u64) -> u64 {
    u64::from(64 - word.leading_zeros())
}

/// The bits in which any two of `words` differ.
fn unlike(mut words: impl Iterator<Item = u64>) -> u64 {
    let first = words.next().unwrap_or(0);
    words.fold(0, |bits, word| bits | word ^ first)
}

/// The words of a column, each once, and which of them each is.
#[derive(Debug, Default)]
struct Repeats {
    known: HashTable<u32>,
    words: Vec<u64>,
    /// 0 for a word that comes for the first time, otherwise its number + 1.
    numbers: Vec<u32>,
}

impl Repeats {
    /// Looks through `words`; gives up where most of them are new ones. False where it did.
    fn find(&mut self, words: impl Iterator<Item = u64>) -> bool {
        /// So many new words are no sign yet.
        const FREE: usize = 32;
        let Self { known, words: new, numbers } = self;
        known.clear();
        new.clear();
        numbers.clear();
        for word in words {
            let found = known.find(hash_of(word), |&number| new[number as usize] == word);
            if let Some(&number) = found {
                numbers.push(number + 1);
                continue;
            }
            known.insert_unique(hash_of(word), new.len() as u32, |&number| hash_of(new[number as usize]));
            new.push(word);
            numbers.push(0);
            if new.len() > FREE + numbers.len() / 4 {
                return false;
            }
        }
        true
    }

    /// What they take: all bits of new words, and the numbers'.
    fn bits(&self) -> u64 {
        let number = bit_length(self.words.len() as u64) * 8 / 7;
        self.words.len() as u64 * 64 + self.numbers.len() as u64 * number
    }
}

fn hash_of(word: u64) -> u64 {
    use std::hash::BuildHasher;
    foldhash::fast::FixedState::with_seed(0).hash_one(word)
}

fn is_signed(code: u8) -> bool {
    [Arg::I8(0), Arg::I16(0), Arg::I32(0), Arg::I64(0)].iter().any(|arg| arg.code() == code)
}

/// The least power of ten that makes integers of all `values`, and whether only as the `f32` next to each; `None` where there is none.
fn exponent(values: impl Iterator<Item = f64> + Clone, single: bool) -> Option<(usize, bool)> {
    let try_all = |single: bool| {
        let mut exponent = 0;
        for value in values.clone() {
            while !is_decimal(value, exponent, single) {
                exponent += 1;
                if exponent == TENS.len() {
                    return None;
                }
            }
        }
        // A larger power need not do what a smaller one did.
        values.clone().all(|value| is_decimal(value, exponent, single)).then_some((exponent, single))
    };
    if single { try_all(true) } else { try_all(false).or_else(|| try_all(true)) }
}

#[inline]
fn is_decimal(value: f64, exponent: usize, single: bool) -> bool {
    let decimal = (value * TENS[exponent]).round();
    decimal.abs() < EXACT && of_decimal(decimal as i64, exponent, single).to_bits() == value.to_bits()
}

/// The float that is `decimal` / 10^`exponent`: the nearest one, since both are exact.
#[inline]
fn of_decimal(decimal: i64, exponent: usize, single: bool) -> f64 {
    let value = decimal as f64 / TENS[exponent];
    if single { f64::from(value as f32) } else { value }
}

/// The arguments of a block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Args {
    /// By shape, by argument.
    columns: Vec<Vec<Column>>,
    ends: Vec<u32>,
    text: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Column {
    None,
    Words(u8, Vec<u64>),
    Texts(u8, Vec<u32>),
}

impl Args {
    /// Argument `index` of the `event`th event of call site `site`; [`Arg::None`] where there is none.
    #[inline]
    #[must_use]
    pub fn get(&self, site: u32, event: u32, index: usize) -> Arg<'_> {
        let column = self.columns.get(site as usize).and_then(|columns| columns.get(index));
        match column {
            Some(Column::Words(code, words)) => {
                words.get(event as usize).map_or(Arg::None, |&word| raw::of_word(*code, word))
            }
            Some(Column::Texts(code, texts)) => texts.get(event as usize).map_or(Arg::None, |&number| {
                let text = self.text_of(number as usize);
                if *code == Arg::Str("").code() { Arg::Str(text) } else { Arg::Text(text) }
            }),
            Some(Column::None) | None => Arg::None,
        }
    }

    /// As [`Args::get`], as a number: integers beyond 2^53 rounded, `None` for what is none.
    #[must_use]
    pub fn number(&self, site: u32, event: u32, index: usize) -> Option<f64> {
        match self.get(site, event, index) {
            Arg::I8(value) => Some(f64::from(value)),
            Arg::I16(value) => Some(f64::from(value)),
            Arg::I32(value) => Some(f64::from(value)),
            Arg::I64(value) => Some(value as f64),
            Arg::U64(value) => Some(value as f64),
            Arg::F32(value) => Some(f64::from(value)),
            Arg::F64(value) => Some(value),
            Arg::Bool(value) => Some(f64::from(u8::from(value))),
            Arg::Char(value) => Some(f64::from(u32::from(value))),
            Arg::None | Arg::Str(_) | Arg::Text(_) => None,
        }
    }

    /// The first arguments of all events of call site `site` as numbers: integers beyond 2^53 rounded, `None` where they are none.
    pub(crate) fn first_numbers(&self, site: usize) -> Option<Vec<f64>> {
        let Some(Column::Words(code, words)) = self.columns.get(site)?.first() else { return None };
        Some(if raw::is_float(*code) {
            words.iter().map(|&word| f64::from_bits(word)).collect()
        } else if is_signed(*code) {
            words.iter().map(|&word| word.cast_signed() as f64).collect()
        } else {
            words.iter().map(|&word| word as f64).collect()
        })
    }

    /// Whether all events together refer to at most so many bytes of text.
    fn check_referred(&self, longest: usize, bytes_max: usize) -> Result<()> {
        let texts = || {
            self.columns.iter().flatten().filter_map(|column| match column {
                Column::Texts(_, texts) => Some(texts),
                Column::None | Column::Words(..) => None,
            })
        };
        // Nearly always that is enough to know.
        if longest.saturating_mul(texts().map(Vec::len).sum()) <= bytes_max {
            return Ok(());
        }
        let referred = texts().flatten().map(|&number| self.text_of(number as usize).len() as u64).sum();
        Error::within("texts referred to", referred, bytes_max).map(|_| ())
    }

    fn text_of(&self, number: usize) -> &str {
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        &self.text[start..self.ends[number] as usize]
    }
}

/// Reads what [`Values::put`] wrote, for `counts` events of shapes with these `codes`.
pub(crate) fn read<'c>(
    reader: &mut Reader<'_>,
    codes: impl ExactSizeIterator<Item = &'c [u8]> + Clone,
    counts: &[u32],
) -> Result<Args> {
    let total: usize = codes.clone().zip(counts).map(|(codes, &count)| codes.len() * count as usize).sum();
    if total == 0 {
        return Ok(Args::default());
    }
    Error::within("arguments", total as u64, VALUES_MAX)?;
    let mut modes = column(reader, "arguments")?;
    let mut integers = planes::read(reader, "arguments")?;
    let mut bytes = Bytes::read(reader)?;
    let mut columns = Vec::with_capacity(codes.len());
    let mut new_texts = 0;
    for (codes, &count) in codes.zip(counts) {
        let mut of_shape = Vec::new();
        if count > 0 {
            of_shape.reserve_exact(codes.len());
            for &code in codes {
                of_shape.push(read_column(
                    code,
                    count as usize,
                    &mut modes,
                    &mut integers,
                    &mut bytes,
                    &mut new_texts,
                )?);
            }
        }
        columns.push(of_shape);
    }
    modes.finish("arguments")?;
    integers.finish("arguments")?;
    bytes.finish()?;
    let mut lengths = column(reader, "texts")?;
    let all = reader.unsigned("texts")?;
    let text = std::str::from_utf8(reader.take("texts", all)?).map_err(|_| Error::invalid("texts", "not UTF-8"))?;
    let mut ends = Vec::with_capacity(new_texts as usize);
    let (mut at, mut longest) = (0, 0);
    for _ in 0..new_texts {
        let length = Error::within("text", lengths.unsigned("texts")?, STRING_BYTES_MAX)?;
        longest = longest.max(length);
        at += length;
        if !text.is_char_boundary(at) {
            return Err(Error::invalid("texts", "one ends beyond the texts or within a character"));
        }
        ends.push(at as u32);
    }
    lengths.finish("texts")?;
    if at != text.len() {
        return Err(Error::invalid("texts", format!("{} bytes too many", text.len() - at)));
    }
    let args = Args { columns, ends, text: text.to_owned() };
    args.check_referred(longest, DECODED_BYTES_MAX)?;
    Ok(args)
}

fn read_column(
    code: u8,
    count: usize,
    modes: &mut Reader<'_>,
    integers: &mut PlaneReader<'_>,
    bytes: &mut Bytes<'_>,
    new_texts: &mut u32,
) -> Result<Column> {
    const FIELD: &str = "arguments";
    if code == Arg::None.code() {
        return Ok(Column::None);
    }
    let float = raw::is_float(code);
    let mode = modes.byte(FIELD)?;
    let known = match mode {
        PLAIN => true,
        DELTA | REPEATED | BITS => !raw::is_text(code),
        _ => float && mode & !(DELTA | EXPONENT | SINGLE) == 0 && exponent_of(mode) < TENS.len(),
    };
    if !known {
        return Err(Error::invalid(FIELD, format!("mode {mode} of values of code {code}")));
    }
    if mode == BITS {
        return words_of(code, bytes.take(count)?);
    }
    let left = integers.left();
    if count > left {
        return Err(Error::Truncated { field: FIELD, needed: count as u64, left: left as u64 });
    }
    let mut words = vec![0; count];
    integers.fill(&mut words, FIELD)?;
    if raw::is_text(code) {
        let mut known = u64::from(*new_texts);
        let mut texts = Vec::with_capacity(count);
        for number in words {
            if number > known {
                return Err(Error::invalid("texts", format!("text {number} of {known}")));
            }
            let is_new = number == 0;
            texts.push(if is_new { known } else { number - 1 } as u32);
            known += u64::from(is_new);
        }
        *new_texts = known as u32;
        return Ok(Column::Texts(code, texts));
    }
    if mode == REPEATED {
        let known = bytes.take(words.iter().filter(|&&number| number == 0).count())?;
        let mut seen = 0;
        for word in &mut words {
            let place = match *word {
                0 => {
                    seen += 1;
                    seen - 1
                }
                number if number <= seen => number - 1,
                number => return Err(Error::invalid(FIELD, format!("word {number} of {seen}"))),
            };
            *word = known[place as usize];
        }
        return words_of(code, words);
    }
    let signed = float || is_signed(code);
    // Then all at once, which is faster than one by one.
    if mode & DELTA != 0 {
        let mut last = 0u64;
        for word in &mut words {
            last = last.wrapping_add(unzigzag(*word).cast_unsigned());
            *word = last;
        }
    } else if signed {
        words.iter_mut().for_each(|word| *word = unzigzag(*word).cast_unsigned());
    }
    if float {
        let (exponent, single) = (exponent_of(mode), mode & SINGLE != 0);
        for word in &mut words {
            *word = of_decimal(word.cast_signed(), exponent, single).to_bits();
        }
    }
    words_of(code, words)
}

fn exponent_of(mode: u8) -> usize {
    usize::from((mode & EXPONENT) >> 1)
}

/// The column, if all words are such as their code has: otherwise its values would depend on who reads them.
fn words_of(code: u8, words: Vec<u64>) -> Result<Column> {
    let any = [Arg::I64(0), Arg::U64(0), Arg::F64(0.0)].iter().any(|arg| arg.code() == code);
    if let Some(word) = words.iter().find(|&&word| !any && !is_word_of(code, word)) {
        return Err(Error::invalid("arguments", format!("word {word:x} of code {code}")));
    }
    Ok(Column::Words(code, words))
}

#[inline]
fn is_word_of(code: u8, word: u64) -> bool {
    match raw::of_word(code, word) {
        // The bits of one that is no number are nobody's promise.
        Arg::F32(value) => value.is_nan() || f64::from(value).to_bits() == word,
        arg => word_of(arg, code) == word,
    }
}

/// Words byte by byte: all lowest bytes, all second ones, and so on.
struct Bytes<'a>([Reader<'a>; 8]);

impl<'a> Bytes<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        let mut planes = [Reader::new(&[]); 8];
        for plane in &mut planes {
            *plane = column(reader, "words")?;
        }
        Ok(Self(planes))
    }

    fn take(&mut self, count: usize) -> Result<Vec<u64>> {
        let mut planes: [&[u8]; 8] = Default::default();
        for (taken, plane) in planes.iter_mut().zip(&mut self.0) {
            *taken = plane.take("words", count as u64)?;
        }
        let mut words = vec![0; count];
        // Plane by plane: two streams, which the compiler makes vectors of.
        for (number, bytes) in planes.into_iter().enumerate() {
            for (word, &byte) in words.iter_mut().zip(bytes) {
                *word |= u64::from(byte) << (8 * number);
            }
        }
        Ok(words)
    }

    fn finish(self) -> Result<()> {
        self.0.into_iter().try_for_each(|plane| plane.finish("words"))
    }
}

#[cfg(test)]
mod tests;
