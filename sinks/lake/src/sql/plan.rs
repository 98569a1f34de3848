//! What a commit changes, decided without the database.

use super::streams::StreamRow;
use crate::{DeadLetter, NewBlock, SegmentCommit};
use bytes::Bytes;
use framelake_wire::{Process, ProcessId, StreamId};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What of a commit becomes visible, and the streams as they are then.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) visible: Vec<&'a NewBlock>,
    pub(super) duplicates: u64,
    pub(super) conflicts: Vec<DeadLetter>,
    /// Rows to write, by id.
    pub(super) streams: BTreeMap<StreamId, StreamRow>,
}

/// The streams that a commit names, by a block or by a count of losses.
pub(super) fn streams_named(commit: &SegmentCommit) -> HashSet<StreamId> {
    let blocks = commit.blocks.iter().map(|block| block.header.stream_id);
    blocks.chain(commit.processes.iter().flat_map(|process| process.dropped.keys().copied())).collect()
}

/// Blocks whose sequence is there already: those whose stored CRC the plan needs.
pub(super) fn seen_before<'a>(commit: &'a SegmentCommit, stored: &[StreamRow]) -> Vec<&'a NewBlock> {
    let stored: HashMap<StreamId, &StreamRow> = stored.iter().map(|row| (row.stream_id, row)).collect();
    let seen = |block: &&NewBlock| {
        let sequence = block.header.sequence;
        let stream = stored.get(&block.header.stream_id);
        stream.is_some_and(|row| sequence >= row.expired_below && row.sequences.contains(sequence))
    };
    commit.blocks.iter().filter(seen).collect()
}

/// Sorts the blocks of a commit into visible ones, duplicates and conflicts, in the order of their positions.
///
/// `crcs` has the CRC of every block that [`seen_before`] named.
pub(super) fn plan<'a>(
    commit: &'a SegmentCommit,
    stored: Vec<StreamRow>,
    mut crcs: HashMap<(StreamId, u64), u32>,
) -> Plan<'a> {
    let mut stored: HashMap<StreamId, StreamRow> = stored.into_iter().map(|row| (row.stream_id, row)).collect();
    let mut plan = Plan { visible: Vec::new(), duplicates: 0, conflicts: Vec::new(), streams: BTreeMap::new() };
    for block in &commit.blocks {
        let header = &block.header;
        let known = plan.streams.get(&header.stream_id).or_else(|| stored.get(&header.stream_id));
        if let Some(reason) = refusal(commit, block, known) {
            plan.conflicts.push(dead_letter(block, reason));
            continue;
        }
        let row = touch(&mut plan.streams, &mut stored, header.stream_id, header.process_id);
        let identity = (header.stream_id, header.sequence);
        if header.sequence < row.expired_below {
            row.duplicate_blocks += 1;
            plan.duplicates += 1;
        } else if row.sequences.insert(header.sequence) {
            row.add(block);
            crcs.insert(identity, block.crc);
            plan.visible.push(block);
        } else if let Some(&crc) = crcs.get(&identity)
            && crc != block.crc
        {
            let reason = format!(
                "stream {} has another block of sequence {} already: its CRC is {crc:08x}, this one's {:08x}",
                header.stream_id, header.sequence, block.crc
            );
            plan.conflicts.push(dead_letter(block, reason));
        } else {
            row.duplicate_blocks += 1;
            plan.duplicates += 1;
        }
    }
    for process in &commit.processes {
        for (&stream_id, &dropped) in &process.dropped {
            // Another process's stream is not this one's to count for, nor even to write back: its process is not locked.
            let known = plan.streams.get(&stream_id).or_else(|| stored.get(&stream_id));
            if known.is_some_and(|row| row.process_id != process.process_id) {
                continue;
            }
            let row = touch(&mut plan.streams, &mut stored, stream_id, process.process_id);
            row.dropped_events = row.dropped_events.max(dropped);
        }
    }
    plan
}

/// Why a block can be no block of its stream.
fn refusal(commit: &SegmentCommit, block: &NewBlock, known: Option<&StreamRow>) -> Option<String> {
    let header = &block.header;
    if header.kind.topic() != commit.topic {
        return Some(format!(
            "a block of kind {} belongs to {}, not {}",
            header.kind,
            header.kind.topic(),
            commit.topic
        ));
    }
    if header.sequence >= i64::MAX.unsigned_abs() {
        return Some(format!("its sequence {} is beyond 2^63 - 2", header.sequence));
    }
    let known = known?;
    if known.process_id != header.process_id {
        return Some(format!(
            "stream {} belongs to process {}, not {}",
            header.stream_id, known.process_id, header.process_id
        ));
    }
    let kind = known.kind.as_ref().filter(|&kind| *kind != header.kind)?;
    Some(format!("stream {} is of kind {kind}, not {}", header.stream_id, header.kind))
}

fn touch<'a>(
    streams: &'a mut BTreeMap<StreamId, StreamRow>,
    stored: &mut HashMap<StreamId, StreamRow>,
    stream_id: StreamId,
    process_id: ProcessId,
) -> &'a mut StreamRow {
    streams
        .entry(stream_id)
        .or_insert_with(|| stored.remove(&stream_id).unwrap_or_else(|| StreamRow::new(stream_id, process_id)))
}

fn dead_letter(block: &NewBlock, reason: String) -> DeadLetter {
    DeadLetter {
        position: block.position,
        key: Bytes::from(block.header.process_id.to_string()),
        value: block.record.clone(),
        reason,
    }
}

/// The processes to store: of each the record with the greatest revision, where that is greater than the stored one.
pub(super) fn newer_processes<'a>(
    processes: &'a [Process],
    stored: &HashMap<ProcessId, Option<u64>>,
) -> BTreeMap<ProcessId, &'a Process> {
    let mut newer: BTreeMap<ProcessId, &Process> = BTreeMap::new();
    for process in processes {
        let id = process.process_id;
        let known = newer.get(&id).map(|known| known.revision).or(stored.get(&id).copied().flatten());
        if known.is_none_or(|known| process.revision > known) {
            newer.insert(id, process);
        }
    }
    newer
}
