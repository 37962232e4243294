//! Check: is a mesh the border of a solid?
//!
//! In:    any `Mesh<S>`, broken ones too.
//! Out:   [`Report`]: counts, never an error. What is a fault is the caller's to say; [`Report::is_solid`] is
//!        the house's own rule.
//! Holds: the same report for any order of vertices and triangles (volumes up to rounding).

use super::Mesh;
use crate::status::{Finding, Severity};
use rayon::prelude::*;

/// Triangles smaller than this have no direction one could trust, in mm2. Marching cubes keeps its vertices
/// 0.1 % of an edge apart: on a 0.5 mm grid its smallest triangle has 1e-7 mm2, which is still 15 steps of `f32`
/// long at 400 mm from the origin.
pub const AREA_MIN_MM2: f64 = 1e-8;

/// What is known about a mesh.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Vertices that a triangle uses.
    pub vertices: usize,
    /// Triangles.
    pub triangles: usize,
    /// Edges.
    pub edges: usize,
    /// No edge has only one triangle, there is at least one triangle, and all indices point at vertices.
    pub closed: bool,
    /// Every edge has at most two triangles that run along it in opposite directions, and the triangles
    /// around each vertex form one fan.
    pub manifold: bool,
    /// Edges with one triangle: the rims of openings.
    pub open_edges: usize,
    /// Edges with more than two triangles.
    pub crowded_edges: usize,
    /// Edges whose two triangles run along them in the same direction: one is turned inside out.
    pub turned_edges: usize,
    /// Vertices whose triangles form more than one fan.
    pub pinched_vertices: usize,
    /// Triangles that use a vertex twice, or are smaller than [`AREA_MIN_MM2`].
    pub degenerate: usize,
    /// Vertices with a coordinate that is not a number, and indices that point at nothing.
    pub invalid: usize,
    /// Bodies: sets of triangles joined by edges.
    pub parts: Vec<Part>,
    /// Signed volume of all together, mm3; negative when inside out.
    pub volume_mm3: f64,
    /// Surface, mm2.
    pub area_mm2: f64,
    /// V - E + F: 2 for a ball, 0 for a ring, each part counted.
    pub euler: i64,
}

/// One body of a mesh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Triangles.
    pub triangles: usize,
    /// Signed volume, mm3; negative for the wall of a cavity.
    pub volume_mm3: f64,
}

impl Report {
    /// Closed, manifold, finite, without degenerate triangles, and right side out.
    pub fn is_solid(&self) -> bool {
        self.closed
            && self.manifold
            && self.invalid == 0
            && self.degenerate == 0
            && self.volume_mm3 > 0.0
    }

    /// The report as one finding: information for a solid, a refusal for anything else.
    pub fn finding(&self) -> Finding {
        if self.is_solid() {
            let text = format!(
                "The part is closed and manifold: {} triangles, {} bodies, {:.1} cm3.",
                self.triangles,
                self.parts.len(),
                self.volume_mm3 / 1000.0
            );
            return Finding::info("mesh", text).value(self.volume_mm3, "mm3");
        }
        let text = format!(
            "The mesh is not the border of a solid: {} open, {} crowded and {} turned edges, {} pinched \
             vertices, {} degenerate triangles, {} invalid values, volume {:.1} cm3. Repair it and try again.",
            self.open_edges,
            self.crowded_edges,
            self.turned_edges,
            self.pinched_vertices,
            self.degenerate,
            self.invalid,
            self.volume_mm3 / 1000.0
        );
        Finding::new(Severity::Refuse, "mesh", text)
    }
}

/// Looks at every edge, vertex and triangle.
pub fn inspect<S>(mesh: &Mesh<S>) -> Report {
    let count = mesh.vertices.len();
    let valid = |t: &[u32; 3]| t.iter().all(|&v| (v as usize) < count);
    let bad_indices = mesh.triangles.iter().filter(|t| !valid(t)).count();
    let bad_vertices = (mesh.vertices.iter())
        .filter(|p| !p.0.iter().all(|x| x.is_finite()))
        .count();
    let triangles: Vec<[u32; 3]> = mesh.triangles.iter().copied().filter(valid).collect();

    let half = half_edges(&triangles);
    let mut fans = Sets::new(3 * triangles.len());
    let (mut edges, mut open, mut crowded, mut turned) = (0, 0, 0, 0);
    for group in half.chunk_by(|a, b| (a.low, a.high) == (b.low, b.high)) {
        edges += 1;
        match group {
            [_] => open += 1,
            [a, b] => {
                turned += usize::from(a.forward == b.forward);
                fans.join_along(&triangles, a, b);
            }
            [first, rest @ ..] => {
                crowded += 1;
                for other in rest {
                    fans.join_along(&triangles, first, other);
                }
            }
            [] => {}
        }
    }
    let (used, pinched) = pinched(&triangles, count, &mut fans);
    let (parts, degenerate, area) = parts(mesh, &triangles, &mut fans);
    Report {
        vertices: used,
        triangles: mesh.triangles.len(),
        edges,
        closed: open == 0 && bad_indices == 0 && !triangles.is_empty(),
        manifold: crowded == 0 && turned == 0 && pinched == 0 && bad_indices == 0,
        open_edges: open,
        crowded_edges: crowded,
        turned_edges: turned,
        pinched_vertices: pinched,
        degenerate,
        invalid: bad_vertices + bad_indices,
        volume_mm3: parts.iter().map(|p| p.volume_mm3).sum(),
        parts,
        area_mm2: area,
        euler: used as i64 - edges as i64 + triangles.len() as i64,
    }
}

/// One side of a triangle.
#[derive(Clone, Copy)]
struct Half {
    low: u32,
    high: u32,
    /// Runs from the lower vertex to the higher.
    forward: bool,
    triangle: u32,
}

/// All sides, those of one edge beside each other.
fn half_edges(triangles: &[[u32; 3]]) -> Vec<Half> {
    let mut half: Vec<Half> = (triangles.par_iter().enumerate())
        .flat_map_iter(|(n, &[a, b, c])| {
            [(a, b), (b, c), (c, a)].map(|(from, to)| Half {
                low: from.min(to),
                high: from.max(to),
                forward: from < to,
                triangle: n as u32,
            })
        })
        .collect();
    half.par_sort_unstable_by_key(|h| (h.low, h.high, h.triangle, h.forward));
    half
}

/// Vertices in use, and those whose triangles form more than one fan.
fn pinched(triangles: &[[u32; 3]], vertices: usize, fans: &mut Sets) -> (usize, usize) {
    let mut fan: Vec<Option<u32>> = vec![None; vertices];
    let mut bad = vec![false; vertices];
    for (n, triangle) in triangles.iter().enumerate() {
        for (corner, &vertex) in triangle.iter().enumerate() {
            let root = fans.root(3 * n as u32 + corner as u32);
            let known = *fan[vertex as usize].get_or_insert(root);
            bad[vertex as usize] |= known != root;
        }
    }
    (
        fan.iter().filter(|f| f.is_some()).count(),
        bad.iter().filter(|&&b| b).count(),
    )
}

/// Bodies with volume, degenerate triangles and surface. Joins the corners of each triangle first: `fans` then
/// holds bodies.
fn parts<S>(mesh: &Mesh<S>, triangles: &[[u32; 3]], fans: &mut Sets) -> (Vec<Part>, usize, f64) {
    for n in 0..triangles.len() as u32 {
        fans.join(3 * n, 3 * n + 1);
        fans.join(3 * n, 3 * n + 2);
    }
    let Some(&origin) = triangles.first().map(|t| &mesh.vertices[t[0] as usize]) else {
        return (Vec::new(), 0, 0.0);
    };
    let mut number: Vec<Option<usize>> = vec![None; 3 * triangles.len()];
    let mut parts: Vec<Part> = Vec::new();
    let (mut degenerate, mut area) = (0, 0.0);
    for (n, &t) in triangles.iter().enumerate() {
        let root = fans.root(3 * n as u32) as usize;
        let at = *number[root].get_or_insert_with(|| {
            parts.push(Part {
                triangles: 0,
                volume_mm3: 0.0,
            });
            parts.len() - 1
        });
        let [a, b, c] = mesh.corners(t).map(|p| p.minus(origin));
        parts[at].triangles += 1;
        parts[at].volume_mm3 += a.dot(b.cross(c)) / 6.0;
        let size = 0.5 * mesh.area_vector(t).length();
        area += size;
        let twice = t[0] == t[1] || t[1] == t[2] || t[2] == t[0];
        degenerate += usize::from(twice || size.is_nan() || size < AREA_MIN_MM2);
    }
    parts.sort_by(|a, b| b.volume_mm3.abs().total_cmp(&a.volume_mm3.abs()));
    (parts, degenerate, area)
}

/// Union-find over the corners of triangles (3 t + corner).
struct Sets {
    parent: Vec<u32>,
}

impl Sets {
    fn new(n: usize) -> Self {
        Self {
            parent: (0..n as u32).collect(),
        }
    }
    fn root(&mut self, mut n: u32) -> u32 {
        while self.parent[n as usize] != n {
            let up = self.parent[self.parent[n as usize] as usize];
            self.parent[n as usize] = up;
            n = up;
        }
        n
    }
    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b) as usize] = a.min(b);
    }
    /// Two triangles that share an edge continue each other's fans at both of its ends.
    fn join_along(&mut self, triangles: &[[u32; 3]], a: &Half, b: &Half) {
        for vertex in [a.low, a.high] {
            let corner = |half: &Half| {
                let at = triangles[half.triangle as usize]
                    .iter()
                    .position(|&v| v == vertex);
                3 * half.triangle + at.map_or(0, |at| at as u32)
            };
            let (a, b) = (corner(a), corner(b));
            self.join(a, b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::testing::{cuboid, joined};

    #[test]
    fn a_box_is_a_solid() {
        let report = inspect(&cuboid([1.0, 2.0, 3.0], [5.0, 4.0, 9.0]));
        assert!(report.is_solid(), "{report:?}");
        assert_eq!((report.vertices, report.edges, report.euler), (8, 18, 2));
        assert!((report.volume_mm3 - 48.0).abs() < 1e-9);
        assert!((report.area_mm2 - 2.0 * (8.0 + 24.0 + 12.0)).abs() < 1e-9);
    }

    #[test]
    fn a_missing_triangle_opens_three_edges() {
        let mut mesh = cuboid([0.0; 3], [1.0; 3]);
        mesh.triangles.pop();
        let report = inspect(&mesh);
        assert!(!report.closed && report.manifold);
        assert_eq!(report.open_edges, 3);
    }

    #[test]
    fn a_turned_triangle_is_found() {
        let mut mesh = cuboid([0.0; 3], [1.0; 3]);
        mesh.triangles[4].swap(0, 1);
        let report = inspect(&mesh);
        assert!(report.closed && !report.manifold);
        assert_eq!(report.turned_edges, 3);
    }

    #[test]
    fn inside_out_is_no_solid() {
        let mut mesh = cuboid([0.0; 3], [1.0; 3]);
        mesh.triangles.iter_mut().for_each(|t| t.swap(0, 1));
        let report = inspect(&mesh);
        assert!(report.closed && report.manifold && !report.is_solid());
        assert!((report.volume_mm3 + 1.0).abs() < 1e-12);
    }

    #[test]
    fn two_boxes_at_one_vertex_are_pinched_and_two_parts() {
        let mut mesh = joined(&cuboid([0.0; 3], [1.0; 3]), &cuboid([1.0; 3], [3.0; 3]));
        // Vertex 7 of the first box and vertex 8 (the first of the second) lie in one place.
        for index in mesh.triangles.iter_mut().flatten() {
            if *index == 8 {
                *index = 7;
            }
        }
        let report = inspect(&mesh);
        assert!(report.closed && !report.manifold);
        assert_eq!(report.pinched_vertices, 1);
        assert_eq!(report.parts.len(), 2);
        assert!((report.parts[0].volume_mm3 - 8.0).abs() < 1e-9);
    }

    #[test]
    fn broken_values_are_counted_not_panicked_on() {
        let mut mesh = cuboid([0.0; 3], [1.0; 3]);
        mesh.vertices[3].0[1] = f64::NAN;
        mesh.triangles.push([0, 1, 99]);
        mesh.triangles.push([0, 0, 1]);
        let report = inspect(&mesh);
        assert_eq!(report.invalid, 2);
        assert!(report.degenerate >= 1 && !report.is_solid());
        let empty = Mesh::<crate::space::Lps> {
            vertices: Vec::new(),
            triangles: Vec::new(),
        };
        assert!(!inspect(&empty).closed);
    }
}
