//! The truth table of `plan`, as data.

use super::*;
use crate::sample::{SECOND, block, covered, position, stream};
use ScopeRule::{All, Stream};

/// Offsets that are decoded, and objects that are read.
type Expected = (&'static [i64], &'static [&'static str]);

fn check(
    name: &str,
    blocks: Vec<BlockEntry>,
    rule: ScopeRule,
    coverage: &[ScopeCoverage],
    times: TimeRange,
    expected: Expected,
) {
    let needed = blocks.len();
    let plan = plan(blocks, rule, coverage, times);
    let decode: Vec<_> = plan.decode.iter().map(|block| block.position.offset.0).collect();
    let reuse: Vec<_> = plan.reuse.iter().map(|reused| reused.partition.object.as_str()).collect();
    assert_eq!((decode.as_slice(), reuse.as_slice()), expected, "{name}");
    assert_eq!(plan.covered + decode.len(), needed, "{name}: each block is read once");
}

#[test]
fn each_needed_block_is_read_from_one_place() {
    let all = || covered(Scope::All, &[(2, 4), (6, 8)]);
    let blocks = || (0..10).map(|offset| block(1, 0, offset)).collect::<Vec<_>>();
    let ever = TimeRange::ALL;

    check("nothing is covered", blocks(), All, &[], ever, (&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], &[]));
    check("ranges are half open", blocks(), All, &[all()], ever, (&[0, 1, 4, 5, 8, 9], &["all 2..4", "all 6..8"]));
    let unordered = covered(Scope::All, &[(6, 8), (2, 4)]);
    check("in any order", blocks(), All, &[unordered], ever, (&[0, 1, 4, 5, 8, 9], &["all 6..8", "all 2..4"]));
    check("nothing is needed", vec![], All, &[], ever, (&[], &[]));
    check("of expired blocks the partition still tells", vec![], All, &[all()], ever, (&[], &["all 2..4", "all 6..8"]));

    let times = TimeRange { from: 6 * SECOND, to: 6 * SECOND };
    check("other times are not read", vec![block(1, 0, 6)], All, &[all()], times, (&[], &["all 6..8"]));
    let times = TimeRange { from: 4 * SECOND - 1, to: 6 * SECOND - 1 };
    check("ends are included", vec![], All, &[all()], times, (&[], &["all 2..4"]));

    check(
        "another partition of the log",
        vec![block(1, 1, 2)],
        All,
        &[all()],
        TimeRange { from: 99 * SECOND, ..ever },
        (&[2], &[]),
    );
    let mut anew = block(1, 0, 2);
    anew.position = position(2, 0, 2);
    check("a topic made anew", vec![anew], All, &[all()], ever, (&[2], &["all 2..4", "all 6..8"]));
}

#[test]
fn a_stream_is_not_covered_by_another() {
    let one = covered(Scope::Stream(stream(1)), &[(0, 3)]);
    let both = vec![block(1, 0, 0), block(2, 0, 1), block(1, 0, 2), block(1, 0, 3)];
    let object = format!("stream:{} 0..3", stream(1));
    let plan = plan(both, Stream, &[one], TimeRange::ALL);
    let decode: Vec<_> = plan.decode.iter().map(|block| (block.stream_id, block.position.offset.0)).collect();
    assert_eq!(decode, [(stream(2), 1), (stream(1), 3)]);
    assert_eq!(plan.reuse[0].partition.object, object);
}
