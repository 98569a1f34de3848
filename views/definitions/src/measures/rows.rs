//! The columns of `measures`.

use crate::{
    Projection, Rows,
    columns::{PropertySets, Sites, Texts, ordinals, thread_names, times},
};
use arrow::array::{Float64Array, RecordBatch};
use framelake_wire::{Header, decode::Metrics};
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
            metrics,
        }
    }
}

impl Rows for MeasureRows {
    fn len(&self) -> usize {
        self.metrics.ordinal.len()
    }

    fn batch(&self, range: Range<usize>, projection: &Projection) -> RecordBatch {
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
            "properties" => self.property_sets.rows(&self.metrics.properties[range.clone()]),
            other => unreachable!("measures has no column {other}"),
        })
    }
}
