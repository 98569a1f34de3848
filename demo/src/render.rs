//! The list of draws a graphics card would get: what the camera sees, sorted by kind and distance.

use rapier3d::prelude::{Pose, RigidBodyHandle, Vector};

use crate::world::{Body, World};
use framelake::{instrument, span};

/// Instances that are tested against the view together.
const CHUNK: usize = 128;
const VIEW_DISTANCE: f32 = 140.0;
/// Cosine of half the view angle, 50°.
const VIEW_COSINE: f32 = 0.643;

#[derive(Clone, Copy, Debug)]
struct Instance {
    pose: Pose,
    radius: f32,
    kind: Body,
}

#[derive(Clone, Copy, Debug)]
struct Draw {
    /// Kind, then distance: opaque things near to far, each kind in one run.
    key: u64,
    slot: u32,
}

/// What one frame draws.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drawn {
    pub(crate) instances: usize,
    pub(crate) visible: usize,
    pub(crate) bytes: usize,
}

/// Everything that can be drawn, and the last frame's list.
#[derive(Default)]
pub(crate) struct Renderer {
    /// By the body's slot in the world.
    instances: Vec<Option<Instance>>,
    draws: Vec<Draw>,
    commands: Vec<u8>,
}

impl Renderer {
    /// Takes over every body anew: something was put up or removed.
    pub(crate) fn rebuild(&mut self, world: &World) {
        span!("rebuild_instances");
        self.instances.clear();
        for (body, pose, radius, kind) in world.drawables() {
            let slot = slot(body);
            if self.instances.len() <= slot {
                self.instances.resize(slot + 1, None);
            }
            self.instances[slot] = Some(Instance { pose, radius, kind });
        }
    }

    /// Takes over where the moving bodies are now.
    pub(crate) fn sync(&mut self, world: &World) {
        span!("physics_sync");
        for (body, pose) in world.moving() {
            if let Some(Some(instance)) = self.instances.get_mut(slot(body)) {
                instance.pose = pose;
            }
        }
    }

    /// Builds the list for a camera that circles the map.
    pub(crate) fn draw(&mut self, frame: u64, bones: usize) -> Drawn {
        span!("build_render_list");
        let angle = frame as f32 * 0.004;
        let eye = Vector::new(90.0 * angle.sin(), 35.0, 90.0 * angle.cos());
        let view = (Vector::new(0.0, 4.0, 0.0) - eye).normalize();
        self.cull(eye, view);
        {
            span!("sort_draws");
            self.draws.sort_unstable_by_key(|draw| draw.key);
        }
        self.encode();
        // A bone is a 4 × 4 matrix of f32.
        let bytes = self.commands.len() + bones * 64;
        Drawn { instances: self.instances.iter().flatten().count(), visible: self.draws.len(), bytes }
    }

    #[instrument]
    fn cull(&mut self, eye: Vector, view: Vector) {
        self.draws.clear();
        for (chunk_index, chunk) in self.instances.chunks(CHUNK).enumerate() {
            cull_chunk(chunk, chunk_index * CHUNK, eye, view, &mut self.draws);
        }
    }

    fn encode(&mut self) {
        span!("encode_commands");
        self.commands.clear();
        for draw in &self.draws {
            if let Some(Some(instance)) = self.instances.get(draw.slot as usize) {
                for column in instance.pose.to_mat4().to_cols_array() {
                    self.commands.extend_from_slice(&column.to_le_bytes());
                }
            }
        }
    }
}

#[instrument]
fn cull_chunk(chunk: &[Option<Instance>], first: usize, eye: Vector, view: Vector, draws: &mut Vec<Draw>) {
    for (index, instance) in chunk.iter().enumerate() {
        let Some(instance) = instance else { continue };
        let offset = instance.pose.translation - eye;
        let distance = offset.length();
        let is_in_view = offset.dot(view) > distance * VIEW_COSINE - instance.radius;
        if is_in_view && distance < VIEW_DISTANCE + instance.radius {
            let kind = u64::from(instance.kind == Body::Projectile);
            let key = kind << 32 | u64::from(distance.to_bits());
            draws.push(Draw { key, slot: (first + index) as u32 });
        }
    }
}

fn slot(body: RigidBodyHandle) -> usize {
    body.into_raw_parts().0 as usize
}
