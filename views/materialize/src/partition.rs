//! Blocks to one Parquet object, its rows sorted so that process, stream and time prune.

use crate::{Error, Options, Result};
use arrow::{
    array::{AsArray, RecordBatch, UInt64Array},
    compute::{concat_batches, take_record_batch},
    datatypes::{Int64Type, TimestampNanosecondType},
};
use bytes::Bytes;
use framelake_definitions::{BATCH_ROWS, Projection, RowView, batches};
use framelake_wire::Block;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, Encoding, ZstdLevel},
    file::metadata::SortingColumn,
    file::properties::WriterProperties,
    schema::types::ColumnPath,
};

/// The columns that grow or vary from row to row, which deltas store best.
const DELTA_COLUMNS: [&str; 7] = ["ordinal", "parent", "time", "begin", "end", "duration_ns", "self_ns"];

/// The rows of the blocks as Parquet, and how many they are: sorted by process, stream, the view's time and ordinal, with statistics for each page.
///
/// # Errors
/// A block cannot be decoded; the bytes are then not made.
pub fn encode(view: &dyn RowView, mut blocks: Vec<Block>, options: &Options) -> Result<(Bytes, u64)> {
    blocks.sort_by_key(|block| (block.header.process_id, block.header.stream_id, block.header.sequence));
    let sorted = sorted_rows(view, &blocks)?;
    drop(blocks);

    let mut writer = ArrowWriter::try_new(Vec::new(), view.schema(), Some(properties(view, options)?))?;
    for indices in sorted.order.chunks(BATCH_ROWS) {
        let indices = UInt64Array::from_iter_values(indices.iter().copied());
        writer.write(&take_record_batch(&sorted.rows, &indices)?)?;
    }
    Ok((writer.into_inner()?.into(), sorted.order.len() as u64))
}

struct Sorted {
    rows: RecordBatch,
    /// The rows' places in `rows`, in sorted order.
    order: Vec<u64>,
}

fn sorted_rows(view: &dyn RowView, blocks: &[Block]) -> Result<Sorted> {
    let schema = view.schema();
    let projection = Projection::all(schema.clone());
    let time_column = schema.index_of(view.sort_column())?;
    let ordinal_column = schema.index_of("ordinal")?;

    let mut decoded = Vec::new();
    // (stream's rank, time, ordinal, place): 32 bytes a row.
    let mut keys: Vec<(u32, i64, i64, u64)> = Vec::new();
    let mut rank = 0;
    for (index, block) in blocks.iter().enumerate() {
        if index > 0 && blocks[index - 1].header.stream_id != block.header.stream_id {
            rank += 1;
        }
        let rows = view.open(block).map_err(|source| Error::Decode {
            stream: block.header.stream_id,
            sequence: block.header.sequence,
            view: view.name(),
            source,
        })?;
        for batch in batches(rows.as_ref(), &projection) {
            let times = batch.column(time_column).as_primitive::<TimestampNanosecondType>().values();
            let ordinals = batch.column(ordinal_column).as_primitive::<Int64Type>().values();
            for (time, ordinal) in times.iter().zip(ordinals) {
                keys.push((rank, *time, *ordinal, keys.len() as u64));
            }
            decoded.push(batch);
        }
    }
    let rows = concat_batches(&schema, &decoded)?;
    keys.sort_unstable();
    Ok(Sorted { rows, order: keys.into_iter().map(|(.., place)| place).collect() })
}

fn properties(view: &dyn RowView, options: &Options) -> Result<WriterProperties> {
    let schema = view.schema();
    let ascending = |name: &str| {
        // All columns up to the sorted ones are flat, so a field's index is its leaf's.
        let index = schema.index_of(name).ok()?;
        Some(SortingColumn { column_idx: i32::try_from(index).ok()?, descending: false, nulls_first: false })
    };
    let sorted_by =
        ["process_id", "stream_id", view.sort_column(), "ordinal"].into_iter().filter_map(ascending).collect();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(options.zstd_level)?))
        .set_max_row_group_row_count(Some(options.row_group_rows))
        .set_data_page_row_count_limit(BATCH_ROWS)
        .set_write_batch_size(BATCH_ROWS)
        .set_sorting_columns(Some(sorted_by));
    for column in DELTA_COLUMNS.into_iter().filter(|name| schema.index_of(name).is_ok()) {
        let path = ColumnPath::from(column);
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    Ok(properties.build())
}

#[cfg(test)]
mod tests;
