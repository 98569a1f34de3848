//! Names and clocks for tests: ticks are nanoseconds, and tick 0 is one second after 1970.

use crate::{Projection, RowView, batches};
use arrow::{array::RecordBatch, util::pretty::pretty_format_batches};
use framelake_wire::{
    Block, BlockId, ProcessId, StreamId, StreamKind, TimeSample,
    encode::{CallSite, Dictionary, PropertiesId, Seal, SiteId, ThreadId},
};
use std::sync::LazyLock;

pub(crate) const PROCESS: &str = "01010101-0101-0101-0101-010101010101";
pub(crate) const STREAM: &str = "02020202-0202-0202-0202-020202020202";

pub(crate) const OUTER: SiteId = SiteId(0);
pub(crate) const INNER: SiteId = SiteId(1);
pub(crate) const LOGGED: SiteId = SiteId(2);
pub(crate) const MEASURED: SiteId = SiteId(3);

/// Its second argument is a count.
pub(crate) const COUNTED: SiteId = SiteId(5);
/// Its first argument is its name.
pub(crate) const NAMED: SiteId = SiteId(4);

/// A line with arguments.
pub(crate) const FORMATTED: SiteId = SiteId(6);

/// A line that is much longer than what is recorded of it.
pub(crate) const WIDE: SiteId = SiteId(7);
/// Properties of 30,000 bytes.
pub(crate) const LONG: PropertiesId = PropertiesId(2);

pub(crate) struct Names;

impl Dictionary for Names {
    fn site(&self, id: SiteId) -> CallSite<'_> {
        let (name, target, file, line, level, unit) = match id {
            OUTER => ("outer", "game", "a.rs", 1, 0, ""),
            INNER => ("inner", "game", "b.rs", 2, 0, ""),
            LOGGED => ("hit", "combat", "c.rs", 3, 3, ""),
            FORMATTED => ("hit {} for {damage:>3}", "combat", "c.rs", 6, 4, ""),
            WIDE => ("{:>60000}", "combat", "c.rs", 7, 4, ""),
            NAMED => ("name()", "net", "e.rs", 5, 0, ""),
            _ => ("bodies", "physics", "d.rs", 4, 0, "1"),
        };
        static ARGS: LazyLock<[Vec<String>; 4]> = LazyLock::new(|| {
            let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            [
                names(&["who", "damage", "critical"]),
                names(&["", "", "map", "bot"]),
                names(&["name", "path", "size"]),
                vec![],
            ]
        });
        let args = match id {
            FORMATTED => &ARGS[0],
            MEASURED | COUNTED => &ARGS[1],
            NAMED => &ARGS[2],
            _ => &ARGS[3],
        };
        let (named, aggregated) = (id == NAMED, id == COUNTED);
        CallSite { name, target, file, line, level, unit, args, template: "", named, aggregated }
    }

    fn properties(&self, id: PropertiesId) -> &[(String, String)] {
        static CASTLE: LazyLock<Vec<(String, String)>> =
            LazyLock::new(|| vec![("map".into(), "castle".into()), ("mode".into(), "siege".into())]);
        static FIELD: LazyLock<Vec<(String, String)>> = LazyLock::new(|| vec![("map".into(), "field".into())]);
        static TEXT: LazyLock<Vec<(String, String)>> = LazyLock::new(|| vec![("text".into(), "x".repeat(29_996))]);
        match id {
            LONG => &TEXT,
            PropertiesId(0) => &CASTLE,
            _ => &FIELD,
        }
    }

    fn thread(&self, id: ThreadId) -> (&str, u64) {
        if id.0 == 0 { ("main", 100) } else { ("", 101) }
    }
}

fn at(ticks: u64) -> TimeSample {
    TimeSample { ticks, monotonic_ns: ticks.cast_signed(), wall_ns: 1_000_000_000 + ticks.cast_signed() }
}

pub(crate) fn seal(kind: &str, sequence: u64, begin: u64, end: u64) -> Seal<'static> {
    let kind = StreamKind::new(kind.to_owned());
    Seal {
        process_id: ProcessId::from_bytes([1; 16]),
        stream_id: StreamId::from_bytes([2; 16]),
        thread: (kind == StreamKind::SPAN).then_some(ThreadId(0)),
        kind,
        clock_domain: "monotonic",
        block_id: BlockId::from_bytes([3; 16]),
        sequence,
        dropped_total: 0,
        anchor_ns: 1_000_000_000,
        begin: at(begin),
        end: at(end),
    }
}

/// All columns of the block's rows as text; empty where it has none.
pub(crate) fn table(view: &dyn RowView, block: &Block) -> String {
    let rows = view.open(block).unwrap();
    let projection = Projection::all(view.schema());
    let batches: Vec<RecordBatch> = batches(rows.as_ref(), &projection).collect();
    if batches.is_empty() { String::new() } else { pretty_format_batches(&batches).unwrap().to_string() }
}
