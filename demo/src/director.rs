//! The script of a match: which wave shoots at which building when, and when a fallen one is replaced. Plain data from a seed and a frame number.

use rapier3d::prelude::Vector;

use crate::random::Random;
use crate::world::HALF_MAP;

/// A wave every 3 s.
const WAVE_FRAMES: u64 = 180;
/// Every so many waves is a siege, which shoots at several buildings at once.
const SIEGE_EVERY: u64 = 3;
const SIEGE_SITES: usize = 3;
const BALLS: u64 = 10;
/// Frames between two balls at the same building.
const BALL_FRAMES: u64 = 4;
const MUZZLE_SPEED: f32 = 45.0;
const GRAVITY: f32 = 9.81;

/// One ball to shoot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shot {
    pub(crate) from: Vector,
    pub(crate) velocity: Vector,
}

/// What a wave is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wave {
    pub(crate) number: u64,
    pub(crate) targets: Vec<usize>,
}

/// The wave that begins with `frame`, if one does. The first begins after a second.
pub(crate) fn wave_beginning(frame: u64, sites: usize, seed: u64) -> Option<Wave> {
    let since_first = frame.checked_sub(60)?;
    since_first.is_multiple_of(WAVE_FRAMES).then(|| wave(since_first / WAVE_FRAMES, sites, seed))
}

fn wave(number: u64, sites: usize, seed: u64) -> Wave {
    let mut random = Random::fork(seed, 10_000 + number);
    let count = if number % SIEGE_EVERY == SIEGE_EVERY - 1 { SIEGE_SITES.min(sites) } else { 1 };
    let first = random.below(sites);
    // Neighbouring numbers stand next to each other, so that a siege has one front.
    Wave { number, targets: (0..count).map(|index| (first + index) % sites).collect() }
}

/// The shots that `frame` fires.
pub(crate) fn shots(frame: u64, sites: &[Vector], seed: u64) -> Vec<Shot> {
    let Some(since_first) = frame.checked_sub(60) else { return Vec::new() };
    let into_wave = since_first % WAVE_FRAMES;
    if !into_wave.is_multiple_of(BALL_FRAMES) || into_wave / BALL_FRAMES >= BALLS {
        return Vec::new();
    }
    let wave = wave(since_first / WAVE_FRAMES, sites.len(), seed);
    let mut random = Random::fork(seed ^ frame, 20_000);
    wave.targets.iter().map(|site| aim(sites[*site], &mut random)).collect()
}

/// A flat shot from the map's edge, scattered a little.
fn aim(target: Vector, random: &mut Random) -> Shot {
    let outward = Vector::new(target.x, 0.0, target.z).normalize_or(Vector::X);
    let sideways = Vector::new(-outward.z, 0.0, outward.x);
    let from = outward * HALF_MAP * 0.95 + sideways * random.between(-8.0, 8.0) + Vector::new(0.0, 3.0, 0.0);
    let mark = target + sideways * random.between(-2.5, 2.5) + Vector::new(0.0, random.between(1.0, 5.0), 0.0);
    let offset = mark - from;
    let flight_seconds = offset.length() / MUZZLE_SPEED;
    let lift = Vector::new(0.0, 0.5 * GRAVITY * flight_seconds, 0.0);
    Shot { from, velocity: offset / flight_seconds + lift }
}

/// Whether fallen buildings are replaced in `frame`: half a second before the wave after each siege.
pub(crate) fn is_rebuilding(frame: u64) -> bool {
    const CYCLE: u64 = WAVE_FRAMES * SIEGE_EVERY;
    (frame + 30) % CYCLE == 60 && frame > CYCLE
}

/// Where the `count` building sites are: on two rings.
pub(crate) fn sites(count: usize) -> Vec<Vector> {
    let place = |index: usize| {
        let angle = index as f32 / count as f32 * std::f32::consts::TAU;
        let radius = if index.is_multiple_of(2) { 52.0 } else { 30.0 };
        Vector::new(radius * angle.sin(), 0.0, radius * angle.cos())
    };
    (0..count).map(place).collect()
}
