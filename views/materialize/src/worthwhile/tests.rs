//! What is worth an object, as data.

use super::*;
use crate::sample::{block, stream};
use std::time::Duration;

fn options(payload_bytes_min: u64, seconds: u64, rows: u64) -> Options {
    Options {
        payload_bytes_min,
        duration_min: Duration::from_secs(seconds),
        partition_rows_max: rows,
        ..Options::default()
    }
}

#[test]
fn bytes_or_time_make_a_range_worthwhile() {
    let blocks: Vec<_> = (0..5).map(|offset| block(1, 0, offset)).collect();
    // 5 blocks of 1,000 bytes and 1 s.
    for (bytes, seconds, expected) in [(5000, 99, 1), (5001, 99, 0), (9999, 5, 1), (9999, 6, 0)] {
        let offers = worthwhile("thread_spans", ScopeRule::Stream, &blocks, &options(bytes, seconds, 1000));
        assert_eq!(offers.len(), expected, "{bytes} bytes, {seconds} s");
        for offer in offers {
            assert_eq!((offer.range.from, offer.range.to), (Offset(0), Offset(5)));
            assert_eq!(offer.scope, Scope::Stream(stream(1)));
        }
    }
}

#[test]
fn scopes_and_partitions_of_the_log_are_offered_apart() {
    let blocks = [block(1, 0, 0), block(2, 0, 1), block(1, 0, 2), block(1, 1, 3)];
    let options = options(0, 0, 1000);
    let ranges = |rule| {
        let offers = worthwhile("v", rule, &blocks, &options);
        let ranges = offers
            .iter()
            .map(|offer| (offer.scope, offer.range.topic_partition.partition, offer.range.from.0, offer.range.to.0));
        ranges.collect::<Vec<_>>()
    };
    let (one, two) = (Scope::Stream(stream(1)), Scope::Stream(stream(2)));
    assert_eq!(ranges(ScopeRule::All), [(Scope::All, 0, 0, 3), (Scope::All, 1, 3, 4)]);
    assert_eq!(ranges(ScopeRule::Stream), [(one, 0, 0, 3), (one, 1, 3, 4), (two, 0, 1, 2)]);
}

#[test]
fn runs_part_at_what_is_covered_and_at_their_size() {
    let check = |covered: &[i64], rows: u64, expected: &[&[i64]]| {
        let blocks = (0..6).map(|offset| (block(1, 0, offset), covered.contains(&offset))).collect();
        let runs = runs(blocks, &[], &options(0, 0, rows));
        let offsets: Vec<Vec<_>> =
            runs.iter().map(|run| run.iter().map(|block| block.position.offset.0).collect()).collect();
        assert_eq!(offsets, expected, "{covered:?}, {rows} rows");
    };
    check(&[], 1000, &[&[0, 1, 2, 3, 4, 5]]);
    check(&[2], 1000, &[&[0, 1], &[3, 4, 5]]);
    check(&[0, 5], 1000, &[&[1, 2, 3, 4]]);
    check(&[], 250, &[&[0, 1], &[2, 3], &[4, 5]]);
    check(&[1], 250, &[&[0], &[2, 3], &[4, 5]]);
    check(&[], 99, &[&[0], &[1], &[2], &[3], &[4], &[5]]);
}

/// Rows of half a mebibyte must not make an object that nobody has the memory to write or read.
#[test]
fn runs_part_at_their_bytes() {
    let blocks = (0..5).map(|offset| (block(1, 0, offset), false)).collect();
    let options = Options { partition_payload_bytes_max: 2500, ..options(0, 0, 1_000_000) };
    let runs = runs(blocks, &[], &options);
    assert_eq!(runs.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
}

#[test]
fn runs_part_where_blocks_expired_or_a_partition_outlived_its_blocks() {
    let check = |apart: &[(i64, i64)], expected: &[&[i64]]| {
        let apart: Vec<_> = apart.iter().map(|&(from, to)| from..to).collect();
        // What stood at 2 and 5 is not visible: of other scopes, or gone.
        let blocks = [0, 1, 3, 4, 6].map(|offset| (block(1, 0, offset), false)).into();
        let runs = runs(blocks, &apart, &options(0, 0, 1000));
        let offsets: Vec<Vec<_>> =
            runs.iter().map(|run| run.iter().map(|block| block.position.offset.0).collect()).collect();
        assert_eq!(offsets, expected, "{apart:?}");
    };
    check(&[], &[&[0, 1, 3, 4, 6]]);
    check(&[(2, 3)], &[&[0, 1], &[3, 4, 6]]);
    check(&[(5, 6), (2, 3)], &[&[0, 1], &[3, 4], &[6]]);
    check(&[(7, 9), (-3, 0)], &[&[0, 1, 3, 4, 6]]);
}

#[test]
fn a_full_object_is_worth_it_however_well_it_compresses() {
    let blocks = (0..5).map(|offset| (block(1, 0, offset), false)).collect();
    let runs = runs(blocks, &[], &options(u64::MAX, 99, 200));
    assert_eq!(runs.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2], "the fifth block waits");
}

#[test]
fn what_is_left_over_and_small_waits() {
    let blocks = (0..6).map(|offset| (block(1, 0, offset), offset == 4)).collect();
    let runs = runs(blocks, &[], &options(2000, 99, 1000));
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].len(), 4);
}
