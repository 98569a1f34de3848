//! Where agents can walk: a grid of square cells, its clearance, its regions, and A* over it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use rapier3d::prelude::Vector;

use framelake::{instrument, span};

/// Cost of a straight step; a diagonal one costs [`DIAGONAL`], 7/5 being close to √2.
const STRAIGHT: u32 = 5;
const DIAGONAL: u32 = 7;
/// Cells with less clearance than this cost more, so that paths keep off walls.
const COMFORT: u8 = 3;
/// The search gives up after this many cells (a quarter of the map) and answers with the best it has.
const EXPANDED_MAX: usize = 6_400;

/// A cell's number: `row * side + column`.
pub(crate) type Cell = u32;

/// The walkable map. Immutable: a rebuild makes a new one, so jobs keep the one they began with.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    side: usize,
    /// Length of a cell's side, in metres.
    cell: f32,
    blocked: Vec<bool>,
    /// Distance to the nearest blocked cell in cells (chessboard metric), 0 for blocked ones.
    clearance: Vec<u8>,
    /// Connected walkable cells share a number; blocked ones have 0.
    region: Vec<u16>,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path {
    /// From the cell after the start to the last one reached.
    pub(crate) cells: Vec<Cell>,
    /// Whether it ends at the goal.
    pub(crate) complete: bool,
    /// How many cells were expanded.
    pub(crate) expanded: usize,
}

/// Something that stands in the way: a disc on the ground.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Obstacle {
    pub(crate) center: Vector,
    pub(crate) radius: f32,
}

impl Grid {
    /// A square map of `side` × `side` cells of `cell` metres around the origin, with `obstacles` on it.
    pub(crate) fn build(side: usize, cell: f32, obstacles: &[Obstacle]) -> Self {
        span!("navigation_build");
        let cells = side * side;
        let mut grid =
            Self { side, cell, blocked: vec![false; cells], clearance: vec![0; cells], region: vec![0; cells] };
        grid.rasterize(obstacles);
        grid.measure_clearance();
        grid.label_regions();
        grid
    }

    /// How many separate walkable regions there are.
    pub(crate) fn regions(&self) -> usize {
        self.region.iter().copied().max().unwrap_or(0) as usize
    }

    /// How many cells are blocked.
    pub(crate) fn blocked_cells(&self) -> usize {
        self.blocked.iter().filter(|blocked| **blocked).count()
    }

    /// The cell that holds `point`, clamped to the map.
    pub(crate) fn cell_at(&self, point: Vector) -> Cell {
        let origin = self.side as f32 / 2.0;
        let index = |x: f32| ((x / self.cell + origin) as i64).clamp(0, self.side as i64 - 1) as usize;
        (index(point.z) * self.side + index(point.x)) as Cell
    }

    /// The middle of `cell`, on the ground.
    pub(crate) fn center(&self, cell: Cell) -> Vector {
        let (row, column) = (cell as usize / self.side, cell as usize % self.side);
        let place = |index: usize| (index as f32 + 0.5 - self.side as f32 / 2.0) * self.cell;
        Vector::new(place(column), 0.0, place(row))
    }

    /// The walkable cell nearest to `cell`; `cell` itself where everything is blocked.
    pub(crate) fn nearest_walkable(&self, cell: Cell) -> Cell {
        let mut seen = vec![false; self.blocked.len()];
        let mut queue = VecDeque::from([cell]);
        seen[cell as usize] = true;
        while let Some(candidate) = queue.pop_front() {
            if !self.blocked[candidate as usize] {
                return candidate;
            }
            for (neighbour, _) in self.neighbours(candidate) {
                if !std::mem::replace(&mut seen[neighbour as usize], true) {
                    queue.push_back(neighbour);
                }
            }
        }
        cell
    }

    /// The cheapest path by A* with the octile distance, which never overestimates. Diagonal steps do not cut corners.
    /// Where the goal cannot be reached, or not within [`EXPANDED_MAX`] cells, the path leads to the cell nearest to it.
    pub(crate) fn find_path(&self, from: Cell, to: Cell, scratch: &mut Scratch) -> Path {
        scratch.reset(self.blocked.len());
        scratch.reach(from, 0, from);
        scratch.open.push(Reverse((self.distance(from, to), from)));
        let (mut best, mut best_distance) = (from, self.distance(from, to));
        let mut expanded = 0;
        while let Some(Reverse((_, cell))) = scratch.open.pop() {
            if std::mem::replace(&mut scratch.closed[cell as usize], true) {
                continue;
            }
            expanded += 1;
            if cell == to {
                best = to;
                break;
            }
            let distance = self.distance(cell, to);
            if distance < best_distance {
                (best, best_distance) = (cell, distance);
            }
            if expanded == EXPANDED_MAX {
                break;
            }
            let cost = scratch.cost[cell as usize];
            for (next, step) in self.neighbours(cell) {
                if self.blocked[next as usize] || scratch.closed[next as usize] {
                    continue;
                }
                let crowding = u32::from(COMFORT.saturating_sub(self.clearance[next as usize]));
                let next_cost = cost + step * (1 + crowding);
                if next_cost < scratch.cost[next as usize] {
                    scratch.reach(next, next_cost, cell);
                    scratch.open.push(Reverse((next_cost + self.distance(next, to), next)));
                }
            }
        }
        Path { cells: scratch.walk_back(from, best), complete: best == to, expanded }
    }

    fn rasterize(&mut self, obstacles: &[Obstacle]) {
        span!("rasterize_obstacles");
        for Obstacle { center, radius } in obstacles {
            let low = self.cell_at(*center - Vector::splat(*radius)) as usize;
            let high = self.cell_at(*center + Vector::splat(*radius)) as usize;
            for row in low / self.side..=high / self.side {
                for column in low % self.side..=high % self.side {
                    let cell = row * self.side + column;
                    let mut offset = self.center(cell as Cell) - *center;
                    offset.y = 0.0;
                    let reach = radius + self.cell * 0.5;
                    self.blocked[cell] |= offset.length_squared() < reach * reach;
                }
            }
        }
    }

    /// Breadth first from all blocked cells at once.
    #[instrument]
    fn measure_clearance(&mut self) {
        self.clearance.fill(u8::MAX);
        let mut queue = VecDeque::new();
        for (cell, blocked) in self.blocked.iter().enumerate() {
            if *blocked {
                self.clearance[cell] = 0;
                queue.push_back(cell as Cell);
            }
        }
        while let Some(cell) = queue.pop_front() {
            let next_clearance = self.clearance[cell as usize].saturating_add(1);
            for next in self.around(cell) {
                if self.clearance[next as usize] > next_clearance {
                    self.clearance[next as usize] = next_clearance;
                    queue.push_back(next);
                }
            }
        }
    }

    #[instrument]
    fn label_regions(&mut self) {
        let mut region = std::mem::take(&mut self.region);
        let mut label = 0u16;
        let mut stack = Vec::new();
        for start in 0..self.blocked.len() {
            if self.blocked[start] || region[start] != 0 {
                continue;
            }
            label = label.saturating_add(1);
            region[start] = label;
            stack.push(start as Cell);
            while let Some(cell) = stack.pop() {
                for (next, _) in self.neighbours(cell) {
                    if !self.blocked[next as usize] && region[next as usize] == 0 {
                        region[next as usize] = label;
                        stack.push(next);
                    }
                }
            }
        }
        self.region = region;
    }

    fn distance(&self, from: Cell, to: Cell) -> u32 {
        let side = self.side as u32;
        let (rows, columns) = ((from / side).abs_diff(to / side), (from % side).abs_diff(to % side));
        STRAIGHT * rows.max(columns) + (DIAGONAL - STRAIGHT) * rows.min(columns)
    }

    /// The up to eight cells around `cell`.
    fn around(&self, cell: Cell) -> impl Iterator<Item = Cell> + use<> {
        let side = self.side as i64;
        let (row, column) = (i64::from(cell) / side, i64::from(cell) % side);
        OFFSETS.into_iter().filter_map(move |(down, right)| {
            let (row, column) = (row + down, column + right);
            ((0..side).contains(&row) && (0..side).contains(&column)).then_some((row * side + column) as Cell)
        })
    }

    /// The cells one step away with the step's cost; a diagonal step needs both cells beside it free.
    fn neighbours(&self, cell: Cell) -> impl Iterator<Item = (Cell, u32)> + '_ {
        let side = self.side as u32;
        self.around(cell).filter_map(move |next| {
            if next / side == cell / side || next % side == cell % side {
                return Some((next, STRAIGHT));
            }
            let beside = [cell / side * side + next % side, next / side * side + cell % side];
            let free = beside.iter().all(|cell| !self.blocked[*cell as usize]);
            free.then_some((next, DIAGONAL))
        })
    }
}

const OFFSETS: [(i64, i64); 8] = [(-1, 0), (0, -1), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)];

/// Memory that searches reuse.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    cost: Vec<u32>,
    parent: Vec<Cell>,
    closed: Vec<bool>,
    open: BinaryHeap<Reverse<(u32, Cell)>>,
}

impl Scratch {
    fn reset(&mut self, cells: usize) {
        self.cost.clear();
        self.cost.resize(cells, u32::MAX);
        self.parent.resize(cells, 0);
        self.closed.clear();
        self.closed.resize(cells, false);
        self.open.clear();
    }

    fn reach(&mut self, cell: Cell, cost: u32, parent: Cell) {
        self.cost[cell as usize] = cost;
        self.parent[cell as usize] = parent;
    }

    fn walk_back(&self, from: Cell, to: Cell) -> Vec<Cell> {
        let mut cells = Vec::new();
        let mut cell = to;
        while cell != from {
            cells.push(cell);
            cell = self.parent[cell as usize];
        }
        cells.reverse();
        cells
    }
}

#[cfg(test)]
mod tests;
