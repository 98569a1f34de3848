use super::*;

/// Draws the path with `*` on a map of `.` and `#`; `S` and `G` are its ends, or `!` says that the goal was not reached.
fn solve(map: &str) -> (String, Path) {
    let rows: Vec<&[u8]> = map.lines().map(|line| line.trim().as_bytes()).collect();
    let side = rows.len();
    let mut grid = Grid::build(side, 1.0, &[]);
    let (mut from, mut to) = (0, 0);
    for (row, line) in rows.iter().enumerate() {
        assert_eq!(line.len(), side, "maps are square");
        for (column, mark) in line.iter().enumerate() {
            let cell = row * side + column;
            grid.blocked[cell] = *mark == b'#';
            match mark {
                b'S' => from = cell as Cell,
                b'G' => to = cell as Cell,
                _ => {}
            }
        }
    }
    // Open ground everywhere, so that the cheapest path is the shortest.
    grid.clearance.fill(u8::MAX);
    let path = grid.find_path(from, to, &mut Scratch::default());
    let mut picture: Vec<Vec<u8>> = rows.iter().map(|row| row.to_vec()).collect();
    for cell in &path.cells {
        let mark = &mut picture[*cell as usize / side][*cell as usize % side];
        *mark = if *mark == b'.' { b'*' } else { *mark };
    }
    let picture: Vec<String> = picture.into_iter().map(|row| String::from_utf8(row).unwrap()).collect();
    (picture.join("\n"), path)
}

#[test]
fn the_path_goes_around_a_wall_without_cutting_its_corner() {
    let (picture, path) = solve(
        "S....
         .##..
         ..#..
         ..#G.
         .....",
    );
    assert_eq!(picture, "S***.\n.##*.\n..#*.\n..#G.\n.....");
    assert!(path.complete);
}

#[test]
fn an_enclosed_goal_is_approached_as_far_as_possible() {
    let (_, path) = solve(
        "S....
         .###.
         .#G#.
         .###.
         .....",
    );
    assert!(!path.complete);
    assert_eq!(path.expanded, 16, "every cell that can be reached was looked at");
}

#[test]
fn a_path_costs_what_an_exhaustive_search_says() {
    for seed in 0..40 {
        let mut random = crate::random::Random::new(seed);
        let side = 14;
        let mut grid = Grid::build(side, 1.0, &[]);
        for blocked in &mut grid.blocked {
            *blocked = random.below(4) == 0;
        }
        grid.measure_clearance();
        let from = grid.nearest_walkable(0);
        let to = grid.nearest_walkable((side * side - 1) as Cell);
        let path = grid.find_path(from, to, &mut Scratch::default());
        let expected = exhaustive_cost(&grid, from, to);
        assert_eq!(path.complete, expected.is_some(), "seed {seed}");
        if let Some(expected) = expected {
            assert_eq!(cost(&grid, from, &path.cells), expected, "seed {seed}");
        }
    }
}

fn step_cost(grid: &Grid, next: Cell, step: u32) -> u32 {
    step * (1 + u32::from(COMFORT.saturating_sub(grid.clearance[next as usize])))
}

fn cost(grid: &Grid, from: Cell, cells: &[Cell]) -> u32 {
    let mut at = from;
    let mut sum = 0;
    for cell in cells {
        let (_, step) = grid.neighbours(at).find(|(next, _)| next == cell).expect("cells of a path are neighbours");
        assert!(!grid.blocked[*cell as usize]);
        sum += step_cost(grid, *cell, step);
        at = *cell;
    }
    sum
}

/// Bellman–Ford: relaxes every step until nothing gets cheaper.
fn exhaustive_cost(grid: &Grid, from: Cell, to: Cell) -> Option<u32> {
    let mut costs = vec![u32::MAX; grid.blocked.len()];
    costs[from as usize] = 0;
    loop {
        let mut changed = false;
        for cell in 0..grid.blocked.len() as Cell {
            if costs[cell as usize] == u32::MAX || grid.blocked[cell as usize] {
                continue;
            }
            for (next, step) in grid.neighbours(cell) {
                let reached = costs[cell as usize] + step_cost(grid, next, step);
                if !grid.blocked[next as usize] && reached < costs[next as usize] {
                    costs[next as usize] = reached;
                    changed = true;
                }
            }
        }
        if !changed {
            return (costs[to as usize] != u32::MAX).then_some(costs[to as usize]);
        }
    }
}

#[test]
fn clearance_and_regions_follow_the_obstacles() {
    // A fence across the whole map: two regions.
    let fence: Vec<Obstacle> =
        (-8..8).map(|x| Obstacle { center: Vector::new(x as f32 + 0.5, 0.0, 0.5), radius: 0.1 }).collect();
    let grid = Grid::build(16, 1.0, &fence);
    assert_eq!(grid.blocked_cells(), 16);
    assert_eq!(grid.regions(), 2);
    assert_eq!(grid.clearance[grid.cell_at(Vector::new(0.0, 0.0, 4.5)) as usize], 4);
}
