//! What a building is made of, and the text it is stored as.

use std::f32::consts::TAU;
use std::fmt::Write as _;

use rapier3d::prelude::{Rotation, Vector};

use crate::random::Random;

/// One box of a building, relative to the middle of its ground.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) center: Vector,
    pub(crate) half: Vector,
    /// Turn around the vertical, in radians.
    pub(crate) yaw: f32,
    pub(crate) density: f32,
}

impl Part {
    pub(crate) fn rotation(&self) -> Rotation {
        Rotation::from_rotation_y(self.yaw)
    }
}

/// A building to be put up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Blueprint {
    pub(crate) name: String,
    pub(crate) parts: Vec<Part>,
}

impl Blueprint {
    /// A round tower, a wall, a pyramid or a hall, its measures drawn from `random`.
    pub(crate) fn draw(random: &mut Random) -> Self {
        match random.below(4) {
            0 => tower(12 + random.below(5), 14 + random.below(6)),
            1 => wall(14 + random.below(6), 12 + random.below(4)),
            2 => pyramid(8 + random.below(2)),
            _ => hall(4 + random.below(3), 6 + random.below(3)),
        }
    }

    /// The text form that the asset store keeps.
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!("building {}\n", self.name);
        for Part { center, half, yaw, density } in &self.parts {
            let _ = writeln!(
                text,
                "part {} {} {} {} {} {} {yaw} {density}",
                center.x, center.y, center.z, half.x, half.y, half.z
            );
        }
        text
    }

    /// Reads [`Blueprint::to_text`]; `None` where a line is not understood.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let name = lines.next()?.strip_prefix("building ")?.to_owned();
        let parts = lines.map(parse_part).collect::<Option<Vec<_>>>()?;
        Some(Self { name, parts })
    }
}

fn parse_part(line: &str) -> Option<Part> {
    let mut numbers = [0.0f32; 8];
    let mut words = line.strip_prefix("part ")?.split(' ');
    for number in &mut numbers {
        *number = words.next()?.parse().ok()?;
    }
    let [x, y, z, half_x, half_y, half_z, yaw, density] = numbers;
    Some(Part { center: Vector::new(x, y, z), half: Vector::new(half_x, half_y, half_z), yaw, density })
}

fn tower(around: usize, layers: usize) -> Blueprint {
    let half = Vector::new(0.48, 0.3, 0.3);
    let radius = around as f32 * half.x * 2.02 / TAU;
    let mut parts = Vec::with_capacity(around * layers);
    for layer in 0..layers {
        // Every other layer is turned by half a stone, as masons do.
        let shift = if layer % 2 == 0 { 0.0 } else { 0.5 };
        for stone in 0..around {
            let angle = (stone as f32 + shift) * TAU / around as f32;
            let height = half.y * (2 * layer + 1) as f32;
            let center = Vector::new(radius * angle.sin(), height, radius * angle.cos());
            parts.push(Part { center, half, yaw: angle, density: 2.0 });
        }
    }
    Blueprint { name: "tower".into(), parts }
}

fn wall(width: usize, layers: usize) -> Blueprint {
    let half = Vector::new(0.5, 0.3, 0.35);
    let mut parts = Vec::with_capacity(width * layers);
    for layer in 0..layers {
        let shift = if layer % 2 == 0 { 0.0 } else { half.x };
        for stone in 0..width {
            let x = (stone as f32 - width as f32 / 2.0) * 2.0 * half.x + shift;
            let center = Vector::new(x, half.y * (2 * layer + 1) as f32, 0.0);
            parts.push(Part { center, half, yaw: 0.0, density: 2.0 });
        }
    }
    Blueprint { name: "wall".into(), parts }
}

fn pyramid(base: usize) -> Blueprint {
    let half = Vector::new(0.5, 0.35, 0.5);
    let mut parts = Vec::new();
    for layer in 0..base {
        let side = base - layer;
        let origin = -(side as f32 - 1.0) * half.x;
        for row in 0..side {
            for column in 0..side {
                let center = Vector::new(
                    origin + column as f32 * 2.0 * half.x,
                    half.y * (2 * layer + 1) as f32,
                    origin + row as f32 * 2.0 * half.z,
                );
                parts.push(Part { center, half, yaw: 0.0, density: 1.5 });
            }
        }
    }
    Blueprint { name: "pyramid".into(), parts }
}

/// Storeys of pillars with slabs on them.
fn hall(side: usize, storeys: usize) -> Blueprint {
    let pillar = Vector::new(0.25, 0.8, 0.25);
    let slab = Vector::new(0.98, 0.15, 0.98);
    let storey_height = 2.0 * (pillar.y + slab.y);
    let mut parts = Vec::new();
    for storey in 0..storeys {
        let ground = storey as f32 * storey_height;
        for row in 0..side {
            for column in 0..side {
                let x = (column as f32 - (side as f32 - 1.0) / 2.0) * 2.0;
                let z = (row as f32 - (side as f32 - 1.0) / 2.0) * 2.0;
                let foot = Vector::new(x, ground + pillar.y, z);
                parts.push(Part { center: foot, half: pillar, yaw: 0.0, density: 2.5 });
                let top = Vector::new(x, ground + 2.0 * pillar.y + slab.y, z);
                parts.push(Part { center: top, half: slab, yaw: 0.0, density: 1.0 });
            }
        }
    }
    Blueprint { name: "hall".into(), parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_reads_back_to_the_same_building() {
        for seed in 0..20 {
            let drawn = Blueprint::draw(&mut Random::new(seed));
            assert_eq!(Blueprint::parse(&drawn.to_text()), Some(drawn), "seed {seed}");
        }
        assert_eq!(Blueprint::parse("building x\npart 1 2 three"), None);
    }
}
