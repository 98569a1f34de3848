//! Where blocks stood that retention took out, by position: half-open ranges, as few as possible.

use super::session::{Session, Store, Value};
use crate::{PositionRange, Result};
use framelake_log::Offset;
use std::collections::BTreeMap;

/// A log and its partition's number.
type Place = (i64, i64);

/// From each partition, the offsets from the first to the last visible block of each of these segments. No block of another segment lies between those.
pub(super) async fn of_segments(
    session: &mut Session,
    segments: Vec<Value>,
) -> Result<BTreeMap<Place, Vec<(i64, i64)>>> {
    let rows = session
        .rows_in(
            "SELECT incarnation, partition_number, min(min_offset), max(max_offset) FROM block_index WHERE segment_id",
            segments,
            "GROUP BY segment_id, incarnation, partition_number",
            &[],
        )
        .await?;
    let mut ranges: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in &rows {
        ranges.entry((row.int(0)?, row.int(1)?)).or_default().push((row.int(2)?, row.int(3)? + 1));
    }
    Ok(ranges)
}

/// Adds ranges; their blocks are taken out of the index already.
pub(super) async fn add(session: &mut Session, expired: BTreeMap<Place, Vec<(i64, i64)>>) -> Result<()> {
    for ((incarnation, partition), mut ranges) in expired {
        let place = || vec![incarnation.into(), partition.into()];
        let rows = session
            .rows(
                "SELECT from_offset, to_offset FROM expired_ranges WHERE incarnation = $1 AND partition_number = $2",
                place(),
            )
            .await?;
        for row in &rows {
            ranges.push((row.int(0)?, row.int(1)?));
        }
        // The row that ends first is of the first segment, and no expired range lies within a segment.
        let first = session
            .rows(
                "SELECT min_offset FROM block_index WHERE incarnation = $1 AND partition_number = $2 ORDER BY max_offset LIMIT 1",
                place(),
            )
            .await?;
        let first_visible = first.first().map(|row| row.int(0)).transpose()?;
        session.execute("DELETE FROM expired_ranges WHERE incarnation = $1 AND partition_number = $2", place()).await?;
        let rows = merged(ranges, first_visible)
            .into_iter()
            .map(|(from, to)| vec![incarnation.into(), partition.into(), from.into(), to.into()])
            .collect();
        session
            .insert("INSERT INTO expired_ranges (incarnation, partition_number, from_offset, to_offset)", rows, "")
            .await?;
    }
    Ok(())
}

pub(super) async fn expired(store: &Store, range: &PositionRange) -> Result<Vec<PositionRange>> {
    let mut session = store.read().await?;
    let rows = session
        .rows(
            "SELECT from_offset, to_offset FROM expired_ranges \
             WHERE incarnation = $1 AND partition_number = $2 AND from_offset < $3 AND to_offset > $4 ORDER BY from_offset",
            vec![
                range.incarnation.0.into(),
                range.topic_partition.partition.into(),
                range.to.0.into(),
                range.from.0.into(),
            ],
        )
        .await?;
    rows.iter().map(|row| Ok(PositionRange { from: Offset(row.int(0)?), to: Offset(row.int(1)?), ..*range })).collect()
}

/// The same ranges, those that touch joined. What lies below the first visible block is one range from 0: between its parts nothing is visible either.
fn merged(mut ranges: Vec<(i64, i64)>, first_visible: Option<i64>) -> Vec<(i64, i64)> {
    ranges.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::with_capacity(ranges.len());
    for (mut from, to) in ranges {
        if first_visible.is_none_or(|first| to <= first) {
            from = 0;
        }
        match merged.last_mut() {
            Some(last) if from <= last.1 => *last = (last.0.min(from), last.1.max(to)),
            _ => merged.push((from, to)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_or_have_nothing_visible_before_them_are_one() {
        let check = |ranges: &[(i64, i64)], first_visible, expected: &[(i64, i64)]| {
            assert_eq!(merged(ranges.to_vec(), first_visible), expected, "{ranges:?}, {first_visible:?}");
        };
        check(&[], None, &[]);
        check(&[(3, 5)], Some(9), &[(0, 5)]);
        check(&[(3, 5), (0, 2), (7, 9)], Some(9), &[(0, 9)]);
        check(&[(3, 5), (7, 9)], None, &[(0, 9)]);
        check(&[(5, 9), (3, 5)], Some(1), &[(3, 9)]);
        check(&[(3, 5), (6, 9)], Some(1), &[(3, 5), (6, 9)]);
        check(&[(0, 5), (7, 9), (9, 12)], Some(6), &[(0, 5), (7, 12)]);
        check(&[(3, 9), (3, 5)], Some(2), &[(3, 9)]);
    }
}
