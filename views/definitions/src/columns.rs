//! Columns of a block: per-block dictionaries, so that a row of repeated text costs one key.

use arrow::{
    array::{
        Array, ArrayBuilder, ArrayRef, DictionaryArray, Int32Array, Int64Array, MapArray, StringArray, StringBuilder,
        StructArray, TimestampNanosecondArray, UInt32Array, new_null_array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    compute::take,
    datatypes::{DataType, FieldRef, Fields, Int32Type},
};
use framelake_tables::map_of_text;
use framelake_wire::{
    Arg, UnixNanos,
    decode::{Args, CallSite, Thread},
};
use std::{
    collections::HashMap,
    fmt::{Display, Write},
    sync::Arc,
};

/// Distinct texts, and which of them each entry of a block's table (call sites, threads) has.
///
/// Texts are distinct so that clients may take the dictionary for a set of categories (pandas does).
#[derive(Debug)]
pub(crate) struct Texts {
    values: ArrayRef,
    keys: Vec<Option<i32>>,
}

impl Texts {
    /// The text of each entry.
    pub(crate) fn of<'a>(entries: impl Iterator<Item = &'a str>) -> Self {
        Self::maybe(entries.map(Some))
    }

    /// The text of each entry that has one.
    pub(crate) fn maybe<'a>(entries: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut values = Vec::new();
        let mut seen = HashMap::new();
        let keys = entries
            .map(|text| {
                text.map(|text| {
                    *seen.entry(text).or_insert_with(|| {
                        values.push(text);
                        // A block has at most 256 Ki entries.
                        (values.len() - 1) as i32
                    })
                })
            })
            .collect();
        Self { values: Arc::new(StringArray::from(values)), keys }
    }

    /// The same text in `rows` rows.
    pub(crate) fn constant(text: &str, rows: usize) -> ArrayRef {
        dictionary(Int32Array::from_value(0, rows), Arc::new(StringArray::from(vec![text])))
    }

    /// A row for each index into the entries. No entry of those may be without text.
    pub(crate) fn rows(&self, indices: &[u32]) -> ArrayRef {
        let keys = indices.iter().map(|&index| self.keys[index as usize].unwrap_or(0));
        dictionary(Int32Array::from_iter_values(keys), Arc::clone(&self.values))
    }

    /// A row for each index into the entries, NULL where the entry has no text.
    pub(crate) fn rows_maybe(&self, indices: &[u32]) -> ArrayRef {
        if self.keys.iter().all(Option::is_some) {
            return self.rows(indices);
        }
        let keys: Int32Array = indices.iter().map(|&index| self.keys[index as usize]).collect();
        dictionary(keys, Arc::clone(&self.values))
    }
}

fn dictionary(keys: Int32Array, values: ArrayRef) -> ArrayRef {
    Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values).expect("keys count in their values"))
}

/// What a block's call sites say, as dictionaries.
#[derive(Debug)]
pub(crate) struct Sites {
    pub(crate) name: Texts,
    pub(crate) target: Texts,
    pub(crate) file: Texts,
    lines: Vec<i32>,
}

impl Sites {
    pub(crate) fn of(sites: &[CallSite]) -> Self {
        Self {
            name: Texts::of(sites.iter().map(|site| site.name.as_str())),
            target: Texts::of(sites.iter().map(|site| site.target.as_str())),
            file: Texts::of(sites.iter().map(|site| site.file.as_str())),
            lines: sites.iter().map(|site| i32::try_from(site.line).unwrap_or(i32::MAX)).collect(),
        }
    }

    pub(crate) fn lines(&self, indices: &[u32]) -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(indices.iter().map(|&index| self.lines[index as usize])))
    }
}

/// How threads are called in SQL: by their names, and by their numbers where they have none.
pub(crate) fn thread_names(threads: &[Thread]) -> Texts {
    let names: Vec<_> = threads.iter().map(|thread| thread_name(&thread.name, thread.number)).collect();
    Texts::of(names.iter().map(String::as_str))
}

/// What SQL shows of a thread: its name, or its number where it has none.
#[must_use]
pub fn thread_name(name: &str, number: u64) -> String {
    if name.is_empty() { number.to_string() } else { name.to_owned() }
}

pub(crate) fn times(times: &[UnixNanos]) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from(times.to_vec()).with_timezone("UTC"))
}

/// Ordinals as SQL has them: they stay far below 2^63.
pub(crate) fn ordinals(ordinals: &[u64]) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(ordinals.iter().map(|ordinal| ordinal.cast_signed())))
}

/// Ordinals of rows that may have none.
pub(crate) fn parents(parents: impl Iterator<Item = Option<u64>>) -> Int64Array {
    parents.map(|parent| parent.map(u64::cast_signed)).collect()
}

/// `to − from` of each row.
pub(crate) fn durations(from: &[UnixNanos], to: &[UnixNanos]) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(from.iter().zip(to).map(|(from, to)| to.saturating_sub(*from))))
}

/// NULL in every row.
pub(crate) fn nulls(kind: &DataType, rows: usize) -> ArrayRef {
    new_null_array(kind, rows)
}

/// Sets of key-value pairs, of which each row has one or none.
#[derive(Debug)]
pub(crate) struct PropertySets(ArrayRef);

impl PropertySets {
    pub(crate) fn of(sets: &[Vec<(String, String)>]) -> Self {
        let (entries, sorted, fields) = map_parts();
        let keys: StringArray = sets.iter().flatten().map(|(key, _)| Some(key.as_str())).collect();
        let values: StringArray = sets.iter().flatten().map(|(_, value)| Some(value.as_str())).collect();
        let pairs = StructArray::new(fields, vec![Arc::new(keys), Arc::new(values)], None);
        let offsets = OffsetBuffer::from_lengths(sets.iter().map(Vec::len));
        Self(Arc::new(MapArray::new(entries, offsets, pairs, None, sorted)))
    }

    pub(crate) fn rows(&self, indices: &[Option<u32>]) -> ArrayRef {
        if self.0.is_empty() || indices.iter().all(Option::is_none) {
            return nulls(self.0.data_type(), indices.len());
        }
        let indices = UInt32Array::from(indices.to_vec());
        take(&self.0, &indices, None).expect("the decoder checked the indices")
    }
}

/// What events carry, as a map of text per row: the names of their call sites' arguments and the values as `{}` prints them. What has no name is left out, and
/// so is what has no value; a row that has none of either is NULL.
pub(crate) struct ArgMaps {
    keys: StringBuilder,
    values: StringBuilder,
    lengths: Vec<usize>,
    valid: Vec<bool>,
    begin: usize,
}

impl ArgMaps {
    pub(crate) fn new(rows: usize) -> Self {
        let (keys, values) = (StringBuilder::new(), StringBuilder::new());
        Self { keys, values, lengths: Vec::with_capacity(rows), valid: Vec::with_capacity(rows), begin: 0 }
    }

    /// A pair of the row at hand.
    pub(crate) fn pair(&mut self, key: &str, value: impl Display) {
        self.keys.append_value(key);
        // Writing to a builder does not fail, and recorded values do not either.
        let _ = write!(self.values, "{value}");
        self.values.append_value("");
    }

    /// The arguments of an event of call site number `index`, without the first `skip`.
    pub(crate) fn args(&mut self, site: &CallSite, index: u32, event: u32, args: &Args, skip: usize) {
        for (number, name) in site.args.iter().enumerate().skip(skip) {
            // Of two of the same name, as of one argument printed in two ways, the first holds.
            let repeats = || site.args[skip..number].contains(name);
            match args.get(index, event, number) {
                Arg::None => {}
                _ if name.is_empty() || repeats() => {}
                value => self.pair(name, value),
            }
        }
    }

    /// Ends the row at hand.
    pub(crate) fn end_row(&mut self) {
        let pairs = self.keys.len() - self.begin;
        self.begin = self.keys.len();
        self.lengths.push(pairs);
        self.valid.push(pairs > 0);
    }

    pub(crate) fn finish(mut self) -> ArrayRef {
        let rows = self.lengths.len();
        if !self.valid.contains(&true) {
            return nulls(&map_of_text(), rows);
        }
        let (entries, sorted, fields) = map_parts();
        let pairs = StructArray::new(fields, vec![Arc::new(self.keys.finish()), Arc::new(self.values.finish())], None);
        let offsets = OffsetBuffer::from_lengths(self.lengths);
        Arc::new(MapArray::new(entries, offsets, pairs, Some(NullBuffer::from(self.valid)), sorted))
    }
}

fn map_parts() -> (FieldRef, bool, Fields) {
    let DataType::Map(entries, sorted) = map_of_text() else { unreachable!("map_of_text is a map") };
    let DataType::Struct(fields) = entries.data_type().clone() else { unreachable!("entries are structs") };
    (entries, sorted, fields)
}

/// The fields of spans.
pub(crate) fn span_fields(
    sites: &[CallSite],
    args: &Args,
    spans: impl ExactSizeIterator<Item = (u32, u32)>,
) -> ArrayRef {
    let mut maps = ArgMaps::new(spans.len());
    for (index, event) in spans {
        let site = &sites[index as usize];
        maps.args(site, index, event, args, usize::from(site.named));
        maps.end_row();
    }
    maps.finish()
}

/// The names of spans: those of their call sites, or given at run time.
pub(crate) fn span_names(
    sites: &[CallSite],
    known: &Texts,
    args: &Args,
    site: &[u32],
    event: impl Fn(usize) -> u32,
) -> ArrayRef {
    if !sites.iter().any(|site| site.named) {
        return known.rows(site);
    }
    let name = |(row, &index): (usize, &u32)| {
        let site = &sites[index as usize];
        match args.get(index, event(row), 0) {
            Arg::Str(name) | Arg::Text(name) if site.named => name,
            _ => site.name.as_str(),
        }
    };
    let rows: Vec<u32> = (0..site.len() as u32).collect();
    Texts::of(site.iter().enumerate().map(name)).rows(&rows)
}

/// The names of log levels, by number; 0 is none.
pub(crate) const LEVELS: [&str; 7] = ["", "fatal", "error", "warn", "info", "debug", "trace"];
