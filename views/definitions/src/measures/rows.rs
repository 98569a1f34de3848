//! The columns of `measures`.

use crate::{
    Projection, Rows,
    columns::{ArgMaps, PropertySets, Sites, Texts, ordinals, thread_names, times},
    view::BATCH_BYTES,
};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use framelake_wire::{
    Arg, Header,
    decode::{CallSite, Metrics},
};
use std::{ops::Range, sync::Arc};

/// The measurements of one block.
#[derive(Debug)]
pub(crate) struct MeasureRows {
    process_id: String,
    stream_id: String,
    sites: Sites,
    units: Texts,
    threads: Texts,
    property_sets: PropertySets,
    /// Bytes of each set's text.
    set_bytes: Vec<usize>,
    metrics: Metrics,
}

impl MeasureRows {
    pub(crate) fn of(header: &Header, metrics: Metrics) -> Self {
        Self {
            process_id: header.process_id.to_string(),
            stream_id: header.stream_id.to_string(),
            sites: Sites::of(&metrics.sites),
            units: Texts::of(metrics.sites.iter().map(|site| site.unit.as_str())),
            threads: thread_names(&metrics.threads),
            property_sets: PropertySets::of(&metrics.property_sets),
            set_bytes: metrics.property_sets.iter().map(|set| bytes_of(set)).collect(),
            metrics,
        }
    }
}

fn bytes_of(set: &[(String, String)]) -> usize {
    set.iter().map(|(key, value)| key.len() + value.len()).sum()
}

/// What stands before a measurement's tags: its value, and how many observations it is of.
fn before_tags(site: &CallSite) -> usize {
    1 + usize::from(site.aggregated)
}

impl MeasureRows {
    /// The first rows of `range`, until their property sets are long enough for a batch.
    fn within_bytes(&self, range: Range<usize>) -> Range<usize> {
        // Most blocks are far below it.
        let longest = self.set_bytes.iter().max().copied().unwrap_or(0);
        if longest * range.len() < BATCH_BYTES {
            return range;
        }
        let mut bytes = 0;
        let of_row = |row: usize| self.metrics.properties[row].map_or(0, |set| self.set_bytes[set as usize]);
        let fits = range.clone().take_while(|&row| {
            let before = bytes;
            bytes += of_row(row);
            before < BATCH_BYTES
        });
        range.start..range.start + fits.count()
    }

    fn properties(&self, range: Range<usize>) -> ArrayRef {
        let metrics = &self.metrics;
        if metrics.sites.iter().all(|site| site.args.len() <= before_tags(site)) {
            return self.property_sets.rows(&metrics.properties[range]);
        }
        let mut maps = ArgMaps::new(range.len());
        for row in range {
            let index = metrics.site[row];
            let site = &metrics.sites[index as usize];
            for (key, value) in metrics.properties[row].map_or(&[][..], |set| &metrics.property_sets[set as usize]) {
                maps.pair(key, value);
            }
            maps.args(site, index, metrics.event[row], &metrics.args, before_tags(site));
            maps.end_row();
        }
        maps.finish()
    }

    fn counts(&self, range: Range<usize>) -> ArrayRef {
        let metrics = &self.metrics;
        let count = |row: usize| {
            let index = metrics.site[row];
            let count =
                metrics.sites[index as usize].aggregated.then(|| metrics.args.get(index, metrics.event[row], 1));
            if let Some(Arg::U64(count)) = count { i64::try_from(count).unwrap_or(i64::MAX) } else { 1 }
        };
        Arc::new(Int64Array::from_iter_values(range.map(count)))
    }
}

impl Rows for MeasureRows {
    fn len(&self) -> usize {
        self.metrics.ordinal.len()
    }

    fn batch(&self, range: Range<usize>, projection: &Projection) -> RecordBatch {
        let range = if projection.has("properties") { self.within_bytes(range) } else { range };
        let rows = range.len();
        let site = &self.metrics.site[range.clone()];
        projection.batch(rows, |column| match column {
            "process_id" => Texts::constant(&self.process_id, rows),
            "stream_id" => Texts::constant(&self.stream_id, rows),
            "thread" => self.threads.rows(&self.metrics.thread[range.clone()]),
            "ordinal" => ordinals(&self.metrics.ordinal[range.clone()]),
            "time" => times(&self.metrics.time[range.clone()]),
            "name" => self.sites.name.rows(site),
            "target" => self.sites.target.rows(site),
            "unit" => self.units.rows(site),
            "value" => Arc::new(Float64Array::from(self.metrics.value[range.clone()].to_vec())),
            "properties" => self.properties(range.clone()),
            "count" => self.counts(range.clone()),
            other => unreachable!("measures has no column {other}"),
        })
    }
}
