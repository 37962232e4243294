//! The 256 cases of a marching cube, made by code.
//!
//! Corner `n` of a cell lies at (n & 1, n >> 1 & 1, n >> 2 & 1). Edge `4 a + b + 2 c` runs along axis a from
//! the corner whose other two coordinates (on axes a+1 and a+2, cyclic) are b and c.
//!
//! How a case is made: on each of the six faces, every run of inside corners joins its two cut edges. Both
//! cells of a face see the same runs, so there are no cracks; on an ambiguous face the inside corners stay
//! apart. Each cut edge is entered on one of its faces and left on the other, so the links close to loops.
//!
//! A loop is filled by a fan. Two cells may both want the diagonal of their shared face, and then four
//! triangles meet there: so a fan starts only at a vertex none of whose diagonals lies in a face of the cell.
//! Where a loop has no such vertex, it gets one in its middle, which no other cell can have.

use std::sync::LazyLock;

/// Cut edges and loop centres of one case.
pub(super) struct Case {
    /// Triangles, counter-clockwise seen from outside the body: 0..12 are cut edges, 12 + n is `centres[n]`.
    pub(super) triangles: Vec<[u8; 3]>,
    /// Loops that need a vertex in their middle: their cut edges.
    pub(super) centres: Vec<Vec<u8>>,
}

/// One case for each set of inside corners, bit `n` = corner `n`.
pub(super) static CASES: LazyLock<Vec<Case>> =
    LazyLock::new(|| (0..256u16).map(|inside| Case::new(inside as u8)).collect());

/// The lower corner of an edge, and the axis along which it runs.
pub(super) fn edge(id: u8) -> (u8, usize) {
    let axis = usize::from(id / 4);
    let (b, c) = ((axis + 1) % 3, (axis + 2) % 3);
    ((id & 1) << b | (id >> 1 & 1) << c, axis)
}

/// The edge between two neighbouring corners.
fn edge_between(p: u8, q: u8) -> u8 {
    let axis = (p ^ q).trailing_zeros() as u8;
    let low = p & q;
    let (b, c) = ((axis + 1) % 3, (axis + 2) % 3);
    4 * axis + (low >> b & 1) + 2 * (low >> c & 1)
}

/// The two faces (2 axis + side) that an edge lies in.
fn faces(id: u8) -> [u8; 2] {
    let (low, axis) = edge(id);
    [1, 2].map(|n| {
        let other = (axis as u8 + n) % 3;
        2 * other + (low >> other & 1)
    })
}

fn share_a_face(a: u8, b: u8) -> bool {
    faces(a).iter().any(|f| faces(b).contains(f))
}

/// The four corners of a face, counter-clockwise seen from outside the cell.
fn face_corners(face: u8) -> [u8; 4] {
    let (axis, side) = (face / 2, face & 1);
    let (b, c) = (1 << ((axis + 1) % 3), 1 << ((axis + 2) % 3));
    let base = side << axis;
    if side == 1 {
        [base, base | b, base | b | c, base | c]
    } else {
        [base, base | c, base | b | c, base | b]
    }
}

impl Case {
    fn new(inside: u8) -> Self {
        let mut case = Case {
            triangles: Vec::new(),
            centres: Vec::new(),
        };
        for one in loops(inside) {
            case.fill(one);
        }
        case
    }

    fn fill(&mut self, one: Vec<u8>) {
        let n = one.len();
        let start = (0..n).find(|&s| {
            // Neighbours in the loop are joined by the loop itself; the rest are diagonals.
            (2..n - 1).all(|d| !share_a_face(one[s], one[(s + d) % n]))
        });
        if let Some(s) = start {
            for d in 1..n - 1 {
                self.triangles
                    .push([one[s], one[(s + d) % n], one[(s + d + 1) % n]]);
            }
        } else {
            let centre = 12 + self.centres.len() as u8;
            for d in 0..n {
                self.triangles.push([centre, one[d], one[(d + 1) % n]]);
            }
            self.centres.push(one);
        }
    }
}

/// The closed loops of cut edges, the body to the left of each link seen from outside the face.
fn loops(inside: u8) -> Vec<Vec<u8>> {
    let is_in = |corner: u8| inside >> corner & 1 == 1;
    let mut next: [Option<u8>; 12] = [None; 12];
    for face in 0..6 {
        let corners = face_corners(face);
        for at in 0..4 {
            let (before, here) = (corners[(at + 3) % 4], corners[at]);
            if is_in(before) || !is_in(here) {
                continue;
            }
            // A run of inside corners begins at `here`: walk to its end.
            let mut last = at;
            while is_in(corners[(last + 1) % 4]) {
                last = (last + 1) % 4;
            }
            let leave = edge_between(corners[last], corners[(last + 1) % 4]);
            next[usize::from(edge_between(before, here))] = Some(leave);
        }
    }
    let mut found = Vec::new();
    for first in 0..12u8 {
        let mut one = Vec::new();
        let mut at = first;
        while let Some(to) = next[usize::from(at)].take() {
            one.push(at);
            at = to;
        }
        if !one.is_empty() {
            found.push(one);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_edges(inside: u8) -> Vec<u8> {
        (0..12)
            .filter(|&id| {
                let (low, axis) = edge(id);
                (inside >> low ^ inside >> (low | 1 << axis)) & 1 == 1
            })
            .collect()
    }

    #[test]
    fn an_edge_knows_its_corners() {
        for id in 0..12 {
            let (low, axis) = edge(id);
            assert_eq!(edge_between(low, low | 1 << axis), id);
        }
    }

    #[test]
    fn every_cut_edge_is_in_exactly_one_loop() {
        for inside in 0..=255 {
            let mut seen: Vec<u8> = loops(inside).concat();
            seen.sort_unstable();
            assert_eq!(seen, cut_edges(inside), "case {inside}");
            assert!(loops(inside).iter().all(|l| l.len() >= 3));
        }
    }

    #[test]
    fn no_diagonal_lies_in_a_face() {
        for inside in 0..=255u8 {
            let sides: Vec<(u8, u8)> = loops(inside)
                .iter()
                .flat_map(|l| (0..l.len()).map(|n| (l[n], l[(n + 1) % l.len()])))
                .collect();
            for t in &CASES[usize::from(inside)].triangles {
                for (a, b) in [(t[0], t[1]), (t[1], t[2]), (t[2], t[0])] {
                    let diagonal = a < 12 && b < 12 && !sides.contains(&(a, b));
                    assert!(!diagonal || !share_a_face(a, b), "case {inside}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn every_case_is_a_surface_with_its_loops_as_border() {
        for inside in 0..=255u8 {
            let mut half: Vec<(u8, u8)> = Vec::new();
            for t in &CASES[usize::from(inside)].triangles {
                half.extend([(t[0], t[1]), (t[1], t[2]), (t[2], t[0])]);
            }
            let mut border: Vec<_> = half
                .iter()
                .filter(|(a, b)| !half.contains(&(*b, *a)))
                .copied()
                .collect();
            border.sort_unstable();
            let mut want: Vec<_> = loops(inside)
                .iter()
                .flat_map(|l| (0..l.len()).map(|n| (l[n], l[(n + 1) % l.len()])))
                .collect();
            want.sort_unstable();
            assert_eq!(border, want, "case {inside}");
        }
    }
}
