//! What the events of a block refer to by number: call sites, threads, property sets, and the strings in them.
//!
//! Strings are stored once and referred to by number. A block must decode within fixed bounds whatever the program calls its spans, so the
//! tables have bounds of their own: the encoder seals before there are too many entries, and where their strings are too long
//! in sum it cuts the longest.

use crate::{
    Arg, Error, Result,
    avro::cut,
    columns::shapes::Shape,
    decode::{CallSite, Thread},
    encode::{self, Dictionary, PropertiesId, SiteId, ThreadId},
    limits::{ARG_NAME_BYTES_MAX, PROPERTIES_MAX, STRING_BYTES_MAX},
    raw::{ARGS_MAX, WHOLE},
    varint,
    varint::Reader,
};
use std::collections::HashMap;

/// Most call sites, and most threads, of a block.
pub(crate) const ENTRIES_MAX: usize = 4096;
/// Most property sets of a block.
pub(crate) const SETS_MAX: usize = 4096;
/// Most key-value pairs of all property sets of a block: as many sets as there may be with 4 pairs each, or 64 of the largest.
pub(crate) const PAIRS_MAX: usize = 16 * 1024;
/// Most bytes of all strings of the tables, each counted once.
pub(crate) const STRINGS_BYTES_MAX: usize = 160 * 1024;
/// Most bytes of all strings of the tables, each counted as often as it is referred to.
pub(crate) const REFERRED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most arguments of all call sites of a block: 16 each for the first thousand.
pub(crate) const ARGS_SUM_MAX: usize = 16 * 1024;
/// Strings of call sites, names of threads, names of arguments, keys and values.
const STRINGS_MAX: usize = 5 * ENTRIES_MAX + ENTRIES_MAX + ARGS_SUM_MAX + 2 * PAIRS_MAX;

/// Stands for the string after the last one that was referred to for the first time. Others are referred to by their number + 1.
const NEXT: u8 = 0;

/// How the message of a shape that is one text is made of it.
const WHOLE_TEMPLATE: &str = "{0}";

/// Flags of a call site, above the number of its arguments.
const NAMED: u64 = 1;
const AGGREGATED: u64 = 2;
const FLAG_BITS: u32 = 2;

/// The global numbers that a block uses, by local number.
#[derive(Clone, Copy, Default)]
pub(crate) struct Used<'a> {
    pub(crate) sites: &'a [Shape],
    pub(crate) threads: &'a [u32],
    pub(crate) sets: &'a [u32],
}

/// Most bytes that the tables of so many entries take in an opened payload.
#[inline]
pub(crate) fn bytes_max(sites: usize, args: usize, threads: usize, sets: usize) -> usize {
    // A number of a string needs at most 3 bytes (2^21 > STRINGS_MAX), its length 3.
    const REFERENCE: usize = 6;
    let pairs = if sets == 0 { 0 } else { PAIRS_MAX.min(sets * PROPERTIES_MAX) };
    // A site has four strings and a template, a line, a level and a number of arguments; those a string and a code each; a thread a string and a
    // number; a set its number of pairs.
    let numbers = sites * (5 * REFERENCE + 5 + 2)
        + args * (REFERENCE + 1)
        + threads * (REFERENCE + 10)
        + sets * 2
        + pairs * 2 * REFERENCE;
    32 + numbers + STRINGS_BYTES_MAX
}

/// Appends the tables of what is `used`.
pub(crate) fn put(out: &mut Vec<u8>, used: Used<'_>, dictionary: &impl Dictionary) {
    let pairs_max = pairs_each(used, dictionary);
    let mut strings = Strings::new(used, dictionary, pairs_max);
    let mut numbers = Vec::new();
    varint::put(&mut numbers, used.sites.len() as u64);
    // Column by column: what is alike stands together, and most names come here for the first time, which is one number.
    let sites: Vec<_> = used.sites.iter().map(|shape| (shape, dictionary.site(SiteId(shape.site)))).collect();
    for column in SITE_STRINGS {
        sites.iter().for_each(|(_, site)| strings.put(&mut numbers, column(site)));
    }
    sites.iter().for_each(|(_, site)| varint::put(&mut numbers, u64::from(site.line)));
    sites.iter().for_each(|(_, site)| numbers.push(site.level));
    for (shape, site) in &sites {
        let flags = if site.named { NAMED } else { 0 } | if site.aggregated { AGGREGATED } else { 0 };
        varint::put(&mut numbers, u64::from(shape.count) << FLAG_BITS | flags);
    }
    for (shape, site) in sites.iter().filter(|(shape, _)| shape.count > 0) {
        for (index, code) in shape.codes().enumerate() {
            strings.put(&mut numbers, arg_name(shape, site, index));
            numbers.push(if shape.codes == WHOLE { Arg::Text("").code() } else { code });
        }
        strings.put(&mut numbers, template(shape, site));
    }
    varint::put(&mut numbers, used.threads.len() as u64);
    for &thread in used.threads {
        let (name, number) = dictionary.thread(ThreadId(thread));
        strings.put(&mut numbers, name);
        varint::put(&mut numbers, number);
    }
    varint::put(&mut numbers, used.sets.len() as u64);
    for &set in used.sets {
        let pairs = pairs_of(dictionary, set, pairs_max);
        varint::put(&mut numbers, pairs.len() as u64);
        for (key, value) in pairs {
            strings.put(&mut numbers, key);
            strings.put(&mut numbers, value);
        }
    }
    varint::put(out, strings.lengths.len() as u64);
    for &length in &strings.lengths {
        varint::put(out, length as u64);
    }
    out.extend_from_slice(strings.text.as_bytes());
    out.extend_from_slice(&numbers);
}

/// The strings that every call site has, in the order of their columns.
const SITE_STRINGS: [for<'a> fn(&encode::CallSite<'a>) -> &'a str; 4] =
    [|site| site.name, |site| site.target, |site| site.file, |site| site.unit];

fn arg_name<'a>(shape: &Shape, site: &encode::CallSite<'a>, index: usize) -> &'a str {
    let known = shape.codes != WHOLE;
    cut(site.args.get(index).filter(|_| known).map_or("", String::as_str), ARG_NAME_BYTES_MAX)
}

fn template<'a>(shape: &Shape, site: &encode::CallSite<'a>) -> &'a str {
    if shape.codes == WHOLE { WHOLE_TEMPLATE } else { site.template }
}

fn pairs_of(dictionary: &impl Dictionary, set: u32, pairs_max: usize) -> &[(String, String)] {
    let pairs = dictionary.properties(PropertiesId(set));
    &pairs[..pairs.len().min(pairs_max)]
}

/// How many pairs each set may have so that all together keep to [`PAIRS_MAX`].
fn pairs_each(used: Used<'_>, dictionary: &impl Dictionary) -> usize {
    let mut each = PROPERTIES_MAX;
    while used.sets.iter().map(|&set| pairs_of(dictionary, set, each).len()).sum::<usize>() > PAIRS_MAX {
        each /= 2;
    }
    each
}

/// The strings of the tables, each once.
struct Strings<'a> {
    numbers: HashMap<&'a str, u64>,
    lengths: Vec<usize>,
    text: String,
    /// Longer ones are cut to this.
    bytes_max: usize,
}

impl<'a> Strings<'a> {
    fn new(used: Used<'_>, dictionary: &'a impl Dictionary, pairs_max: usize) -> Self {
        let mut strings =
            Self { numbers: HashMap::new(), lengths: Vec::new(), text: String::new(), bytes_max: STRING_BYTES_MAX };
        // A bound first, without a look-up: most blocks are far below it.
        while strings.referred(used, dictionary, pairs_max, false) > STRINGS_BYTES_MAX
            && (strings.referred(used, dictionary, pairs_max, true) > STRINGS_BYTES_MAX
                || strings.referred(used, dictionary, pairs_max, false) > REFERRED_BYTES_MAX)
        {
            strings.bytes_max /= 2;
        }
        strings
    }

    /// Bytes of all strings, once each or as often as they are referred to.
    fn referred(&self, used: Used<'_>, dictionary: &'a impl Dictionary, pairs_max: usize, once: bool) -> usize {
        let mut seen = std::collections::HashSet::new();
        let mut bytes = 0;
        let mut add = |text: &'a str| {
            let text = cut(text, self.bytes_max);
            if !once || seen.insert(text) {
                bytes += text.len();
            }
        };
        for shape in used.sites {
            let site = dictionary.site(SiteId(shape.site));
            [site.name, site.target, site.file, site.unit].into_iter().for_each(&mut add);
            if shape.count > 0 {
                (0..shape.count as usize).for_each(|index| add(arg_name(shape, &site, index)));
                add(template(shape, &site));
            }
        }
        for &thread in used.threads {
            add(dictionary.thread(ThreadId(thread)).0);
        }
        for &set in used.sets {
            for (key, value) in pairs_of(dictionary, set, pairs_max) {
                add(key);
                add(value);
            }
        }
        bytes
    }

    fn put(&mut self, out: &mut Vec<u8>, text: &'a str) {
        let text = cut(text, self.bytes_max);
        let next = self.lengths.len() as u64;
        let number = *self.numbers.entry(text).or_insert(next);
        if number < next {
            return varint::put(out, number + 1);
        }
        self.lengths.push(text.len());
        self.text.push_str(text);
        out.push(NEXT);
    }
}

/// The tables of a block.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) sites: Vec<CallSite>,
    pub(crate) threads: Vec<Thread>,
    pub(crate) sets: Vec<Vec<(String, String)>>,
}

/// Reads what [`put`] wrote.
pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Tables> {
    let strings = read_strings(reader)?;
    let mut left = REFERRED_BYTES_MAX;
    let mut next = 0;
    let mut string = |reader: &mut Reader<'_>| -> Result<String> {
        let number = match reader.unsigned("strings")? {
            number if number == u64::from(NEXT) => {
                next += 1;
                next - 1
            }
            number if number <= next => number - 1,
            number => return Err(Error::invalid("strings", format!("string {} before string {next}", number - 1))),
        };
        let text = usize::try_from(number).ok().and_then(|number| strings.get(number));
        let text = text.ok_or_else(|| Error::invalid("strings", format!("string {number} of {}", strings.len())))?;
        left = left
            .checked_sub(text.len())
            .ok_or_else(|| Error::invalid("strings", format!("more than {REFERRED_BYTES_MAX} bytes referred to")))?;
        Ok((*text).to_owned())
    };
    let mut tables = Tables::default();
    let count = entries(reader, "call sites", ENTRIES_MAX)?;
    tables.sites.resize_with(count, CallSite::default);
    let columns: [fn(&mut CallSite) -> &mut String; 4] =
        [|site| &mut site.name, |site| &mut site.target, |site| &mut site.file, |site| &mut site.unit];
    for column in columns {
        for site in &mut tables.sites {
            *column(site) = string(reader)?;
        }
    }
    for site in &mut tables.sites {
        site.line = u32::try_from(reader.unsigned("line")?).map_err(|_| Error::invalid("line", "beyond 2^32"))?;
    }
    for site in &mut tables.sites {
        site.level = reader.byte("level")?;
    }
    let mut args_left = ARGS_SUM_MAX;
    for site in &mut tables.sites {
        let args = reader.unsigned("arguments")?;
        site.named = args & NAMED != 0;
        site.aggregated = args & AGGREGATED != 0;
        let args = Error::within("arguments", args >> FLAG_BITS, ARGS_MAX.min(args_left))?;
        args_left -= args;
        site.codes.resize(args, 0);
    }
    for site in tables.sites.iter_mut().filter(|site| !site.codes.is_empty()) {
        site.args.reserve_exact(site.codes.len());
        for code in &mut site.codes {
            let name = string(reader)?;
            Error::within("name of an argument", name.len() as u64, ARG_NAME_BYTES_MAX)?;
            site.args.push(name);
            *code = reader.byte("arguments")?;
            if *code > Arg::Text("").code() {
                return Err(Error::invalid("arguments", format!("code {code}")));
            }
        }
        site.template = string(reader)?;
    }
    let count = entries(reader, "threads", ENTRIES_MAX)?;
    tables.threads.reserve_exact(count);
    for _ in 0..count {
        tables.threads.push(Thread { name: string(reader)?, number: reader.unsigned("thread number")? });
    }
    let count = entries(reader, "property sets", SETS_MAX)?;
    tables.sets.reserve_exact(count);
    let mut pairs_left = PAIRS_MAX;
    for _ in 0..count {
        let pairs = entries(reader, "properties", PROPERTIES_MAX.min(pairs_left))?;
        pairs_left -= pairs;
        let mut set = Vec::with_capacity(pairs);
        for _ in 0..pairs {
            set.push((string(reader)?, string(reader)?));
        }
        tables.sets.push(set);
    }
    if next != strings.len() as u64 {
        return Err(Error::invalid("strings", format!("{} of {} referred to", next, strings.len())));
    }
    Ok(tables)
}

fn read_strings<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a str>> {
    let count = entries(reader, "strings", STRINGS_MAX)?;
    let mut lengths = Vec::with_capacity(count);
    let mut bytes = 0;
    for _ in 0..count {
        let length = Error::within("string", reader.unsigned("strings")?, STRING_BYTES_MAX)?;
        bytes += length;
        lengths.push(length as u32);
    }
    Error::within("strings", bytes as u64, STRINGS_BYTES_MAX)?;
    let text = std::str::from_utf8(reader.take("strings", bytes as u64)?)
        .map_err(|_| Error::invalid("strings", "not UTF-8"))?;
    let mut strings = Vec::with_capacity(count);
    let mut at = 0;
    for length in lengths {
        let end = at + length as usize;
        strings.push(text.get(at..end).ok_or_else(|| Error::invalid("strings", "one ends within a character"))?);
        at = end;
    }
    Ok(strings)
}

/// A number of entries, each of which takes at least a byte.
fn entries(reader: &mut Reader<'_>, field: &'static str, limit: usize) -> Result<usize> {
    let count = Error::within(field, reader.unsigned(field)?, limit)?;
    if count > reader.left() {
        return Err(Error::Truncated { field, needed: count as u64, left: reader.left() as u64 });
    }
    Ok(count)
}
