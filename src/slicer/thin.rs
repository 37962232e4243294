//! Thin places: strips too narrow for a loop get one line along their middle, as wide as they are.
//!
//! In:    a region of strips (what an opening took away).
//! Out:   open paths, each of constant width, end to end along the strip; widths step by 0.05 mm.
//! Holds: a line stays inside its strip's middle; widths lie between 0.6 and 1.7 of the usual line, so narrower
//!        wedges end early and wider places do not occur.
//!
//! The middle is the chordal axis: the outline is sampled densely, triangulated, and the middles of the chords that
//! cross the strip are strung together. A chord's length is the strip's width there.

use super::delaunay;
use super::path::{Path, Role};
use super::plane::{Region, Spot, Um, distance_um, simplify_open};
use super::settings::Line;
use std::collections::BTreeMap;

/// Strips narrower than this share of the usual line are left to their neighbours.
const NARROWEST: f64 = 0.25;
/// Least and most width of a line, as share of the usual one.
const WIDTHS: [f64; 2] = [0.6, 1.7];
/// Distance of samples along the outline: below the narrowest strip, so that triangles respect it.
const SAMPLE_UM: f64 = 100.0;
/// Triangles lower than this lie along a straight side, where rounding to micrometres decides on which side of it.
const FLAT_UM: f64 = 3.0;
/// Steps of width.
const STEP_UM: i32 = 50;
/// Shortest piece of one width.
const PIECE_UM: f64 = 300.0;
/// Shortest line at all.
const LINE_UM: f64 = 150.0;
/// Side branches shorter than this share of the width at their root are corners, not strips.
const SPUR: f64 = 1.0;
/// Passes over a middle line that take jags out of it.
const JAG_PASSES: usize = 4;
/// What is smoothed away along a middle line.
const SHIVER: Um = Um(15);
/// Pieces below this are specks, mm2.
const SPECK_MM2: f64 = 0.02;

/// A place on the middle line and the strip's width there.
#[derive(Clone, Copy, Debug)]
struct Node {
    spot: Spot,
    width_um: f64,
}

/// Narrowest strip that gets a line.
pub(super) fn narrowest(usual: Line) -> Um {
    Um((f64::from(usual.width.0) * NARROWEST) as i32)
}

/// Draws single lines through the strips of `region`. `between`: the strips lie between lines that are already
/// drawn, so that a line fills a strip narrower than itself.
pub(super) fn fill(region: &Region, usual: Line, between: bool) -> Vec<Path> {
    let strips = region.opened(narrowest(usual)).larger_than(SPECK_MM2);
    let mut paths = Vec::new();
    for strip in strips.islands() {
        for axis in axes(&strip) {
            pieces(&axis, usual, between, &mut paths);
        }
    }
    paths
}

/// Middle lines of one strip with its branches.
fn axes(strip: &Region) -> Vec<Vec<Node>> {
    let (samples, next) = samples(strip);
    let inside: Vec<[u32; 3]> = delaunay::triangles(&samples)
        .into_iter()
        .filter(|t| {
            !is_flat(t.map(|i| samples[i as usize])) && is_inside(*t, &samples, &next, strip)
        })
        .collect();
    let mut graph = Graph::new(&samples, &next, &inside);
    graph.prune();
    graph.lines()
}

/// The outline in short steps, and the number of each sample's successor along its contour.
fn samples(strip: &Region) -> (Vec<Spot>, Vec<u32>) {
    let (mut spots, mut next): (Vec<Spot>, Vec<u32>) = (Vec::new(), Vec::new());
    for contour in strip.contours() {
        let first = spots.len();
        let wrap = contour.iter().skip(1).chain(contour.first());
        for (a, b) in contour.iter().zip(wrap) {
            let steps = (distance_um(*a, *b) / SAMPLE_UM).ceil().max(1.0);
            for step in 0..steps as u32 {
                let t = f64::from(step) / steps;
                let along = |p: i32, q: i32| (f64::from(p) + t * f64::from(q - p)).round() as i32;
                let spot = Spot::new(along(a.x, b.x), along(a.y, b.y));
                if spots.len() == first || spots.last() != Some(&spot) {
                    spots.push(spot);
                }
            }
        }
        next.extend((first + 1..spots.len()).map(|i| i as u32));
        next.push(first as u32);
    }
    (spots, next)
}

/// Three samples of one straight side, that is: no place where the strip could be crossed.
fn is_flat([a, b, c]: [Spot; 3]) -> bool {
    let wide = |p: Spot, q: Spot| [f64::from(q.x - p.x), f64::from(q.y - p.y)];
    let ([ux, uy], [vx, vy]) = (wide(a, b), wide(a, c));
    let longest = distance_um(a, b)
        .max(distance_um(b, c))
        .max(distance_um(c, a));
    (ux * vy - uy * vx).abs() < FLAT_UM * longest
}

/// A triangle with a side along the outline lies left of it or not; one without is asked by its middle.
fn is_inside(triangle: [u32; 3], samples: &[Spot], next: &[u32], strip: &Region) -> bool {
    for k in 0..3 {
        let (a, b) = (triangle[k], triangle[(k + 1) % 3]);
        if next[a as usize] == b {
            return true;
        }
        if next[b as usize] == a {
            return false;
        }
    }
    let [a, b, c] = triangle.map(|i| samples[i as usize]);
    strip.contains(Spot::new((a.x + b.x + c.x) / 3, (a.y + b.y + c.y) / 3))
}

/// Chord middles (and middles of triangles where three strips meet), linked through triangles.
struct Graph {
    nodes: Vec<Node>,
    links: Vec<Vec<usize>>,
}

impl Graph {
    fn new(samples: &[Spot], next: &[u32], inside: &[[u32; 3]]) -> Self {
        let mut graph = Self {
            nodes: Vec::new(),
            links: Vec::new(),
        };
        // Keyed by the chord's ends, in order: the numbering is the same on every run.
        let mut chords: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        let key = |a: u32, b: u32| (a.min(b), a.max(b));
        // A chord that crosses the strip has the strip on both of its sides.
        let mut sides: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        for &[a, b, c] in inside {
            for chord in [key(a, b), key(b, c), key(c, a)] {
                *sides.entry(chord).or_default() += 1;
            }
        }
        for triangle in inside {
            let corners = triangle.map(|i| samples[i as usize]);
            let mut own = Vec::with_capacity(3);
            for k in 0..3 {
                let (a, b) = (triangle[k], triangle[(k + 1) % 3]);
                if next[a as usize] == b || next[b as usize] == a || sides[&key(a, b)] < 2 {
                    continue;
                }
                let (p, q) = (corners[k], corners[(k + 1) % 3]);
                let node = *chords.entry(key(a, b)).or_insert_with(|| {
                    graph.add(Node {
                        spot: Spot::new((p.x + q.x) / 2, (p.y + q.y) / 2),
                        width_um: distance_um(p, q),
                    })
                });
                own.push(node);
            }
            match own[..] {
                [a, b] => graph.link(a, b),
                [a, b, c] => {
                    let [p, q, r] = corners;
                    let middle = graph.add(Node {
                        spot: Spot::new((p.x + q.x + r.x) / 3, (p.y + q.y + r.y) / 3),
                        width_um: [a, b, c]
                            .iter()
                            .map(|&n| graph.nodes[n].width_um)
                            .fold(0.0, f64::max),
                    });
                    for node in [a, b, c] {
                        graph.link(middle, node);
                    }
                }
                _ => {}
            }
        }
        graph
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.links.push(Vec::new());
        self.nodes.len() - 1
    }

    fn link(&mut self, a: usize, b: usize) {
        self.links[a].push(b);
        self.links[b].push(a);
    }

    /// From `from` over `to` on to the next fork or end.
    fn follow(&self, from: usize, to: usize) -> Vec<usize> {
        let mut way = vec![from, to];
        let (mut before, mut at) = (from, to);
        while let [a, b] = self.links[at][..] {
            let onwards = if a == before { b } else { a };
            (before, at) = (at, onwards);
            way.push(at);
            if at == from {
                break;
            }
        }
        way
    }

    fn length_um(&self, way: &[usize]) -> f64 {
        way.windows(2)
            .map(|w| distance_um(self.nodes[w[0]].spot, self.nodes[w[1]].spot))
            .sum()
    }

    /// Cuts short branches off forks: they lead into corners. A fork of nothing but short branches keeps its
    /// longest.
    fn prune(&mut self) {
        for fork in 0..self.nodes.len() {
            if self.links[fork].len() < 3 {
                continue;
            }
            let mut spurs: Vec<(f64, Vec<usize>)> = self.links[fork]
                .iter()
                .map(|&first| self.follow(fork, first))
                .map(|way| (self.length_um(&way), way))
                .filter(|(length, way)| {
                    let ends = self.links[way[way.len() - 1]].len() == 1;
                    ends && *length < SPUR * self.nodes[fork].width_um
                })
                .collect();
            if spurs.len() == self.links[fork].len() {
                spurs.sort_by(|a, b| a.0.total_cmp(&b.0));
                spurs.pop();
            }
            for (_, way) in spurs {
                self.links[fork].retain(|&n| n != way[1]);
                for node in &way[1..] {
                    self.links[*node].clear();
                }
            }
        }
    }

    /// Every stretch between ends and forks, then what is left: rings.
    fn lines(&self) -> Vec<Vec<Node>> {
        let mut seen = vec![false; self.nodes.len()];
        let mut lines = Vec::new();
        let mut take = |way: Vec<usize>, seen: &mut Vec<bool>| {
            for &node in &way {
                seen[node] = true;
            }
            lines.push(way.iter().map(|&n| self.nodes[n]).collect());
        };
        for start in 0..self.nodes.len() {
            if matches!(self.links[start].len(), 1 | 3..) {
                for &first in &self.links[start] {
                    let fork = self.links[first].len() != 2;
                    if (fork && start < first) || (!fork && !seen[first]) {
                        take(self.follow(start, first), &mut seen);
                    }
                }
            }
        }
        for start in 0..self.nodes.len() {
            if self.links[start].len() == 2 && !seen[start] {
                take(self.follow(start, self.links[start][0]), &mut seen);
            }
        }
        lines
    }
}

/// The middle line without the jags of single chords: flat triangles, three samples on one side, throw a middle up
/// to a sixth of the width aside. Ends stay; each pass takes a jag's half.
fn settled(axis: &[Node]) -> Vec<Node> {
    let mut line = axis.to_vec();
    for _ in 0..JAG_PASSES {
        let before = line.clone();
        for (at, w) in before.windows(3).enumerate() {
            let mean = |a: i32, b: i32, c: i32| (a + 2 * b + c) / 4;
            let [a, b, c] = [w[0].spot, w[1].spot, w[2].spot];
            line[at + 1].spot = Spot::new(mean(a.x, b.x, c.x), mean(a.y, b.y, c.y));
        }
    }
    line
}

/// Cuts a middle line into pieces of one width each.
fn pieces(axis: &[Node], usual: Line, between: bool, paths: &mut Vec<Path>) {
    let axis = &settled(axis);
    let total: f64 = axis
        .windows(2)
        .map(|w| distance_um(w[0].spot, w[1].spot))
        .sum();
    if total < LINE_UM {
        return;
    }
    let range = WIDTHS.map(|share| (f64::from(usual.width.0) * share) as i32 / STEP_UM * STEP_UM);
    let mut run: Vec<Node> = Vec::new();
    let mut run_um = 0.0;
    let first = paths.len();
    for (index, node) in axis.iter().enumerate() {
        if let Some(last) = run.last() {
            run_um += distance_um(last.spot, node.spot);
        }
        run.push(*node);
        if run_um < PIECE_UM && index + 1 < axis.len() {
            continue;
        }
        let mean = run.iter().map(|n| n.width_um).sum::<f64>() / run.len() as f64;
        let strip = Um(mean.round() as i32);
        let width = if between {
            Line::filling(strip, usual.height).width
        } else {
            strip
        };
        let width = Um(((width.0 + STEP_UM / 2) / STEP_UM * STEP_UM).clamp(range[0], range[1]));
        let spots: Vec<Spot> = run.iter().map(|n| n.spot).collect();
        match paths[first..].last_mut() {
            Some(before) if before.width == width => before.spots.extend(&spots[1..]),
            _ => paths.push(Path {
                role: Role::Thin,
                width,
                closed: false,
                spots,
            }),
        }
        run = vec![*node];
        run_um = 0.0;
    }
    // Chord middles shiver by a few micrometres from sample to sample.
    for path in &mut paths[first..] {
        path.spots = simplify_open(&path.spots, SHIVER);
    }
}

#[cfg(test)]
mod tests {
    use super::super::plane::Contour;
    use super::*;

    const LINE: Line = Line {
        width: Um(450),
        height: Um(200),
    };

    fn region(contours: &[&[(i32, i32)]]) -> Region {
        let contours: Vec<Contour> = contours
            .iter()
            .map(|c| c.iter().map(|&(x, y)| Spot::new(x, y)).collect())
            .collect();
        Region::from_contours(&contours)
    }

    fn total_mm(paths: &[Path]) -> f64 {
        paths.iter().map(Path::length_mm).sum()
    }

    #[test]
    fn a_straight_strip_gets_one_line_along_its_middle() {
        let strip = region(&[&[(0, 0), (10_000, 0), (10_000, 400), (0, 400)]]);
        let paths = fill(&strip, LINE, false);
        assert!((total_mm(&paths) - 9.7).abs() < 0.2, "{}", total_mm(&paths));
        assert!(
            paths.iter().all(|p| (350..=450).contains(&p.width.0)),
            "{paths:?}"
        );
        assert!(
            paths
                .iter()
                .flat_map(|p| &p.spots)
                .all(|s| (150..=250).contains(&s.y)),
            "{paths:?}"
        );
    }

    #[test]
    fn a_wedge_gets_steps_of_width() {
        let wedge = region(&[&[(0, 0), (8_000, -300), (8_000, 300)]]);
        let paths = fill(&wedge, LINE, false);
        let widths: Vec<i32> = paths.iter().map(|p| p.width.0).collect();
        assert!(
            widths.windows(2).all(|w| (w[0] - w[1]).abs() <= 100),
            "{widths:?}"
        );
        assert!(
            widths.iter().max() >= Some(&550) && widths.iter().min() <= Some(&300),
            "{widths:?}"
        );
        assert!(total_mm(&paths) > 5.5, "{}", total_mm(&paths));
    }

    #[test]
    fn a_thin_ring_is_one_closed_line_and_a_cross_has_four_arms() {
        let circle = |r: f64, turn: i32| -> Vec<(i32, i32)> {
            (0..90)
                .map(|i| {
                    let (sin, cos) = (f64::from(turn * i) * std::f64::consts::TAU / 90.0).sin_cos();
                    ((r * cos) as i32, (r * sin) as i32)
                })
                .collect()
        };
        let ring = region(&[&circle(5_000.0, 1), &circle(4_600.0, -1)]);
        let length = total_mm(&fill(&ring, LINE, false));
        assert!(
            (length - std::f64::consts::TAU * 4.8).abs() < 0.5,
            "{length}"
        );
        let cross = region(&[
            &[(-5_000, -200), (5_000, -200), (5_000, 200), (-5_000, 200)],
            &[(-200, -5_000), (200, -5_000), (200, 5_000), (-200, 5_000)],
        ]);
        let length = total_mm(&fill(&cross, LINE, false));
        assert!((length - 19.6).abs() < 1.0, "{length}");
    }

    #[test]
    fn specks_and_slivers_are_left_out() {
        assert!(
            fill(
                &region(&[&[(0, 0), (100, 0), (100, 100), (0, 100)]]),
                LINE,
                false
            )
            .is_empty()
        );
        assert!(
            fill(
                &region(&[&[(0, 0), (9_000, 0), (9_000, 60), (0, 60)]]),
                LINE,
                false
            )
            .is_empty()
        );
    }
}
