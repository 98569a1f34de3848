//! The end: what could not be delivered goes to the spool, if there is one, and is counted as lost if there is not.

use super::{Origin, Shared, Undelivered};
use crate::Outgoing;
use crate::queue::class;
use crate::spool::{Lost, Spool};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How long the end of a program may wait for the disk: what the SDK holds by default, 24 MiB, at 12 MB/s.
const WRITE_MAX: Duration = Duration::from_secs(2);
/// Records are handed to the disk in lots of this many bytes, so that time that is over is noticed.
const LOT_BYTES: usize = 1024 * 1024;

/// What became of the writing.
struct Kept {
    spool: Spool,
    lost: Lost,
    bytes: u64,
    error: Option<std::io::Error>,
}

/// Takes all that is held out of `shared`, and keeps on disk what can be kept there in time.
pub(super) fn keep(shared: &Shared) -> Undelivered {
    let deadline = Instant::now() + WRITE_MAX;
    // Without the lock the disk hangs, and so would whoever asked it for more.
    let mut guard = shared.lock_spool_until(deadline);
    let spool = guard.as_mut().and_then(|spool| spool.take());
    let mut rest = Vec::new();
    let mut rows_in_flight_on_disk = 0;
    {
        let mut state = shared.lock();
        state.spools = false;
        if let Some(batch) = state.in_flight.take() {
            let records = &batch.records[batch.done..];
            match batch.from {
                Origin::Memory => rest.extend_from_slice(records),
                Origin::Spool => {
                    rows_in_flight_on_disk = records.iter().filter_map(|record| record.rows).map(|r| r.count).sum()
                }
                Origin::Recovered => {}
            }
        }
        // Only where the lock could not be had.
        rest.extend_from_slice(&std::mem::take(&mut state.spilling));
        rest.extend(state.queue.drain());
    }
    drop(guard);
    rest.sort_by_key(class);
    let rest = Arc::new(rest);

    let mut undelivered = Undelivered::default();
    let mut written = 0;
    if let Some(spool) = spool {
        let before = spool.rest();
        undelivered.spooled_records = before.records;
        undelivered.spooled_rows = before.rows + rows_in_flight_on_disk;
        let progress = Arc::new(AtomicUsize::new(0));
        if let Some(kept) = write(spool, &rest, &progress, deadline) {
            let Kept { spool, lost, bytes, error } = kept;
            let now = spool.rest();
            undelivered.spooled_records = now.records;
            undelivered.spooled_rows = now.rows + rows_in_flight_on_disk;
            let mut state = shared.lock();
            state.held = spool.held();
            state.lost_on_disk(lost);
            state.stats.spilled_bytes += bytes;
            state.stats.spilled_records += progress.load(SeqCst) as u64;
            state.stats.spool_errors += u64::from(error.is_some());
            written = progress.load(SeqCst);
        } else {
            // What the disk took before it hung is there, but nobody can say whether whole.
            written = progress.load(SeqCst);
            undelivered.spooled_records += written as u64;
            undelivered.spooled_rows +=
                rest[..written].iter().filter_map(|record| record.rows).map(|r| r.count).sum::<u64>();
        }
    }
    shared.lock().gone.extend(rest[..written].iter().filter_map(|record| record.hold.place()));
    for record in &rest[written..] {
        undelivered.records += 1;
        undelivered.bytes += record.bytes.len() as u64;
        undelivered.rows.extend(record.rows);
    }
    undelivered
}

/// Writes `records` from a thread of its own, which is left behind when the disk hangs: then `None`.
fn write(spool: Spool, records: &Arc<Vec<Outgoing>>, progress: &Arc<AtomicUsize>, deadline: Instant) -> Option<Kept> {
    let (done, kept) = mpsc::channel();
    let (records, progress) = (records.clone(), progress.clone());
    let write = move || {
        let mut kept = Kept { spool, lost: Lost::default(), bytes: 0, error: None };
        while Instant::now() < deadline && kept.error.is_none() && write_lot(&mut kept, &records, &progress) {}
        let _ = done.send(kept);
    };
    std::thread::Builder::new().name("framelake-spool".into()).spawn(write).ok()?;
    kept.recv_timeout(deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(100)).ok()
}

/// Writes the next records of one class; `false` when there are none, or they find no room.
fn write_lot(kept: &mut Kept, records: &[Outgoing], progress: &AtomicUsize) -> bool {
    let rest = &records[progress.load(SeqCst)..];
    let Some(first) = rest.first() else { return false };
    let class_of_lot = class(first);
    let mut bytes = 0;
    let lot = rest.iter().take_while(|record| {
        let fits = bytes < LOT_BYTES && class(record) == class_of_lot;
        bytes += record.bytes.len();
        fits
    });
    let count = lot.count();
    let written = kept.spool.write(class_of_lot, &rest[..count]);
    progress.fetch_add(written.records, SeqCst);
    kept.bytes += written.bytes;
    kept.lost.rows.extend(written.lost.rows);
    kept.lost.recovered_records += written.lost.recovered_records;
    kept.error = written.error;
    written.records == count
}
