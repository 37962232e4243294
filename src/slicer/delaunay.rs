//! Delaunay triangulation of spots, exact.
//!
//! In:    distinct spots on the bed (micrometres).
//! Out:   triangles, counter-clockwise, that fill the spots' convex hull.
//! Holds: no spot lies inside another triangle's circumcircle; predicates are exact integers, so there is no
//!        tolerance and no failure on straight or round rows of spots.
//! Cost:  Bowyer and Watson's insertion, each spot found by walking from the last one: about linear for spots that
//!        come along a contour.

use super::plane::Spot;

/// No neighbour: outside of everything.
const NONE: u32 = u32::MAX;

/// One triangle while the work goes on.
#[derive(Clone, Copy, Debug)]
struct Cell {
    /// Corners, counter-clockwise; the first three numbers are the frame's.
    corners: [u32; 3],
    /// Cell over the side from corner k to corner k + 1.
    over: [u32; 3],
    alive: bool,
}

/// A place as i64, so that products fit.
type Place = [i64; 2];

/// Twice the signed area of a, b, c: positive when counter-clockwise. Exact below 2^30 um.
fn turn(a: Place, b: Place, c: Place) -> i64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// Is `p` inside the circle through the counter-clockwise a, b, c? Exact.
fn in_circle(a: Place, b: Place, c: Place, p: Place) -> bool {
    let row = |q: Place| {
        let (x, y) = (i128::from(q[0] - p[0]), i128::from(q[1] - p[1]));
        [x, y, x * x + y * y]
    };
    let [a, b, c] = [row(a), row(b), row(c)];
    let minor = |u: [i128; 3], v: [i128; 3]| u[0] * v[1] - u[1] * v[0];
    a[2] * minor(b, c) - b[2] * minor(a, c) + c[2] * minor(a, b) > 0
}

/// The triangles among `spots`, as indices into it. Equal spots beyond the first are left out.
pub(super) fn triangles(spots: &[Spot]) -> Vec<[u32; 3]> {
    let Some(work) = Work::new(spots) else {
        return Vec::new();
    };
    work.cells
        .iter()
        .filter(|cell| cell.alive && cell.corners.iter().all(|&c| c >= 3))
        .map(|cell| cell.corners.map(|c| c - 3))
        .collect()
}

struct Work {
    places: Vec<Place>,
    cells: Vec<Cell>,
    /// Where the next walk begins.
    last: u32,
}

impl Work {
    fn new(spots: &[Spot]) -> Option<Self> {
        let (lo, hi) = spots
            .iter()
            .fold(([i64::MAX; 2], [i64::MIN; 2]), |(lo, hi), s| {
                let p = [i64::from(s.x), i64::from(s.y)];
                (
                    [lo[0].min(p[0]), lo[1].min(p[1])],
                    [hi[0].max(p[0]), hi[1].max(p[1])],
                )
            });
        if spots.len() < 3 {
            return None;
        }
        // A frame so far out that its circles are nearly straight over the spots.
        let span = 64 * ((hi[0] - lo[0]).max(hi[1] - lo[1]) + 1);
        let mut work = Self {
            places: vec![
                [lo[0] - span, lo[1] - span],
                [hi[0] + 2 * span, lo[1] - span],
                [lo[0] - span, hi[1] + 2 * span],
            ],
            cells: vec![Cell {
                corners: [0, 1, 2],
                over: [NONE; 3],
                alive: true,
            }],
            last: 0,
        };
        for spot in spots {
            work.places.push([i64::from(spot.x), i64::from(spot.y)]);
            work.insert(work.places.len() as u32 - 1);
        }
        Some(work)
    }

    fn place(&self, cell: u32, k: usize) -> Place {
        self.places[self.cells[cell as usize].corners[k % 3] as usize]
    }

    /// The cell that holds `p`: over each side that has `p` on its outside, one by one.
    fn find(&self, p: Place) -> u32 {
        let mut at = self.last;
        let mut first = 0;
        loop {
            let side = (0..3)
                .map(|k| (k + first) % 3)
                .find(|&k| turn(self.place(at, k), self.place(at, k + 1), p) < 0);
            match side {
                Some(k) if self.cells[at as usize].over[k] != NONE => {
                    at = self.cells[at as usize].over[k];
                    // Begin with another side each time: a walk can then not go round in circles for long.
                    first = (first + 1) % 3;
                }
                _ => return at,
            }
        }
    }

    fn insert(&mut self, number: u32) {
        let p = self.places[number as usize];
        let home = self.find(p);
        if (0..3).any(|k| self.place(home, k) == p) {
            return;
        }
        // All cells whose circle holds p: a patch without holes round p.
        let mut patch = vec![home];
        self.cells[home as usize].alive = false;
        let mut border: Vec<(u32, u32, u32)> = Vec::new();
        let mut next = 0;
        while let Some(&cell) = patch.get(next) {
            next += 1;
            for k in 0..3 {
                let over = self.cells[cell as usize].over[k];
                let (a, b) = (
                    self.cells[cell as usize].corners[k],
                    self.cells[cell as usize].corners[(k + 1) % 3],
                );
                if over == NONE {
                    border.push((a, b, NONE));
                } else if self.cells[over as usize].alive {
                    let corners = [0, 1, 2].map(|i| self.place(over, i));
                    // A spot on the side itself takes the cell over it too, or a flat cell would be left.
                    let flat = turn(self.places[a as usize], self.places[b as usize], p) == 0;
                    if flat || in_circle(corners[0], corners[1], corners[2], p) {
                        self.cells[over as usize].alive = false;
                        patch.push(over);
                    } else {
                        border.push((a, b, over));
                    }
                }
            }
        }
        self.fan(number, &patch, &border);
    }

    /// Fills the emptied patch with cells from its border to the new spot.
    fn fan(&mut self, number: u32, patch: &[u32], border: &[(u32, u32, u32)]) {
        let base = self.cells.len() as u32;
        for (index, &(a, b, over)) in border.iter().enumerate() {
            let me = base + index as u32;
            if over != NONE {
                let outer = &mut self.cells[over as usize];
                if let Some(k) = (0..3).find(|&k| outer.corners[k] == b) {
                    outer.over[k] = me;
                }
            }
            let find = |wanted: &dyn Fn(&(u32, u32, u32)) -> bool| {
                border
                    .iter()
                    .position(wanted)
                    .map_or(NONE, |i| base + i as u32)
            };
            let after = find(&|s| s.0 == b);
            let before = find(&|s| s.1 == a);
            self.cells.push(Cell {
                corners: [a, b, number],
                over: [over, after, before],
                alive: true,
            });
        }
        debug_assert!(border.len() == patch.len() + 2, "the patch is a disc");
        self.last = base;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(spots: &[Spot]) {
        let found = triangles(spots);
        let at = |i: u32| {
            [
                i64::from(spots[i as usize].x),
                i64::from(spots[i as usize].y),
            ]
        };
        for t in &found {
            let [a, b, c] = t.map(at);
            assert!(turn(a, b, c) > 0, "counter-clockwise");
            for s in spots {
                assert!(
                    !in_circle(a, b, c, [i64::from(s.x), i64::from(s.y)]),
                    "empty circle"
                );
            }
        }
    }

    fn area(spots: &[Spot]) -> i64 {
        let at = |i: u32| {
            [
                i64::from(spots[i as usize].x),
                i64::from(spots[i as usize].y),
            ]
        };
        triangles(spots)
            .iter()
            .map(|t| turn(at(t[0]), at(t[1]), at(t[2])))
            .sum()
    }

    #[test]
    fn a_grid_with_all_its_equal_circles_is_triangulated() {
        let grid: Vec<Spot> = (0..12)
            .flat_map(|y| (0..12).map(move |x| Spot::new(x * 100, y * 100)))
            .collect();
        holds(&grid);
        assert_eq!(area(&grid), 2 * 1100 * 1100);
        assert_eq!(triangles(&grid).len(), 2 * 11 * 11);
    }

    #[test]
    fn random_and_repeated_spots_hold_the_empty_circle() {
        let mut state = 7_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 40) as i32 % 400
        };
        let spots: Vec<Spot> = (0..150).map(|_| Spot::new(next(), next())).collect();
        holds(&spots);
        let twice: Vec<Spot> = spots.iter().chain(&spots).copied().collect();
        assert_eq!(triangles(&twice).len(), triangles(&spots).len());
    }

    #[test]
    fn spots_in_a_row_have_no_triangles() {
        let row: Vec<Spot> = (0..20).map(|i| Spot::new(i * 50, 3)).collect();
        assert!(triangles(&row).is_empty());
    }
}
