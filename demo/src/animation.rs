//! Bones: each walker's skeleton, posed by its gait.

use std::f32::consts::TAU;

use rapier3d::prelude::{Pose, Rotation, Vector};

use crate::agents::{Agent, Mood};
use framelake::{instrument, span};

/// Spine 4, head 1, arms 2 × 3, legs 2 × 4, tail 3.
const BONES: usize = 22;
/// The bone each bone hangs on; the root hangs on itself and stands first.
const PARENTS: [u8; BONES] = [0, 0, 1, 2, 3, 3, 5, 6, 3, 8, 9, 0, 11, 12, 13, 0, 15, 16, 17, 0, 19, 20];

/// Bone matrices of all walkers, as a graphics card would get them.
#[derive(Debug, Default)]
pub(crate) struct Skeletons {
    bones: Vec<[f32; 16]>,
}

impl Skeletons {
    /// Poses every walker for `frame`.
    pub(crate) fn animate(&mut self, agents: &[Agent], frame: u64) {
        span!("animation");
        self.bones.clear();
        for (index, agent) in agents.iter().enumerate() {
            self.animate_agent(agent, index, frame);
        }
    }

    /// How many bones were posed.
    pub(crate) fn bones(&self) -> usize {
        self.bones.len()
    }

    #[instrument]
    fn animate_agent(&mut self, agent: &Agent, index: usize, frame: u64) {
        let speed = agent.velocity.length();
        let cadence = if agent.mood == Mood::Flee { 3.2 } else { 2.0 };
        let phase = (frame as f32 / 60.0 * cadence + index as f32 * 0.37).fract() * TAU;
        let swing = 0.15 * speed.min(4.5);
        let heading = agent.velocity.x.atan2(agent.velocity.z);
        let mut poses = [Pose::IDENTITY; BONES];
        poses[0] = Pose::from_parts(agent.position, Rotation::from_rotation_y(heading));
        for bone in 1..BONES {
            let parent = poses[PARENTS[bone] as usize];
            let side = if bone % 2 == 0 { 1.0 } else { -1.0 };
            let bend = Rotation::from_rotation_x(swing * side * (phase + bone as f32 * 0.3).sin());
            let settle = Rotation::from_rotation_z(0.05 * (phase * 0.5).cos());
            poses[bone] = parent * Pose::from_parts(Vector::new(0.02 * side, 0.18, 0.0), bend.slerp(settle, 0.25));
        }
        self.bones.extend(poses.iter().map(|pose| pose.to_mat4().to_cols_array()));
    }
}
