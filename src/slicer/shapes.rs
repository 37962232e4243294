//! Shapes for the room's tests: a box, and a cap like a cranial implant.

use crate::mesh::Mesh;
use crate::space::Point;

/// A box with one corner at the origin.
pub(super) fn cuboid<S>(size_mm: [f64; 3]) -> Mesh<S> {
    let vertices = (0..8)
        .map(|i| Point::new([0, 1, 2].map(|a| if i >> a & 1 == 1 { size_mm[a] } else { 0.0 })))
        .collect();
    let quads: [[u32; 4]; 6] = [
        [0, 2, 3, 1],
        [4, 5, 7, 6],
        [0, 1, 5, 4],
        [2, 6, 7, 3],
        [0, 4, 6, 2],
        [1, 3, 7, 5],
    ];
    Mesh {
        vertices,
        triangles: quads
            .iter()
            .flat_map(|&[a, b, c, d]| [[a, b, c], [a, c, d]])
            .collect(),
    }
}

/// An outline in X and Z (counter-clockwise from -Y) drawn along Y; `quads` cut it into convex fields.
pub(super) fn prism<S>(outline: &[[f64; 2]], quads: &[[u32; 4]], wide_mm: f64) -> Mesh<S> {
    let count = outline.len() as u32;
    let vertices = [0.0, wide_mm]
        .iter()
        .flat_map(|&y| outline.iter().map(move |&[x, z]| Point::new([x, y, z])))
        .collect();
    let fields = quads.iter().flat_map(|&[a, b, c, d]| {
        let far = [a, b, c, d].map(|v| v + count);
        [
            [a, b, c],
            [a, c, d],
            [far[2], far[1], far[0]],
            [far[3], far[2], far[0]],
        ]
    });
    let sides = (0..count).flat_map(|a| {
        let b = (a + 1) % count;
        [[b, a, a + count], [b, a + count, b + count]]
    });
    Mesh {
        vertices,
        triangles: fields.chain(sides).collect(),
    }
}

/// A plate 8 mm thick along X that leans to +X by `lean_deg` off the vertical, 30 mm from edge to edge.
pub(super) fn leaning<S>(lean_deg: f64, wide_mm: f64) -> Mesh<S> {
    let (sin, cos) = lean_deg.to_radians().sin_cos();
    let [x, z] = [30.0 * sin, 30.0 * cos];
    let outline = [[0.0, 0.0], [8.0, 0.0], [8.0 + x, z], [x, z]];
    prism(&outline, &[[0, 1, 2, 3]], wide_mm)
}

/// A C: a slab on the bed, one 6 mm above it, and a wall that joins them.
pub(super) fn bracket<S>() -> Mesh<S> {
    let outline = [
        [0.0, 0.0],
        [16.0, 0.0],
        [16.0, 3.0],
        [4.0, 3.0],
        [4.0, 9.0],
        [16.0, 9.0],
        [16.0, 12.0],
        [0.0, 12.0],
    ];
    prism(&outline, &[[0, 1, 2, 3], [0, 3, 4, 7], [7, 4, 5, 6]], 10.0)
}

/// A spherical shell cut out by a wavy outline: outer radius 90 mm, 5 mm thick, about `width_mm` across, convex side
/// up (+z), facets of about 1 mm. The outline is that of the reference benchmark:
/// `w/2 (0.90 + 0.06 cos(3t + 0.4) + 0.03 sin 7t + 0.01 cos 13t)` along the arc; its rim points at the centre of
/// the sphere, so that the part can not fall in.
pub(super) fn cap<S>(width_mm: f64) -> Mesh<S> {
    let (outer, inner) = (90.0, 85.0);
    let around = (width_mm * 3.0) as u32;
    let rings = (width_mm / 2.0) as u32;
    let turn = std::f64::consts::TAU / f64::from(around);
    let at = |radius: f64, ring: u32, step: u32| {
        let t = turn * f64::from(step);
        let wave =
            0.90 + 0.06 * (3.0 * t + 0.4).cos() + 0.03 * (7.0 * t).sin() + 0.01 * (13.0 * t).cos();
        let tilt = width_mm / 2.0 * wave / outer * f64::from(ring) / f64::from(rings);
        Point::new([
            radius * tilt.sin() * t.cos(),
            radius * tilt.sin() * t.sin(),
            radius * tilt.cos(),
        ])
    };
    let mut vertices = Vec::new();
    let mut triangles = Vec::new();
    for (radius, up) in [(outer, true), (inner, false)] {
        let base = vertices.len() as u32;
        vertices.push(Point::new([0.0, 0.0, radius]));
        for ring in 1..=rings {
            vertices.extend((0..around).map(|step| at(radius, ring, step)));
        }
        let number = |ring: u32, step: u32| match ring {
            0 => base,
            _ => base + 1 + (ring - 1) * around + step % around,
        };
        for ring in 0..rings {
            for step in 0..around {
                let [a, b] = [number(ring, step), number(ring, step + 1)];
                let [c, d] = [number(ring + 1, step), number(ring + 1, step + 1)];
                let mut add = |t: [u32; 3]| {
                    triangles.push(if up { t } else { [t[0], t[2], t[1]] });
                };
                add([a, c, d]);
                if ring > 0 {
                    add([a, d, b]);
                }
            }
        }
    }
    let last = |base: u32, step: u32| base + 1 + (rings - 1) * around + step % around;
    let second = 1 + rings * around;
    for step in 0..around {
        let [a, b] = [last(0, step), last(0, step + 1)];
        let [c, d] = [last(second, step), last(second, step + 1)];
        triangles.push([a, c, d]);
        triangles.push([a, d, b]);
    }
    Mesh {
        vertices,
        triangles,
    }
}
