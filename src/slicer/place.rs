//! Placement: which way is up, and where on the bed.
//!
//! In:    closed parts in patient millimetres.
//! Out:   each part with its rigid map to the bed.
//! Holds: maps turn and shift, never mirror or scale; every part lies on Z = 0, within the bed's margins and below
//!        the printer's height, and parts stand apart.
//! Cost:  one pass over the triangles per direction, about 320 directions.

use super::SliceError;
use super::pose::{Pose, Shape, sideways};
use super::settings::{Orientation, Settings};
use crate::gcode::Printer;
use crate::mesh::Mesh;
use crate::space::{Bed, Lps, Map, Vector};
use crate::status::Finding;
use rayon::prelude::*;

/// Free border of the bed, mm; the left border also holds the purge line of the start code.
const BORDER_MM: f64 = 8.0;
/// Free space between two parts with their brims, mm.
const BETWEEN_MM: f64 = 4.0;
/// Room above the part for lifting and parking, mm.
const HEADROOM_MM: f64 = 5.0;
/// Directions of the search.
const DIRECTIONS: u32 = 240;
/// Those of which the neighbours are looked at too.
const REFINED: usize = 6;
/// Those of which the stand is looked at.
const STOOD: usize = 64;
/// Cosine of the angle from which on a way of standing is another one: 10 degrees.
const ANOTHER: f64 = 0.985;
/// Others that are named.
const LOST: usize = 2;
/// Ways of standing that are tried, cheapest first, until all parts fit.
const TRIES: usize = 24;

/// One part and where it goes.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) mesh: Mesh<Bed>,
    pub(super) to_bed: Map<Lps, Bed>,
    /// How it stands, what was chosen and what lost.
    pub(super) findings: Vec<Finding>,
    /// The brim that it wants, mm.
    pub(super) brim_mm: f64,
}

/// One way of standing.
#[derive(Clone, Debug)]
struct Way {
    pose: Pose,
    turn: Map<Lps, Bed>,
    low: [f64; 3],
    high: [f64; 3],
}

/// Turns every part for the least cost at a safe stand and sets them side by side.
pub(super) fn place(
    parts: &[Mesh<Lps>],
    printer: &Printer,
    settings: &Settings,
    layers_mm: [f64; 2],
) -> Result<Vec<Placed>, SliceError> {
    let ways: Vec<Vec<Way>> = parts
        .iter()
        .map(|part| ways(part, settings, layers_mm))
        .collect();
    for rank in 0..TRIES {
        let chosen: Vec<(usize, &Way)> = ways
            .iter()
            .filter_map(|w| {
                let rank = rank.min(w.len().saturating_sub(1));
                Some((rank, w.get(rank)?))
            })
            .collect();
        let stood: Vec<&Way> = chosen.iter().map(|c| c.1).collect();
        if let Some(shifts) = arrange(&stood, printer) {
            return Ok((parts.iter().zip(&ways))
                .zip(chosen)
                .zip(shifts)
                .map(|(((part, ways), (rank, way)), shift)| {
                    let to_bed = way.turn.then(&shift);
                    Placed {
                        mesh: part.mapped(&to_bed),
                        to_bed,
                        findings: findings(ways, rank),
                        brim_mm: way.pose.stand.brim_mm,
                    }
                })
                .collect());
        }
    }
    let size = ways
        .iter()
        .filter_map(|w| w.first())
        .map(|s| [0, 1, 2].map(|a| s.high[a] - s.low[a]))
        .fold([0.0_f64; 3], |all, one| {
            [all[0] + one[0], all[1].max(one[1]), all[2].max(one[2])]
        });
    Err(SliceError::TooLarge {
        size_mm: size,
        bed_mm: [printer.bed_mm[0], printer.bed_mm[1], printer.height_mm],
    })
}

/// Ways of standing, cheapest first.
fn ways(part: &Mesh<Lps>, settings: &Settings, layers_mm: [f64; 2]) -> Vec<Way> {
    let shape = Shape::new(part);
    let look = |up| shape.pose(up, settings, layers_mm[1]);
    let stood = |pose| shape.stood(pose, settings, layers_mm);
    if settings.orientation == Orientation::AsIs {
        let turn = Map::new([
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ]);
        let pose = stood(look(Vector::new([0.0, 0.0, 1.0])));
        let (low, high) = extent(part, &turn);
        return vec![Way {
            pose,
            turn,
            low,
            high,
        }];
    }
    let dearer = |a: &Pose, b: &Pose| a.cost_s.total_cmp(&b.cost_s);
    let mut found: Vec<Pose> = directions().into_par_iter().map(look).collect();
    found.sort_by(dearer);
    let nearer: Vec<Vector<Lps>> = found
        .iter()
        .take(REFINED)
        .flat_map(|p| around(p.up))
        .collect();
    found.par_extend(nearer.into_par_iter().map(look));
    found.sort_by(dearer);
    let mut found: Vec<Pose> = apart(found).into_par_iter().map(stood).collect();
    found.sort_by(dearer);
    found.truncate(TRIES);
    found
        .into_par_iter()
        .map(|pose| {
            let turn = yaw(part, pose.up);
            let (low, high) = extent(part, &turn);
            Way {
                pose,
                turn,
                low,
                high,
            }
        })
        .collect()
}

/// The first of each bundle of directions that lie near each other.
fn apart(poses: Vec<Pose>) -> Vec<Pose> {
    let mut kept: Vec<Pose> = Vec::new();
    for pose in poses {
        if kept.len() < STOOD && kept.iter().all(|k| k.up.dot(pose.up) < ANOTHER) {
            kept.push(pose);
        }
    }
    kept
}

/// How the chosen way stands, and which others it was preferred to.
fn findings(ways: &[Way], rank: usize) -> Vec<Finding> {
    let chosen = &ways[rank].pose;
    let lost: Vec<&Pose> = ways
        .iter()
        .skip(rank + 1)
        .take(LOST)
        .map(|w| &w.pose)
        .collect();
    let mut found = vec![chosen.finding(&lost)];
    found.extend(chosen.stand.finding());
    found
}

/// Directions spread evenly over the sphere (Fibonacci), the six axes of the patient first.
fn directions() -> Vec<Vector<Lps>> {
    let axes = [0, 1, 2].into_iter().flat_map(|a| {
        [1.0, -1.0].map(|s| {
            let mut v = [0.0; 3];
            v[a] = s;
            Vector::new(v)
        })
    });
    let golden = std::f64::consts::PI * (3.0 - 5.0_f64.sqrt());
    let spread = (0..DIRECTIONS).map(|i| {
        let z = 1.0 - 2.0 * (f64::from(i) + 0.5) / f64::from(DIRECTIONS);
        let (sin, cos) = (golden * f64::from(i)).sin_cos();
        let r = (1.0 - z * z).sqrt();
        Vector::new([r * cos, r * sin, z])
    });
    axes.chain(spread).collect()
}

/// Directions 3 and 6 degrees round one; neighbours of the search lie about 13 degrees apart.
fn around(up: Vector<Lps>) -> Vec<Vector<Lps>> {
    let (x, y) = sideways(up);
    let ring = |degrees: f64| {
        let (sin, cos) = degrees.to_radians().sin_cos();
        (0..6).map(move |k| {
            let (along_y, along_x) = (std::f64::consts::TAU * f64::from(k) / 6.0).sin_cos();
            up.times(cos)
                .plus(x.times(sin * along_x))
                .plus(y.times(sin * along_y))
        })
    };
    ring(3.0).chain(ring(6.0)).collect()
}

/// The turn that brings `up` to +Z and the narrowest box along X and Y, its long side along X.
fn yaw(part: &Mesh<Lps>, up: Vector<Lps>) -> Map<Lps, Bed> {
    let (x, y) = sideways(up);
    let turned = |degrees: u32| {
        let (sin, cos) = f64::from(degrees).to_radians().sin_cos();
        let mix = |a: Vector<Lps>, b: Vector<Lps>| {
            Vector::<Lps>::new([0, 1, 2].map(|i| a.0[i] * cos + b.0[i] * sin))
        };
        let (u, v) = (mix(x, y), mix(y, x.times(-1.0)));
        let row = |r: Vector<Lps>| [r.0[0], r.0[1], r.0[2], 0.0];
        Map::new([row(u), row(v), row(up)])
    };
    (0..180)
        .step_by(2)
        .map(|degrees| {
            let map = turned(degrees);
            let (low, high) = extent(part, &map);
            let size = [high[0] - low[0], high[1] - low[1]];
            let upright = if size[0] < size[1] { 1.0 } else { 0.0 };
            (size[0] * size[1] + upright, map)
        })
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(|| turned(0), |(_, map)| map)
}

fn extent(part: &Mesh<Lps>, map: &Map<Lps, Bed>) -> ([f64; 3], [f64; 3]) {
    part.vertices.iter().map(|&v| map.apply(v).0).fold(
        ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]),
        |(l, h), p| {
            (
                [0, 1, 2].map(|a| l[a].min(p[a])),
                [0, 1, 2].map(|a| h[a].max(p[a])),
            )
        },
    )
}

/// The shifts that set the parts side by side in the middle of the bed; `None` when they do not fit.
fn arrange(stands: &[&Way], printer: &Printer) -> Option<Vec<Map<Bed, Bed>>> {
    let size = |s: &Way, a: usize| s.high[a] - s.low[a];
    let brims = stands.iter().map(|s| s.pose.stand.brim_mm);
    let brim_mm = brims.fold(0.0, f64::max);
    let apart = BETWEEN_MM + 2.0 * brim_mm;
    let room = printer.bed_mm.map(|b| b - 2.0 * (BORDER_MM + brim_mm));
    if stands
        .iter()
        .any(|s| size(s, 2) > printer.height_mm - HEADROOM_MM)
    {
        return None;
    }
    // In a row along Y (long sides together), or along X.
    [1, 0].into_iter().find_map(|axis| {
        let gaps = apart * (stands.len() - 1) as f64;
        let total: f64 = stands.iter().map(|s| size(s, axis)).sum::<f64>() + gaps;
        let across = stands.iter().map(|s| size(s, 1 - axis)).fold(0.0, f64::max);
        if total > room[axis] || across > room[1 - axis] {
            return None;
        }
        let mut at = (printer.bed_mm[axis] - total) / 2.0;
        let shifts = stands.iter().map(|s| {
            let mut shift = [0.0, 0.0, -s.low[2]];
            shift[axis] = at - s.low[axis];
            shift[1 - axis] =
                (printer.bed_mm[1 - axis] - size(s, 1 - axis)) / 2.0 - s.low[1 - axis];
            at += size(s, axis) + apart;
            Map::new([
                [1.0, 0.0, 0.0, shift[0]],
                [0.0, 1.0, 0.0, shift[1]],
                [0.0, 0.0, 1.0, shift[2]],
            ])
        });
        Some(shifts.collect())
    })
}

#[cfg(test)]
mod tests {
    use super::super::shapes;
    use super::*;
    use crate::mesh::testing::shifted;

    fn printer() -> Printer {
        Printer::load("virtual").unwrap()
    }

    #[test]
    fn a_cap_stands_rigidly_on_the_bed_inside_its_margins() {
        let cap = shifted(&shapes::cap(100.0), [-300.0, 40.0, 1200.0]);
        let placed = place(
            std::slice::from_ref(&cap),
            &printer(),
            &Settings::default(),
            [0.2; 2],
        )
        .unwrap();
        assert_eq!(placed.len(), 1);
        assert!((placed[0].to_bed.determinant() - 1.0).abs() < 1e-9);
        let (low, high) = placed[0].mesh.bounds().unwrap();
        assert!(low.0[2].abs() < 1e-9 && high.0[2] < 205.0);
        assert!((0..2).all(|a| low.0[a] > 12.9 && high.0[a] < printer().bed_mm[a] - 12.9));
        assert!((placed[0].mesh.volume_mm3() / cap.volume_mm3() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_cap_is_stood_up_steeply_with_little_to_support() {
        let cap = shapes::cap(100.0);
        let settings = Settings::default();
        let placed = place(std::slice::from_ref(&cap), &printer(), &settings, [0.2; 2]).unwrap();
        let (low, high) = placed[0].mesh.bounds().unwrap();
        // Lying down it is 19 mm high.
        assert!(high.0[2] - low.0[2] > 40.0, "{:?}", high.0[2]);
        let (shape, up) = (Shape::new(&cap), placed[0].to_bed.0[2]);
        let cost = |up: [f64; 3]| {
            let pose = shape.pose(Vector::new(up), &settings, 0.2);
            shape.stood(pose, &settings, [0.2, 0.2]).cost_s
        };
        assert!(cost([up[0], up[1], up[2]]) < cost([0.0, 0.0, 1.0]));
    }

    #[test]
    fn the_outer_face_and_the_rim_of_a_cap_are_kept_off_support() {
        let cap = shapes::cap(100.0);
        let found = ways(&cap, &Settings::default(), [0.2; 2]);
        let chosen = &found[0].pose;
        // Its rim is cut square, so that some of it looks down however the cap stands.
        let [inner, outer, rim] = chosen.touched_mm2;
        assert!(inner < 5.0 && outer < 5.0 && rim < 200.0, "{chosen:?}");
        assert!(found.iter().all(|way| way.pose.cost_s >= chosen.cost_s));
        let said = findings(&found, 0);
        assert_eq!(said[0].name, "pose");
        assert!(said[0].text.contains("Dearer would be"), "{}", said[0].text);
    }

    #[test]
    fn two_shells_stand_side_by_side() {
        let two = [
            shapes::cap(70.0),
            shifted(&shapes::cap(60.0), [0.0, 0.0, 50.0]),
        ];
        let placed = place(&two, &printer(), &Settings::default(), [0.2; 2]).unwrap();
        let bounds: Vec<_> = placed.iter().map(|p| p.mesh.bounds().unwrap()).collect();
        assert_eq!(bounds.len(), 2);
        let gap = |a: usize| {
            (bounds[1].0.0[a] - bounds[0].1.0[a]).max(bounds[0].0.0[a] - bounds[1].1.0[a])
        };
        assert!(gap(0).max(gap(1)) > 13.9, "{bounds:?}");
    }

    #[test]
    fn a_giant_is_refused() {
        let giant = shapes::cuboid([300.0, 300.0, 300.0]);
        let refused = place(&[giant], &printer(), &Settings::default(), [0.2; 2]);
        assert!(matches!(refused, Err(SliceError::TooLarge { .. })));
    }
}
