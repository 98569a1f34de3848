//! How blocks are shared out.

use super::{super::sample, *};

fn block(object: &str, byte_offset: u64, byte_length: u32) -> BlockEntry {
    BlockEntry { object: object.into(), byte_offset, byte_length, ..sample::block(1, 0) }
}

#[test]
fn runs_take_about_the_same_bytes_and_keep_the_order_of_their_objects() {
    let check = |blocks: &[(&str, u64, u32)], count: usize, expected: &[&[(&str, u64)]]| {
        let blocks = blocks.iter().map(|&(object, offset, length)| block(object, offset, length)).collect();
        let runs = split(blocks, count);
        let runs: Vec<Vec<_>> =
            runs.iter().map(|run| run.iter().map(|block| (&*block.object, block.byte_offset)).collect()).collect();
        assert_eq!(runs, expected);
    };
    check(&[], 2, &[&[]]);
    check(&[("a", 0, 10)], 2, &[&[("a", 0)]]);
    check(
        &[("b", 0, 10), ("a", 10, 10), ("a", 0, 10), ("b", 10, 10)],
        2,
        &[&[("a", 0), ("a", 10)], &[("b", 0), ("b", 10)]],
    );
    check(&[("a", 0, 1), ("a", 1, 98), ("a", 99, 1)], 2, &[&[("a", 0), ("a", 1)], &[("a", 99)]]);
    check(&[("a", 0, 10), ("a", 10, 10)], 1, &[&[("a", 0), ("a", 10)]]);
    check(&[("a", 0, 0), ("a", 0, 0)], 0, &[&[("a", 0), ("a", 0)]]);
}
