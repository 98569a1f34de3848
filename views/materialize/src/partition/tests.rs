//! What stands in a partition.

use super::*;
use framelake_definitions::by_name;
use framelake_wire::{
    BlockId, ProcessId, StreamId, StreamKind, TimeSample,
    encode::{CallSite, Dictionary, LogEncoder, PropertiesId, Seal, SiteId, ThreadId},
};
use parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
    file::{reader::FileReader, serialized_reader::SerializedFileReader},
};

struct Names;

impl Dictionary for Names {
    fn site(&self, _id: SiteId) -> CallSite<'_> {
        CallSite { name: "line", target: "game", file: "a.rs", line: 1, level: 4, unit: "", ..CallSite::default() }
    }
    fn properties(&self, _id: PropertiesId) -> &[(String, String)] {
        &[]
    }
    fn thread(&self, _id: ThreadId) -> (&str, u64) {
        ("main", 1)
    }
}

/// 1,000 lines of one process, one each microsecond from `start`.
fn block(process: u8, sequence: u64, start: u64) -> Block {
    let mut encoder = LogEncoder::new();
    for line in 0..1000 {
        encoder.push(SiteId(0), ThreadId(0), start + line * 1000, None);
    }
    let at = |ticks: u64| TimeSample { ticks, monotonic_ns: ticks.cast_signed(), wall_ns: ticks.cast_signed() };
    let seal = Seal {
        process_id: ProcessId::from_bytes([process; 16]),
        stream_id: StreamId::from_bytes([process; 16]),
        kind: StreamKind::LOG,
        thread: None,
        clock_domain: "monotonic",
        block_id: BlockId::now_v7(),
        sequence,
        dropped_total: 0,
        anchor_ns: 0,
        begin: at(start),
        end: at(start + 1_000_000),
    };
    encoder.seal(&seal, &Names)
}

#[test]
fn rows_are_sorted_and_row_groups_bounded() {
    let view = by_name("log_entries").unwrap();
    let blocks = vec![block(2, 0, 0), block(1, 1, 1_000_000), block(1, 0, 0)];
    let options = Options { row_group_rows: 1000, ..Options::default() };
    let (bytes, rows) = encode(view, blocks, &options).unwrap();
    assert_eq!(rows, 3000);

    let reader = SerializedFileReader::new(bytes.clone()).unwrap();
    let metadata = reader.metadata();
    assert_eq!(metadata.num_row_groups(), 3);
    for group in metadata.row_groups() {
        assert_eq!(group.num_rows(), 1000);
        assert_eq!(group.sorting_columns().unwrap().len(), 4);
        assert!(group.columns().iter().take(5).all(|column| column.statistics().is_some()));
        assert!(group.columns()[4].column_index_offset().is_some(), "pages have statistics too");
    }

    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    assert_eq!(reader.schema().fields(), view.schema().fields(), "types come back as they were");
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    let read = concat_batches(&view.schema(), &batches).unwrap();
    let processes = arrow::compute::cast(read.column(0), &arrow::datatypes::DataType::Utf8).unwrap();
    let times = read.column(4).as_primitive::<TimestampNanosecondType>();
    let keys: Vec<_> =
        (0..3000).map(|row| (processes.as_string::<i32>().value(row).to_owned(), times.value(row))).collect();
    assert!(keys.is_sorted());
    assert_eq!(keys[1999].0, "01010101-0101-0101-0101-010101010101");
    assert_eq!(keys[2000].0, "02020202-0202-0202-0202-020202020202");
}

#[test]
fn no_blocks_are_no_rows() {
    let (bytes, rows) = encode(by_name("frames").unwrap(), Vec::new(), &Options::default()).unwrap();
    assert_eq!(rows, 0);
    assert!(!bytes.is_empty());
}
