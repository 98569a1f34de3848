//! The physical world: ground, buildings of boxes, and the balls that bring them down.

use std::sync::{Mutex, PoisonError, mpsc};

use rapier3d::prelude::{
    Aabb, ActiveEvents, ChannelEventCollector, ColliderBuilder, CollisionEvent, Group, InteractionGroups,
    InteractionTestMode, PhysicsWorld, Pose, QueryFilter, QueryPipeline, Ray, RigidBodyBuilder, RigidBodyHandle,
    Vector,
};

use crate::blueprint::Blueprint;
use crate::navigation::Obstacle;
use framelake::{instrument, span};

/// Half the side of the square map, in metres.
pub(crate) const HALF_MAP: f32 = 80.0;
/// Simulated time of one frame, in seconds; the frame rate is 60 Hz whatever the clock says.
pub(crate) const STEP_SECONDS: f32 = 1.0 / 60.0;

/// Only what stands on the ground and is lower than this stops a walker, in metres.
const WALKER_HEIGHT: f32 = 1.8;
/// A blow below this impulse (newton seconds) is not worth a sound.
const BLOW_MIN: f32 = 20.0;

/// Rubble rolls out and rests soon, so that a siege costs seconds and not the rest of the match.
const RUBBLE_DAMPING: f32 = 0.8;
/// Steps until what was put up has found its contacts and lost most of its speed.
const SETTLE_STEPS: usize = 10;
const RUBBLE_SLEEP_SECONDS: f32 = 0.6;

/// What a body is, kept in its user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Part { site: u16 },
    Projectile,
}

impl Body {
    fn pack(self) -> u128 {
        match self {
            Self::Part { site } => u128::from(site) + 1,
            Self::Projectile => u128::from(u16::MAX) + 2,
        }
    }

    fn unpack(data: u128) -> Option<Self> {
        match data {
            0 => None,
            data if data <= u128::from(u16::MAX) + 1 => Some(Self::Part { site: (data - 1) as u16 }),
            _ => Some(Self::Projectile),
        }
    }
}

/// A building that stands, or stood.
#[derive(Debug)]
struct Building {
    parts: Vec<(RigidBodyHandle, Vector)>,
}

/// A ball in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Projectile {
    pub(crate) body: RigidBodyHandle,
    pub(crate) born_at_frame: u64,
}

/// A ball that hit something in this step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Impact {
    pub(crate) at: Vector,
    /// Mass times speed, in newton seconds.
    pub(crate) impulse: f32,
    pub(crate) site: Option<u16>,
}

/// What one step did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    pub(crate) impacts: Vec<Impact>,
    pub(crate) awake: usize,
    pub(crate) contacts: usize,
}

/// Bodies and what is known of them.
pub(crate) struct World {
    physics: PhysicsWorld,
    events: ChannelEventCollector,
    /// In a mutex only because readers share the world; the step owns it.
    collisions: Mutex<mpsc::Receiver<CollisionEvent>>,
    buildings: Vec<Building>,
    projectiles: Vec<Projectile>,
}

impl World {
    /// Flat ground with `sites` empty building sites.
    pub(crate) fn new(sites: usize) -> Self {
        let (collision_sender, collisions) = mpsc::channel();
        // Forces and tears are not asked for, so nothing is ever sent to the other two.
        let events = ChannelEventCollector::new(collision_sender, mpsc::channel().0, mpsc::channel().0);
        let mut physics = PhysicsWorld::new();
        physics.integration_parameters.dt = STEP_SECONDS;
        let ground = ColliderBuilder::cuboid(HALF_MAP * 1.5, 1.0, HALF_MAP * 1.5);
        physics.insert(RigidBodyBuilder::fixed().translation(Vector::new(0.0, -1.0, 0.0)), ground.friction(0.8));
        let buildings = (0..sites).map(|_| Building { parts: Vec::new() }).collect();
        Self { physics, events, collisions: Mutex::new(collisions), buildings, projectiles: Vec::new() }
    }

    /// Clears the site and puts `blueprint` up there, asleep until something touches it.
    pub(crate) fn put_up(&mut self, site: usize, at: Vector, blueprint: &Blueprint) {
        span!("put_up_building");
        self.clear_site(site);
        let parts = blueprint.parts.iter().map(|part| {
            let center = at + part.center;
            let mut body = RigidBodyBuilder::dynamic()
                .pose(Pose::from_parts(center, part.rotation()))
                .user_data(Body::Part { site: site as u16 }.pack())
                .angular_damping(RUBBLE_DAMPING)
                .sleeping(true)
                .build();
            body.activation_mut().time_until_sleep = RUBBLE_SLEEP_SECONDS;
            let shape =
                ColliderBuilder::cuboid(part.half.x, part.half.y, part.half.z).density(part.density).friction(0.7);
            (self.physics.insert(body, shape).0, center)
        });
        self.buildings[site].parts = parts.collect();
    }

    #[instrument]
    /// Lets the stones touch each other, and puts them all to sleep: a match begins calmly.
    #[instrument]
    pub(crate) fn settle(&mut self) {
        for _ in 0..SETTLE_STEPS {
            self.step();
        }
        for (_, body) in self.physics.bodies.iter_mut() {
            if body.is_dynamic() {
                body.sleep();
            }
        }
    }

    fn clear_site(&mut self, site: usize) {
        for (part, _) in std::mem::take(&mut self.buildings[site].parts) {
            self.physics.remove_body(part);
        }
    }

    /// Shoots a heavy ball.
    pub(crate) fn shoot(&mut self, from: Vector, velocity: Vector, frame: u64) {
        let body = RigidBodyBuilder::dynamic()
            .translation(from)
            .linvel(velocity)
            .user_data(Body::Projectile.pack())
            .ccd_enabled(true);
        let ball = ColliderBuilder::ball(0.5).density(12.0).active_events(ActiveEvents::COLLISION_EVENTS);
        let (body, _) = self.physics.insert(body, ball);
        self.projectiles.push(Projectile { body, born_at_frame: frame });
    }

    /// Removes balls that are older than `frames` or left the map; returns how many.
    pub(crate) fn retire_projectiles(&mut self, frame: u64, frames: u64) -> usize {
        let before = self.projectiles.len();
        let physics = &mut self.physics;
        self.projectiles.retain(|projectile| {
            let stays = physics.bodies.get(projectile.body).is_some_and(|body| {
                let at = body.translation();
                projectile.born_at_frame + frames > frame && at.y > -20.0 && at.abs().max_element() < HALF_MAP * 1.4
            });
            if !stays {
                physics.remove_body(projectile.body);
            }
            stays
        });
        before - self.projectiles.len()
    }

    /// One step of 1/60 s.
    pub(crate) fn step(&mut self) -> Step {
        span!("physics_step");
        {
            span!("rapier_step");
            self.physics.step_with_events(&(), &self.events);
        }
        let impacts = self.collect_impacts();
        let contacts = {
            span!("count_contacts");
            self.physics.narrow_phase.contact_pairs().filter(|pair| pair.has_any_active_contact()).count()
        };
        Step { impacts, awake: self.physics.islands.num_active_bodies(), contacts }
    }

    #[instrument]
    fn collect_impacts(&mut self) -> Vec<Impact> {
        let mut impacts = Vec::new();
        for event in self.collisions.get_mut().unwrap_or_else(PoisonError::into_inner).try_iter() {
            let CollisionEvent::Started(one, other, _) = event else { continue };
            let bodies = [one, other].map(|collider| {
                let body = self.physics.colliders.get(collider)?.parent()?;
                self.physics.bodies.get(body)
            });
            let kinds = bodies.map(|body| body.and_then(|body| Body::unpack(body.user_data)));
            let ball = if kinds[0] == Some(Body::Projectile) { 0 } else { 1 };
            let Some(ball_body) = bodies[ball] else { continue };
            let impulse = ball_body.mass() * ball_body.linvel().length();
            if impulse < BLOW_MIN {
                continue;
            }
            let site = match kinds[1 - ball] {
                Some(Body::Part { site }) => Some(site),
                _ => None,
            };
            impacts.push(Impact { at: ball_body.translation(), impulse, site });
        }
        impacts
    }

    /// How much of what stands on `site` is more than a metre from where it was built: 0 to 1.
    pub(crate) fn damage(&self, site: usize) -> f32 {
        let parts = &self.buildings[site].parts;
        let moved = parts.iter().filter(|(part, built_at)| {
            self.physics.bodies.get(*part).is_none_or(|body| (body.translation() - *built_at).length_squared() > 1.0)
        });
        moved.count() as f32 / parts.len().max(1) as f32
    }

    /// Discs around everything that stands in a walker's way.
    pub(crate) fn obstacles(&self) -> Vec<Obstacle> {
        span!("collect_obstacles");
        self.physics
            .colliders
            .iter()
            .filter(|(_, collider)| collider.parent().is_some_and(|body| self.physics.bodies[body].is_dynamic()))
            .filter_map(|(_, collider)| {
                let aabb = collider.compute_aabb();
                let half = aabb.half_extents();
                (aabb.mins.y < WALKER_HEIGHT)
                    .then(|| Obstacle { center: collider.translation(), radius: half.x.max(half.z) })
            })
            .collect()
    }

    /// Bodies that moved in the last step, with where they are now.
    pub(crate) fn moving(&self) -> impl Iterator<Item = (RigidBodyHandle, Pose)> + '_ {
        self.physics.islands.active_bodies().map(|body| (body, *self.physics.bodies[body].position()))
    }

    /// Every dynamic body with its place and a radius around it.
    pub(crate) fn drawables(&self) -> impl Iterator<Item = (RigidBodyHandle, Pose, f32, Body)> + '_ {
        self.physics.colliders.iter().filter_map(|(_, collider)| {
            let body = collider.parent()?;
            let kind = Body::unpack(self.physics.bodies[body].user_data)?;
            Some((body, *collider.position(), collider.compute_aabb().half_extents().length(), kind))
        })
    }

    /// How many bodies there are, the ground included.
    pub(crate) fn bodies(&self) -> usize {
        self.physics.bodies.len()
    }

    /// How many balls are about.
    pub(crate) fn projectile_count(&self) -> usize {
        self.projectiles.len()
    }

    /// Distance to the first thing on the way from `from` in `direction` (of length 1), if nearer than `reach` metres.
    pub(crate) fn cast_ray(&self, from: Vector, direction: Vector, reach: f32) -> Option<f32> {
        self.query().cast_ray(&Ray::new(from, direction), reach, true).map(|(_, distance)| distance)
    }

    /// Places and radii of what touches the box of `half` metres around `center`.
    pub(crate) fn around(&self, center: Vector, half: f32) -> Vec<(Vector, f32)> {
        let aabb = Aabb::new(center - Vector::splat(half), center + Vector::splat(half));
        self.query()
            .intersect_aabb_conservative(aabb)
            .map(|(_, collider)| (collider.translation(), collider.compute_aabb().half_extents().length()))
            .collect()
    }

    /// Queries see moving bodies, not the ground.
    fn query(&self) -> QueryPipeline<'_> {
        let physics = &self.physics;
        physics.broad_phase.as_query_pipeline(
            physics.narrow_phase.query_dispatcher(),
            &physics.bodies,
            &physics.colliders,
            QueryFilter::only_dynamic().groups(InteractionGroups::new(
                Group::ALL,
                Group::ALL,
                InteractionTestMode::And,
            )),
        )
    }

    /// A digest of every body's place and speed, equal where two runs are equal.
    pub(crate) fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        for (_, body) in self.physics.bodies.iter() {
            for part in [body.translation(), body.linvel()] {
                digest.add(part);
            }
        }
        digest.0
    }
}

/// FNV-1a over the bits of vectors.
#[derive(Debug)]
pub(crate) struct Digest(pub(crate) u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    pub(crate) fn add(&mut self, vector: Vector) {
        for number in vector.to_array() {
            for byte in number.to_bits().to_le_bytes() {
                self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
}
