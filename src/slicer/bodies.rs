//! Bodies: what a mesh is made of, and what of it can not be printed as it is meant.
//!
//! In:    a mesh in patient millimetres, closed or not.
//! Out:   its solids, each with the voids inside it.
//! Holds: solids that come out share no space, face outwards and are as thick as a line of plastic.
//! Never: repairs or unites: what overlaps was meant as one part, and only its maker knows how.

use super::SliceError;
use super::cut::Solid;
use super::plane::Region;
use crate::mesh::{Mesh, crossings};
use crate::space::{Bed, Lps, Map};

/// Planes between which bodies are looked at for space that they share, mm apart at least.
const PLANES_MM: f64 = 0.5;
/// Most planes.
const PLANES_MAX: usize = 200;
/// Space shared in a plane beyond rounding to micrometres, mm2.
const SHARED_MIN_MM2: f64 = 0.01;

/// The solids of a mesh.
#[derive(Clone, Debug, Default)]
pub(super) struct Solids {
    /// Each as a mesh of its own.
    pub(super) parts: Vec<Mesh<Lps>>,
    /// Which triangle of the whole mesh each of its triangles was.
    pub(super) from: Vec<Vec<u32>>,
}

/// The solids of a mesh; an inner surface (a void) goes with the solid around it.
///
/// # Errors
/// No body at all, a body inside out, bodies in one another, or one thinner than `line_mm`.
pub(super) fn solids(mesh: &Mesh<Lps>, line_mm: f64) -> Result<Solids, SliceError> {
    let (mut found, voids): (Vec<_>, Vec<_>) = connected(mesh)
        .into_iter()
        .filter(|(body, _)| body.volume_mm3() != 0.0)
        .partition(|(body, _)| body.volume_mm3() > 0.0);
    for (inner, from) in voids {
        let Some((around, whole)) = found.iter_mut().find(|(solid, _)| encloses(solid, &inner))
        else {
            return Err(or_open(mesh, SliceError::InsideOut));
        };
        let base = around.vertices.len() as u32;
        around.vertices.extend(&inner.vertices);
        around
            .triangles
            .extend(inner.triangles.iter().map(|t| t.map(|v| v + base)));
        whole.extend(from);
    }
    if found.is_empty() {
        return Err(or_open(mesh, SliceError::Empty));
    }
    let (solids, from): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    for (n, one) in solids.iter().enumerate() {
        if thickness_mm(one) < line_mm {
            return Err(or_open(mesh, SliceError::Thin { line_mm }));
        }
        for other in &solids[n + 1..] {
            if overlap(one, other)? {
                return Err(SliceError::Overlap {
                    bodies: solids.len(),
                });
            }
        }
    }
    Ok(Solids {
        parts: solids,
        from,
    })
}

/// `error`, or that the mesh is open: then volume and sides say nothing.
fn or_open(mesh: &Mesh<Lps>, error: SliceError) -> SliceError {
    Solid::new(&mesh.mapped(&shift([0.0; 3])))
        .err()
        .unwrap_or(error)
}

/// Moves without turning.
fn shift(by_mm: [f64; 3]) -> Map<Lps, Bed> {
    Map::new([
        [1.0, 0.0, 0.0, by_mm[0]],
        [0.0, 1.0, 0.0, by_mm[1]],
        [0.0, 0.0, 1.0, by_mm[2]],
    ])
}

/// Four times volume over surface, mm: the side of a long square bar, the diameter of a long rod, and twice the
/// thickness of a plate.
fn thickness_mm(body: &Mesh<Lps>) -> f64 {
    let twice_mm2: f64 = (body.triangles.iter())
        .map(|&t| body.area_vector(t).length())
        .sum();
    8.0 * body.volume_mm3() / twice_mm2
}

/// Do two solids share space? Faces that cross tell most cases; planes tell those where one lies within the other
/// or where faces lie in each other.
fn overlap(one: &Mesh<Lps>, other: &Mesh<Lps>) -> Result<bool, SliceError> {
    let (Some((a_low, a_high)), Some((b_low, b_high))) = (one.bounds(), other.bounds()) else {
        return Ok(false);
    };
    let low = [0, 1, 2].map(|a| a_low.0[a].max(b_low.0[a]));
    let high = [0, 1, 2].map(|a| a_high.0[a].min(b_high.0[a]));
    if (0..3).any(|a| low[a] >= high[a]) {
        return Ok(false);
    }
    if crossings(&joined(one, other)) > crossings(one) + crossings(other) {
        return Ok(true);
    }
    // As near the origin as on a bed, so that micrometres fit their whole numbers.
    let near = shift(low.map(|mm| -mm));
    let depth = high[2] - low[2];
    let count = ((depth / PLANES_MM) as usize).clamp(3, PLANES_MAX);
    let heights: Vec<i32> = (0..count)
        .map(|n| (1000.0 * depth * (n as f64 + 0.5) / count as f64) as i32)
        .collect();
    let sections = |mesh: &Mesh<Lps>| -> Result<Vec<Region>, SliceError> {
        let solid = Solid::new(&mesh.mapped(&near))?;
        let lists = solid.crossings(&heights);
        let cut = |(list, &z): (&Vec<u32>, &i32)| Region::from_contours(&solid.contours(z, list));
        Ok(lists.iter().zip(&heights).map(cut).collect())
    };
    let (a, b) = (sections(one)?, sections(other)?);
    Ok((a.iter().zip(&b)).any(|(a, b)| !a.intersect(b).larger_than(SHARED_MIN_MM2).is_empty()))
}

/// Both meshes as one.
fn joined(one: &Mesh<Lps>, other: &Mesh<Lps>) -> Mesh<Lps> {
    let base = one.vertices.len() as u32;
    let mut both = one.clone();
    both.vertices.extend(&other.vertices);
    both.triangles
        .extend(other.triangles.iter().map(|t| t.map(|v| v + base)));
    both
}

/// Sets of triangles that share corners, and their numbers in the whole mesh.
fn connected(mesh: &Mesh<Lps>) -> Vec<(Mesh<Lps>, Vec<u32>)> {
    // Vertices in the same place are the same: STL files repeat them.
    let mut order: Vec<u32> = (0..mesh.vertices.len() as u32).collect();
    let key = |v: &u32| {
        mesh.vertices[*v as usize]
            .0
            .map(|c| (c * 1e4).round() as i64)
    };
    order.sort_by_key(key);
    let mut root: Vec<u32> = (0..mesh.vertices.len() as u32).collect();
    fn find(root: &mut [u32], mut v: u32) -> u32 {
        while root[v as usize] != v {
            root[v as usize] = root[root[v as usize] as usize];
            v = root[v as usize];
        }
        v
    }
    let mut join = |a: u32, b: u32| {
        let (a, b) = (find(&mut root, a), find(&mut root, b));
        root[a.max(b) as usize] = a.min(b);
    };
    for pair in order.windows(2) {
        if key(&pair[0]) == key(&pair[1]) {
            join(pair[0], pair[1]);
        }
    }
    for &[a, b, c] in &mesh.triangles {
        join(a, b);
        join(b, c);
    }
    let mut bodies: Vec<(u32, Vec<u32>)> = Vec::new();
    for (number, triangle) in (0..).zip(&mesh.triangles) {
        let name = find(&mut root, triangle[0]);
        match bodies.iter_mut().find(|(n, _)| *n == name) {
            Some((_, list)) => list.push(number),
            None => bodies.push((name, vec![number])),
        }
    }
    bodies
        .into_iter()
        .map(|(_, numbers)| {
            let list = numbers.iter().map(|&n| mesh.triangles[n as usize]);
            (compact(mesh, &list.collect::<Vec<_>>()), numbers)
        })
        .collect()
}

/// The triangles of `list` with only the vertices that they use.
fn compact(mesh: &Mesh<Lps>, list: &[[u32; 3]]) -> Mesh<Lps> {
    let mut used: Vec<u32> = list.iter().flatten().copied().collect();
    used.sort_unstable();
    used.dedup();
    let number = |v: u32| used.partition_point(|&u| u < v) as u32;
    Mesh {
        vertices: used.iter().map(|&v| mesh.vertices[v as usize]).collect(),
        triangles: list.iter().map(|t| t.map(number)).collect(),
    }
}

fn encloses(solid: &Mesh<Lps>, inner: &Mesh<Lps>) -> bool {
    match (solid.bounds(), inner.bounds()) {
        (Some((lo, hi)), Some((a, b))) => {
            (0..3).all(|axis| lo.0[axis] <= a.0[axis] && b.0[axis] <= hi.0[axis])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::shapes;
    use super::*;
    use crate::mesh::testing::shifted;

    fn turned(mut mesh: Mesh<Lps>) -> Mesh<Lps> {
        mesh.triangles.iter_mut().for_each(|t| t.swap(1, 2));
        mesh
    }

    fn of(mesh: &Mesh<Lps>) -> Result<usize, SliceError> {
        solids(mesh, 0.45).map(|s| s.parts.len())
    }

    #[test]
    fn a_void_stays_with_its_solid() {
        let outer = shapes::cuboid::<Lps>([20.0; 3]);
        let inner = shifted(&shapes::cuboid([5.0; 3]), [7.0; 3]);
        let hollow = joined(&outer, &turned(inner.clone()));
        assert_eq!(of(&hollow).unwrap(), 1);
        // A body that lies free in the hollow is one of its own.
        let core = shifted(&shapes::cuboid([3.0; 3]), [8.0; 3]);
        assert_eq!(of(&joined(&hollow, &core)).unwrap(), 2);
    }

    #[test]
    fn bodies_that_share_space_are_refused() {
        let one = shapes::cuboid::<Lps>([20.0; 3]);
        let within = shapes::cuboid([5.0; 3]);
        for other in [
            shifted(&within, [7.0; 3]),
            shifted(&one, [10.0, 9.0, 8.0]),
            // All faces lie in one another, none crosses.
            shifted(&one, [10.0, 0.0, 0.0]),
            shifted(&one, [0.0, 0.0, 19.5]),
        ] {
            let both = joined(&one, &other);
            assert!(matches!(of(&both), Err(SliceError::Overlap { bodies: 2 })));
        }
        for by in [[20.1, 0.0, 0.0], [0.0, 0.0, 21.0], [20.0, 3.0, 5.0]] {
            assert_eq!(of(&joined(&one, &shifted(&one, by))).unwrap(), 2, "{by:?}");
        }
        // Boxes overlap, bodies do not: a shell nested over another.
        let cap = shapes::cap::<Lps>(60.0);
        assert_eq!(
            of(&joined(&cap, &shifted(&cap, [0.0, 0.0, 9.0]))).unwrap(),
            2
        );
    }

    #[test]
    fn a_body_inside_out_is_named_so() {
        let one = turned(shapes::cuboid([20.0; 3]));
        assert!(matches!(of(&one), Err(SliceError::InsideOut)));
        let beside = joined(&shapes::cuboid([20.0; 3]), &shifted(&one, [30.0, 0.0, 0.0]));
        assert!(matches!(of(&beside), Err(SliceError::InsideOut)));
    }

    #[test]
    fn what_is_thinner_than_a_line_is_named_so() {
        for size in [[30.0, 30.0, 0.1], [0.3, 0.3, 20.0]] {
            let thin = shapes::cuboid(size);
            assert!(
                matches!(of(&thin), Err(SliceError::Thin { .. })),
                "{size:?}"
            );
        }
        for size in [[30.0, 30.0, 0.4], [0.6, 0.6, 20.0]] {
            assert_eq!(of(&shapes::cuboid(size)).unwrap(), 1, "{size:?}");
        }
    }
}
