//! What the tests' blocks refer to.
#![allow(dead_code, reason = "each test file uses a part of it")]

use framelake_wire::{
    BlockId, ProcessId, StreamId, StreamKind, TimeSample,
    encode::{CallSite, Dictionary, PropertiesId, Seal, SiteId, ThreadId},
};

/// A dictionary of anything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) sites: Vec<(String, String, u32)>,
    pub(crate) sets: Vec<Vec<(String, String)>>,
    pub(crate) threads: Vec<(String, u64)>,
    /// Those of every call site.
    pub(crate) args: Vec<String>,
    /// Whether the call sites of odd numbers are named, and those of even ones aggregated.
    pub(crate) flagged: bool,
}

impl Names {
    /// So many call sites, property sets and threads.
    pub(crate) fn new(sites: u32, sets: u32, threads: u32) -> Self {
        Self {
            sites: (0..sites).map(|n| (format!("name {n}"), format!("target {}", n % 3), n * 10)).collect(),
            sets: (0..sets).map(|n| (0..n % 4).map(|k| (format!("key {k}"), format!("value {n}"))).collect()).collect(),
            threads: (0..threads).map(|n| (format!("thread {n}"), u64::from(n) + 1000)).collect(),
            args: ["", "b", "", "d"].map(str::to_owned).into(),
            flagged: false,
        }
    }
}

impl Dictionary for Names {
    fn site(&self, id: SiteId) -> CallSite<'_> {
        let (name, target, line) = &self.sites[id.0 as usize];
        let (file, level) = ("src/game.rs", (line % 7) as u8);
        let (named, aggregated) = (self.flagged && id.0 % 2 == 1, self.flagged && id.0.is_multiple_of(2));
        CallSite {
            name,
            target,
            file,
            line: *line,
            level,
            unit: "ns",
            args: &self.args,
            named,
            aggregated,
            ..CallSite::default()
        }
    }
    fn properties(&self, id: PropertiesId) -> &[(String, String)] {
        &self.sets[id.0 as usize]
    }
    fn thread(&self, id: ThreadId) -> (&str, u64) {
        let (name, number) = &self.threads[id.0 as usize];
        (name, *number)
    }
}

/// The samples of drain `drain`: a second apart, with a clock of 2.3 ticks a nanosecond that drifts a little from drain to drain.
pub(crate) fn sample(drain: u64) -> TimeSample {
    let monotonic_ns = 5_000_000_000 + drain.cast_signed() * 1_000_000_000;
    TimeSample { ticks: 7_000_000 + drain * (2_300_000_000 + drain * 1_001), monotonic_ns, wall_ns: monotonic_ns + 3 }
}

pub(crate) const ANCHOR_NS: i64 = 1_760_000_000_000_000_000;

pub(crate) fn seal(kind: StreamKind, sequence: u64) -> Seal<'static> {
    let mut block_id = [3; 16];
    block_id[8..].copy_from_slice(&sequence.to_be_bytes());
    Seal {
        process_id: ProcessId::from_bytes([1; 16]),
        stream_id: StreamId::from_bytes([2; 16]),
        kind,
        thread: Some(ThreadId(0)),
        clock_domain: "tsc",
        block_id: BlockId::from_bytes(block_id),
        sequence,
        dropped_total: 0,
        anchor_ns: ANCHOR_NS,
        begin: sample(sequence),
        end: sample(sequence + 1),
    }
}

/// SplitMix64: the same numbers on every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Below `bound`, which is small.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
