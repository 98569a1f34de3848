//! The game itself, frame by frame, without a clock: what happens depends on the seed and the number of frames alone.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use rapier3d::prelude::Vector;

use crate::Error;
use crate::agents::{self, Agent};
use crate::animation::Skeletons;
use crate::audio::Audio;
use crate::director;
use crate::navigation::Grid;
use crate::probe::Sample;
use crate::render::{Drawn, Renderer};
use crate::streaming::Streaming;
use crate::workers::{Minds, Physics, Snapshot};
use crate::world::{Digest, HALF_MAP, Step, World};
use framelake::{PropertySet, info, instrument, span};

/// The only map there is.
pub(crate) const MAP: &str = "ring of ten";
const SITES: usize = 10;
/// Cells of 1 m.
const GRID_SIDE: usize = 2 * HALF_MAP as usize;
/// A building with this share of its parts displaced has fallen.
const FALLEN: f32 = 0.3;
/// Least time from the fall to the new building: the dust settles and the asset loads.
const SETTLE_FRAMES: u64 = 60;
const BALL_FRAMES: u64 = 300;
/// The map for walkers follows moving rubble every half second.
const NAVIGATION_FRAMES: u64 = 30;
const PAGE_FRAMES: u64 = 8;

/// How large a match is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) agents: usize,
    pub(crate) minds: usize,
}

/// What one frame did, for metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrameFacts {
    pub(crate) step: Step,
    pub(crate) physics_time: Duration,
    pub(crate) drawn: Drawn,
    pub(crate) probe: Sample,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    Stands,
    /// Fell in that frame; its successor is being loaded.
    Fell {
        frame: u64,
    },
}

/// A match in progress.
pub(crate) struct Simulation {
    seed: u64,
    frame: u64,
    /// What every metric of the match carries.
    properties: PropertySet,
    world: Arc<RwLock<World>>,
    places: Vec<Vector>,
    sites: Vec<Site>,
    buildings_requested: u64,
    agents: Arc<Vec<Agent>>,
    grid: Arc<Grid>,
    danger: Option<Vector>,
    renderer: Renderer,
    skeletons: Skeletons,
    physics: Physics,
    minds: Minds,
    streaming: Streaming,
    audio: Audio,
}

impl Simulation {
    /// Loads the map of `seed`.
    pub(crate) fn start(seed: u64, size: Size) -> Result<Self, Error> {
        span!("load_level");
        let places = director::sites(SITES);
        let streaming = Streaming::start(seed)?;
        let mut world = World::new(SITES);
        for number in 0..SITES {
            streaming.request_building(number as u64);
        }
        for (site, place) in places.iter().enumerate() {
            world.put_up(site, *place, &streaming.building()?);
        }
        world.settle();
        let grid = Grid::build(GRID_SIDE, 1.0, &world.obstacles());
        let mut renderer = Renderer::default();
        renderer.rebuild(&world);
        info!("level loaded: {} bodies on {} sites, {} agents, seed {}", world.bodies(), SITES, size.agents, seed);
        Ok(Self {
            seed,
            frame: 0,
            properties: properties("warm-up"),
            world: Arc::new(RwLock::new(world)),
            sites: vec![Site::Stands; places.len()],
            places,
            buildings_requested: SITES as u64,
            agents: Arc::new(agents::spawn(size.agents, &grid, seed)),
            grid: Arc::new(grid),
            danger: None,
            renderer,
            skeletons: Skeletons::default(),
            physics: Physics::start()?,
            minds: Minds::start(size.minds)?,
            streaming,
            audio: Audio::start()?,
        })
    }

    /// Plays one frame.
    pub(crate) fn advance(&mut self) -> Result<FrameFacts, Error> {
        self.frame += 1;
        self.game_systems()?;
        self.physics.kick(&self.world);
        // Physics runs on its own thread meanwhile; bones need only what the last frame left.
        self.skeletons.animate(&self.agents, self.frame);
        let (step, physics_time) = self.physics.wait()?;
        let world = Arc::clone(&self.world);
        self.renderer.sync(&world.read().unwrap_or_else(PoisonError::into_inner));
        self.hear(&step);
        let jobs = self.minds.dispatch(&self.snapshot());
        let drawn = self.renderer.draw(self.frame, self.skeletons.bones());
        let (decisions, probe) = self.minds.collect(jobs);
        self.apply_decisions(decisions);
        Ok(FrameFacts { step, physics_time, drawn, probe })
    }

    /// How many walkers there are.
    pub(crate) fn agent_count(&self) -> usize {
        self.agents.len()
    }

    /// How many bodies there are.
    pub(crate) fn bodies(&self) -> usize {
        self.world().bodies()
    }

    /// How many balls are about.
    pub(crate) fn projectiles(&self) -> usize {
        self.world().projectile_count()
    }

    /// Map and phase of the match.
    pub(crate) fn properties(&self) -> PropertySet {
        self.properties
    }

    /// Equal for equal states.
    pub(crate) fn digest(&self) -> u64 {
        let mut digest = Digest(self.world().digest());
        for agent in self.agents.iter() {
            digest.add(agent.position);
            digest.add(agent.velocity);
        }
        digest.0
    }

    #[instrument]
    fn game_systems(&mut self) -> Result<(), Error> {
        self.wave_system();
        self.projectile_system();
        self.damage_system();
        self.rebuild_system()?;
        self.navigation_system();
        if self.frame.is_multiple_of(PAGE_FRAMES) {
            self.streaming.request_page(self.frame / PAGE_FRAMES);
        }
        Ok(())
    }

    #[instrument]
    fn wave_system(&mut self) {
        if let Some(wave) = director::wave_beginning(self.frame, SITES, self.seed) {
            self.properties = properties(if wave.targets.len() > 1 { "siege" } else { "skirmish" });
            info!("wave {} begins: {} targets, the first is site {}", wave.number, wave.targets.len(), wave.targets[0]);
        }
    }

    #[instrument]
    fn projectile_system(&mut self) {
        let shots = director::shots(self.frame, &self.places, self.seed);
        let frame = self.frame;
        let retired = {
            let mut world = self.world_mut();
            for shot in &shots {
                world.shoot(shot.from, shot.velocity, frame);
            }
            world.retire_projectiles(frame, BALL_FRAMES)
        };
        if retired + shots.len() > 0 {
            self.rebuild_instances();
        }
    }

    #[instrument]
    fn damage_system(&mut self) {
        // One site a frame: nobody sees a fall ten frames late.
        let site = (self.frame % SITES as u64) as usize;
        if self.sites[site] != Site::Stands {
            return;
        }
        let damage = self.world().damage(site);
        if damage > FALLEN {
            self.sites[site] = Site::Fell { frame: self.frame };
            self.streaming.request_building(self.buildings_requested);
            self.buildings_requested += 1;
            info!("building on site {} collapsed: {:.0} % of its parts moved", site, damage * 100.0);
        }
    }

    /// Replaces what fell, all at once at the end of a siege cycle. Where an asset is late the frame waits for it, and navigation is rebuilt after
    /// each building: the hitch that players know from a level streaming in.
    #[instrument]
    fn rebuild_system(&mut self) -> Result<(), Error> {
        if !director::is_rebuilding(self.frame) {
            return Ok(());
        }
        let settled = |state: &Site| matches!(state, Site::Fell { frame } if frame + SETTLE_FRAMES <= self.frame);
        let fallen: Vec<usize> = (0..SITES).filter(|site| settled(&self.sites[*site])).collect();
        for site in fallen {
            span!("replace_building");
            let blueprint = self.streaming.building()?;
            let place = self.places[site];
            self.world_mut().put_up(site, place, &blueprint);
            self.sites[site] = Site::Stands;
            info!("{} of {} parts put up on site {}", blueprint.name, blueprint.parts.len(), site);
            self.rebuild_navigation();
            self.rebuild_instances();
        }
        Ok(())
    }

    #[instrument]
    fn navigation_system(&mut self) {
        if self.frame.is_multiple_of(NAVIGATION_FRAMES) && self.danger.is_some() {
            self.rebuild_navigation();
        }
        if self.frame.is_multiple_of(NAVIGATION_FRAMES * 4) {
            self.danger = None;
        }
    }

    #[instrument]
    fn rebuild_navigation(&mut self) {
        let obstacles = self.world().obstacles();
        let grid = Grid::build(GRID_SIDE, 1.0, &obstacles);
        info!(
            "navigation rebuilt: {} obstacles, {} blocked cells, {} regions",
            obstacles.len(),
            grid.blocked_cells(),
            grid.regions()
        );
        self.grid = Arc::new(grid);
    }

    fn rebuild_instances(&mut self) {
        let world = Arc::clone(&self.world);
        self.renderer.rebuild(&world.read().unwrap_or_else(PoisonError::into_inner));
    }

    fn hear(&mut self, step: &Step) {
        span!("play_impacts");
        for impact in &step.impacts {
            self.audio.play(*impact);
            if impact.site.is_some() {
                self.danger = Some(impact.at);
            }
        }
    }

    #[instrument]
    fn apply_decisions(&mut self, decisions: Vec<agents::Decision>) {
        // The workers gave their share back, so this does not copy.
        agents::apply(Arc::<Vec<Agent>>::make_mut(&mut self.agents), decisions, self.frame);
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            agents: Arc::clone(&self.agents),
            world: Arc::clone(&self.world),
            grid: Arc::clone(&self.grid),
            danger: self.danger,
            frame: self.frame,
            seed: self.seed,
        }
    }

    fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn world_mut(&self) -> RwLockWriteGuard<'_, World> {
        self.world.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn properties(phase: &str) -> PropertySet {
    PropertySet::new([("map", MAP), ("phase", phase)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(seed: u64, minds: usize, frames: u64) -> (Vec<u64>, usize) {
        let mut simulation = Simulation::start(seed, Size { agents: 30, minds }).expect("the game starts");
        let mut impacts = 0;
        let digests = (0..frames)
            .map(|_| {
                impacts += simulation.advance().expect("the game goes on").step.impacts.len();
                simulation.digest()
            })
            .collect();
        (digests, impacts)
    }

    #[test]
    fn a_match_depends_on_its_seed_and_not_on_threads_or_timing() {
        let (one, impacts) = play(7, 1, 150);
        let (two, _) = play(7, 3, 150);
        let first_difference = one.iter().zip(&two).position(|(one, two)| one != two);
        assert_eq!(first_difference, None, "frame in which the two runs part");
        assert!(impacts > 0, "balls hit something within 150 frames");
        assert_ne!(one.last(), play(8, 1, 150).0.last());
    }
}
