//! `processes`: runs of instrumented programs.

use super::{
    catalog_table::{Source, external},
    narrow::Narrowed,
};
use crate::engine::Shared;
use arrow::{
    array::{
        ArrayRef, Int32Array, Int64Array, MapBuilder, MapFieldNames, StringArray, StringBuilder,
        TimestampNanosecondArray,
    },
    datatypes::SchemaRef,
};
use async_trait::async_trait;
use datafusion::common::Result;
use framelake_lake::ProcessEntry;
use framelake_wire::{Process, UnixNanos};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Processes;

#[async_trait]
impl Source for Processes {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&framelake_tables::catalog_tables::PROCESSES)
    }

    async fn columns(&self, shared: &Shared, narrowed: &Narrowed) -> Result<Vec<ArrayRef>> {
        let ids: Option<Vec<_>> = narrowed.processes.as_ref().map(|ids| ids.iter().copied().collect());
        let entries = shared.lake.catalog().processes(ids.as_deref()).await.map_err(external)?;
        Ok(columns(&entries))
    }
}

fn columns(entries: &[ProcessEntry]) -> Vec<ArrayRef> {
    let text = |field: fn(&Process) -> Option<String>| -> ArrayRef {
        Arc::new(entries.iter().map(|entry| entry.process.as_ref().and_then(field)).collect::<StringArray>())
    };
    let number = |field: fn(&Process) -> i64| -> ArrayRef {
        Arc::new(entries.iter().map(|entry| entry.process.as_ref().map(field)).collect::<Int64Array>())
    };
    let time = |field: fn(&Process) -> Option<UnixNanos>| -> ArrayRef {
        let times: TimestampNanosecondArray =
            entries.iter().map(|entry| entry.process.as_ref().and_then(field)).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    vec![
        Arc::new(StringArray::from_iter_values(entries.iter().map(|entry| entry.process_id.to_string()))),
        text(|process| process.parent_process_id.map(|id| id.to_string())),
        text(|process| Some(process.exe.clone())),
        text(|process| Some(process.version.clone())),
        text(|process| Some(process.user.clone())),
        text(|process| Some(process.host.clone())),
        text(|process| Some(process.os.clone())),
        text(|process| Some(process.arch.clone())),
        text(|process| Some(process.cpu.clone())),
        Arc::new(
            entries
                .iter()
                .map(|entry| entry.process.as_ref().map(|process| process.cores.cast_signed()))
                .collect::<Int32Array>(),
        ),
        number(|process| process.memory_bytes.cast_signed()),
        number(|process| i64::from(process.pid)),
        text(|process| Some(process.sdk.clone())),
        time(|process| Some(process.start_time)),
        time(|process| Some(process.last_seen)),
        time(|process| process.end_time),
        text(|process| process.exit_reason.clone()),
        number(|process| process.revision.cast_signed()),
        properties(entries),
    ]
}

fn properties(entries: &[ProcessEntry]) -> ArrayRef {
    let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
    let mut maps = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for entry in entries {
        let properties = entry.process.as_ref().map(|process| &process.properties);
        for (key, value) in properties.into_iter().flatten() {
            maps.keys().append_value(key);
            maps.values().append_value(value);
        }
        maps.append(properties.is_some()).expect("a key for every value");
    }
    Arc::new(maps.finish())
}
