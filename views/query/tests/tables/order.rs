//! Blocks come in any order, and some never come.

use crate::fixture::*;
use framelake_wire::Block;

/// SplitMix64 (Steele, Lea, Flood 2014): a seed is all that a failing case needs.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index + 1));
        }
    }
}

/// Spans of two threads that nest over block boundaries, ten blocks each; all ended.
fn nested(random: &mut Random) -> Vec<Block> {
    let mut blocks = Vec::new();
    for thread in 0..2 {
        let mut recording = spans(1, thread);
        let mut now = 0;
        for block in 0..10 {
            for _ in 0..random.below(20) {
                now += 1 + random.below(1000) as u64;
                if recording.encoder.depth() > 0 && random.below(2) == 0 {
                    recording.encoder.end(now);
                } else if recording.encoder.depth() < 5 {
                    recording.encoder.begin(if random.below(2) == 0 { UPDATE } else { PHYSICS }, now);
                }
            }
            now += 1;
            while block == 9 && recording.encoder.depth() > 0 {
                recording.encoder.end(now);
            }
            blocks.push(recording.seal(now));
        }
    }
    blocks
}

async fn rows(blocks: &[Block], cuts: usize, write_through: bool) -> Vec<String> {
    let mut lake = TestLake::new().await;
    for blocks in blocks.chunks(cuts) {
        lake.commit(blocks).await;
    }
    let (engine, materializer) = lake.materializing(everything());
    let sql = "SELECT * FROM thread_spans WHERE end IS NOT NULL ORDER BY stream_id, ordinal";
    let mut text = ask(&engine, sql).await;
    if write_through {
        materializer.idle().await;
        let again = ask(&engine, sql).await;
        assert_eq!(again, text);
        text = again;
    }
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn any_order_gives_the_same_rows_and_a_missing_block_takes_only_its_own() {
    for seed in 0..12 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut blocks = nested(&mut random);
        let whole = rows(&blocks, blocks.len(), false).await;

        random.shuffle(&mut blocks);
        let cuts = 1 + random.below(7);
        assert_eq!(rows(&blocks, cuts, true).await, whole, "seed {seed}");

        let missing = blocks.remove(random.below(blocks.len()));
        let without = rows(&blocks, cuts, true).await;
        let lost = framelake_wire::decode::spans(&missing).unwrap().ordinal;
        assert_eq!(without.len(), whole.len() - lost.len() - if without.len() < 4 { 1 } else { 0 }, "seed {seed}");
        assert!(without.iter().all(|row| whole.contains(row)), "seed {seed}: every other row is as it was");
    }
}
