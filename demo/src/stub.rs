//! Shapes of the recorder's report, while the game is built without it.
#[derive(Clone, Copy, Default)]
pub(crate) struct KindStats {
    pub(crate) emitted: u64,
    pub(crate) events: u64,
    pub(crate) dropped: u64,
}
#[derive(Clone, Copy, Default)]
pub(crate) struct Stats {
    pub(crate) logs: KindStats,
    pub(crate) metrics: KindStats,
    pub(crate) spans: KindStats,
    pub(crate) frames: KindStats,
    pub(crate) background_cpu_ns: u64,
    pub(crate) queue_bytes_peak: u64,
    pub(crate) send_errors: u64,
}
#[derive(Clone, Default)]
pub(crate) struct StreamReport {
    pub(crate) stream_id: String,
    pub(crate) kind: String,
    pub(crate) thread_name: String,
    pub(crate) ordinals: u64,
    pub(crate) dropped: u64,
    pub(crate) open: u64,
}
#[derive(Clone, Default)]
pub(crate) struct Report {
    pub(crate) process_id: String,
    pub(crate) streams: Vec<StreamReport>,
    pub(crate) stats: Stats,
    pub(crate) undelivered_rows: u64,
}
