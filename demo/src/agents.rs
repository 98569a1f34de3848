//! The walkers: what they perceive, what they decide, how they steer. Everything here is a function of a snapshot, so any number of workers
//! gives the same answer.

use rapier3d::prelude::Vector;

use crate::navigation::{Cell, Grid, Path, Scratch};
use crate::random::Random;
use crate::world::{HALF_MAP, STEP_SECONDS, World};
use framelake::{debug, instrument, span};

const SIGHT: f32 = 6.0;
const SPEED_MAX: f32 = 4.5;
const EYES: Vector = Vector::new(0.0, 1.2, 0.0);
/// A path is thrown away after this many frames: the map changes under it.
const PATH_AGE_MAX: u64 = 480;

/// What a walker is up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    /// On the way to its goal.
    #[default]
    Advance,
    /// Away from what fell nearby.
    Flee,
    /// Waits for a way to open.
    Wait,
}

/// One walker.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) position: Vector,
    pub(crate) velocity: Vector,
    pub(crate) mood: Mood,
    goal: Cell,
    path: Vec<Cell>,
    next: usize,
    path_born_at_frame: u64,
}

/// What one walker does next, and what it cost to find out.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    mood: Mood,
    steering: Vector,
    goal: Cell,
    new_path: Option<Path>,
    advanced_to: usize,
}

/// What all walkers see in one frame.
pub(crate) struct Scene<'a> {
    pub(crate) agents: &'a [Agent],
    pub(crate) world: &'a World,
    pub(crate) grid: &'a Grid,
    /// Where something hit lately; walkers keep away.
    pub(crate) danger: Option<Vector>,
    pub(crate) frame: u64,
    pub(crate) seed: u64,
}

/// `count` walkers on walkable ground.
pub(crate) fn spawn(count: usize, grid: &Grid, seed: u64) -> Vec<Agent> {
    span!("spawn_agents");
    let mut random = Random::fork(seed, 1);
    let mut agents = Vec::with_capacity(count);
    for _ in 0..count {
        let cell = random_cell(grid, &mut random);
        agents.push(Agent {
            position: grid.center(cell),
            velocity: Vector::ZERO,
            mood: Mood::Advance,
            goal: random_cell(grid, &mut random),
            path: Vec::new(),
            next: 0,
            path_born_at_frame: 0,
        });
    }
    agents
}

fn random_cell(grid: &Grid, random: &mut Random) -> Cell {
    let reach = HALF_MAP * 0.9;
    let point = Vector::new(random.between(-reach, reach), 0.0, random.between(-reach, reach));
    grid.nearest_walkable(grid.cell_at(point))
}

/// Decides for the walker numbered `index`.
pub(crate) fn decide(scene: &Scene<'_>, index: usize, scratch: &mut Scratch) -> Decision {
    span!("agent");
    let agent = &scene.agents[index];
    let senses = perceive(scene, index);
    let mood = think(scene, agent, &senses);
    let mut goal = agent.goal;
    let mut new_path = None;
    let mut advanced_to = advance(scene.grid, agent);
    let has_arrived = advanced_to >= agent.path.len();
    // Taking turns bounds the searches of a frame when many walkers lose their way at once.
    let its_turn = (scene.frame + index as u64).is_multiple_of(12);
    if its_turn && (has_arrived || agent.path_born_at_frame + PATH_AGE_MAX < scene.frame) {
        if has_arrived {
            goal = random_cell(scene.grid, &mut Random::fork(scene.seed ^ scene.frame, index as u64));
        }
        new_path = Some(find_path(scene.grid, agent.position, goal, index, scratch));
        advanced_to = 0;
    }
    let waypoint = agent.path.get(advanced_to).map(|cell| scene.grid.center(*cell));
    let steering = steer(scene, agent, mood, &senses, waypoint);
    Decision { mood, steering, goal, new_path, advanced_to }
}

/// What a walker sees around it.
struct Senses {
    /// Sum of the pushes away from neighbours and things.
    pressure: Vector,
    neighbours: usize,
    sees_waypoint: bool,
}

#[instrument]
fn perceive(scene: &Scene<'_>, index: usize) -> Senses {
    let agent = &scene.agents[index];
    let (crowd, neighbours) = query_neighbours(scene.agents, index);
    let things = query_obstacles(scene.world, agent.position);
    let sees_waypoint = query_line_of_sight(scene, agent);
    Senses { pressure: crowd + things, neighbours, sees_waypoint }
}

#[instrument]
fn query_neighbours(agents: &[Agent], index: usize) -> (Vector, usize) {
    let here = agents[index].position;
    let mut pressure = Vector::ZERO;
    let mut count = 0;
    for (other_index, other) in agents.iter().enumerate() {
        let offset = here - other.position;
        let distance_squared = offset.length_squared();
        if other_index != index && distance_squared < SIGHT * SIGHT && distance_squared > 1e-6 {
            pressure += offset / distance_squared;
            count += 1;
        }
    }
    (pressure, count)
}

#[instrument]
fn query_obstacles(world: &World, position: Vector) -> Vector {
    let mut pressure = Vector::ZERO;
    for (center, radius) in world.around(position + EYES, 2.5) {
        let mut offset = position - center;
        offset.y = 0.0;
        let gap = (offset.length() - radius).max(0.1);
        pressure += offset.normalize_or_zero() / gap;
    }
    pressure
}

#[instrument]
fn query_line_of_sight(scene: &Scene<'_>, agent: &Agent) -> bool {
    let Some(cell) = agent.path.get(agent.next) else { return true };
    let offset = scene.grid.center(*cell) - agent.position;
    let distance = offset.length();
    distance < 0.1 || scene.world.cast_ray(agent.position + EYES, offset / distance, distance).is_none()
}

/// The mood of highest utility.
#[instrument]
fn think(scene: &Scene<'_>, agent: &Agent, senses: &Senses) -> Mood {
    let fear = scene.danger.map_or(0.0, |danger| 25.0 / (danger - agent.position).length().max(1.0));
    let stubbornness = if agent.mood == Mood::Flee { 0.5 } else { 0.0 };
    let crowding = senses.neighbours as f32 * 0.05 + if senses.sees_waypoint { 0.0 } else { 0.3 };
    let utilities = [(Mood::Advance, 1.0), (Mood::Flee, fear + stubbornness), (Mood::Wait, crowding)];
    utilities.into_iter().max_by(|one, other| one.1.total_cmp(&other.1)).map_or(Mood::Advance, |(mood, _)| mood)
}

/// The first waypoint that is not reached yet.
fn advance(grid: &Grid, agent: &Agent) -> usize {
    let reached = |cell: &Cell| (grid.center(*cell) - agent.position).length_squared() < 1.5 * 1.5;
    agent
        .path
        .iter()
        .skip(agent.next)
        .position(|cell| !reached(cell))
        .map_or(agent.path.len(), |ahead| agent.next + ahead)
}

#[instrument]
fn find_path(grid: &Grid, from: Vector, goal: Cell, index: usize, scratch: &mut Scratch) -> Path {
    let start = grid.nearest_walkable(grid.cell_at(from));
    let path = grid.find_path(start, grid.nearest_walkable(goal), scratch);
    debug!("agent {} found a path of {} cells, {} expanded", index, path.cells.len(), path.expanded);
    path
}

fn steer(scene: &Scene<'_>, agent: &Agent, mood: Mood, senses: &Senses, waypoint: Option<Vector>) -> Vector {
    span!("steering");
    let wish = match (mood, scene.danger, waypoint) {
        (Mood::Flee, Some(danger), _) => (agent.position - danger).normalize_or_zero() * SPEED_MAX,
        (Mood::Advance, _, Some(waypoint)) => (waypoint - agent.position).normalize_or_zero() * SPEED_MAX,
        _ => Vector::ZERO,
    };
    let mut force = (wish - agent.velocity) * 4.0 + senses.pressure * 3.0 + avoid_obstacles(scene.world, agent) * 8.0;
    force.y = 0.0;
    force.clamp_length_max(30.0)
}

/// Three feelers ahead; what they touch pushes sideways.
#[instrument]
fn avoid_obstacles(world: &World, agent: &Agent) -> Vector {
    let ahead = agent.velocity.normalize_or_zero();
    if ahead == Vector::ZERO {
        return Vector::ZERO;
    }
    let side = Vector::new(-ahead.z, 0.0, ahead.x);
    let mut push = Vector::ZERO;
    for lean in [-0.5f32, 0.0, 0.5] {
        let feeler = (ahead + side * lean).normalize_or_zero();
        if let Some(distance) = world.cast_ray(agent.position + EYES, feeler, 3.0) {
            let away = if lean > 0.0 { -side } else { side };
            push += away / distance.max(0.2);
        }
    }
    push
}

/// Carries decisions out, in the walkers' order.
pub(crate) fn apply(agents: &mut [Agent], decisions: Vec<Decision>, frame: u64) {
    for (agent, decision) in agents.iter_mut().zip(decisions) {
        agent.mood = decision.mood;
        agent.goal = decision.goal;
        agent.next = decision.advanced_to;
        if let Some(path) = decision.new_path {
            agent.path = path.cells;
            agent.next = 0;
            agent.path_born_at_frame = frame;
        }
        agent.velocity = (agent.velocity + decision.steering * STEP_SECONDS).clamp_length_max(SPEED_MAX);
        let limit = Vector::new(HALF_MAP * 0.95, 0.0, HALF_MAP * 0.95);
        agent.position = (agent.position + agent.velocity * STEP_SECONDS).clamp(-limit, limit);
    }
}
