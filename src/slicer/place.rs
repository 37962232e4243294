//! Placement: which way is up, and where on the bed.
//!
//! In:    closed parts in patient millimetres.
//! Out:   each part with its rigid map to the bed.
//! Holds: maps turn and shift, never mirror or scale; every part lies on Z = 0, within the bed's margins and below
//!        the printer's height, and parts stand apart.
//! Cost:  one pass over the triangles per direction, about 250 directions.

use super::SliceError;
use super::settings::{Orientation, Settings};
use crate::gcode::Printer;
use crate::mesh::Mesh;
use crate::space::{Bed, Lps, Map, Point, Vector};
use rayon::prelude::*;

/// Free border of the bed, mm; the left border also holds the purge line of the start code.
const BORDER_MM: f64 = 8.0;
/// Free space between two parts with their brims, mm.
const BETWEEN_MM: f64 = 4.0;
/// Room above the part for lifting and parking, mm.
const HEADROOM_MM: f64 = 5.0;
/// Directions of the search.
const DIRECTIONS: u32 = 240;
/// Ways of standing that are tried, cheapest first, until all parts fit.
const TRIES: usize = 24;

/// One part and where it goes.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) mesh: Mesh<Bed>,
    pub(super) to_bed: Map<Lps, Bed>,
}

/// One way of standing.
#[derive(Clone, Debug)]
struct Stand {
    turn: Map<Lps, Bed>,
    low: [f64; 3],
    high: [f64; 3],
}

/// Turns every part for the least print time at a safe stand and sets them side by side.
pub(super) fn place(
    parts: &[Mesh<Lps>],
    printer: &Printer,
    settings: &Settings,
    layer_mm: f64,
) -> Result<Vec<Placed>, SliceError> {
    let stands: Vec<Vec<Stand>> = parts
        .iter()
        .map(|part| stands(part, settings, layer_mm))
        .collect();
    for rank in 0..TRIES {
        let chosen: Vec<&Stand> = stands
            .iter()
            .filter_map(|s| s.get(rank.min(s.len().saturating_sub(1))))
            .collect();
        if let Some(shifts) = arrange(&chosen, printer, settings) {
            return Ok(parts
                .iter()
                .zip(chosen)
                .zip(shifts)
                .map(|((part, stand), shift)| {
                    let to_bed = stand.turn.then(&shift);
                    Placed {
                        mesh: part.mapped(&to_bed),
                        to_bed,
                    }
                })
                .collect());
        }
    }
    let size = stands
        .iter()
        .filter_map(|s| s.first())
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
fn stands(part: &Mesh<Lps>, settings: &Settings, layer_mm: f64) -> Vec<Stand> {
    if settings.orientation == Orientation::AsIs {
        let up = Map::new([
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ]);
        let (low, high) = extent(part, &up);
        return vec![Stand {
            turn: up,
            low,
            high,
        }];
    }
    let facets: Vec<Facet> = facets(part);
    let mut found: Vec<(f64, Vector<Lps>)> = directions()
        .into_par_iter()
        .map(|up| (cost_s(part, &facets, up, settings, layer_mm), up))
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.truncate(TRIES);
    found
        .into_par_iter()
        .map(|(_, up)| {
            let turn = yaw(part, up);
            let (low, high) = extent(part, &turn);
            Stand { turn, low, high }
        })
        .collect()
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

/// A triangle as the search sees it.
struct Facet {
    normal: Vector<Lps>,
    area_mm2: f64,
    middle: Point<Lps>,
}

fn facets(part: &Mesh<Lps>) -> Vec<Facet> {
    part.triangles
        .iter()
        .filter_map(|&t| {
            let twice = part.area_vector(t);
            let [a, b, c] = part.corners(t);
            Some(Facet {
                normal: twice.unit()?,
                area_mm2: twice.length() / 2.0,
                middle: Point::new([0, 1, 2].map(|i| (a.0[i] + b.0[i] + c.0[i]) / 3.0)),
            })
        })
        .collect()
}

/// Estimated print time, s, with penalties that stand for quality and safety.
fn cost_s(
    part: &Mesh<Lps>,
    facets: &[Facet],
    up: Vector<Lps>,
    settings: &Settings,
    layer_mm: f64,
) -> f64 {
    let along = |p: Point<Lps>| Vector::<Lps>::new(p.0).dot(up);
    let (low, high) = part
        .vertices
        .iter()
        .map(|&v| along(v))
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), z| {
            (l.min(z), h.max(z))
        });
    let steep = settings.overhang_deg.to_radians().sin();
    let (mut support_mm3, mut terrace_mm2, mut moment, mut area) = (0.0, 0.0, 0.0, 0.0);
    for facet in facets {
        let (rise, height) = (facet.normal.dot(up), along(facet.middle) - low);
        area += facet.area_mm2;
        moment += facet.area_mm2 * height;
        if rise < -steep && height > layer_mm {
            support_mm3 += facet.area_mm2 * -rise * height;
        }
        // Slopes below 15 degrees come out in terraces; what is flat does not.
        if (0.966..0.9998).contains(&rise) {
            terrace_mm2 += facet.area_mm2;
        }
    }
    let tip = (moment / area) / stance_mm(part, up, low, settings.brim_mm);
    // Support is drawn at about a fifth of its volume at 5 mm3/s; a layer costs some 3 s of travel and seam. A
    // part three times as high as its stand is wide begins to sway.
    0.04 * support_mm3
        + 3.0 * (high - low) / layer_mm
        + 0.5 * terrace_mm2
        + 2000.0 * (tip - 3.0).max(0.0)
}

/// Half-width of the narrower direction of what stands on the bed, brim included, mm.
fn stance_mm(part: &Mesh<Lps>, up: Vector<Lps>, low: f64, brim_mm: f64) -> f64 {
    let (x, y) = sideways(up);
    let base: Vec<[f64; 2]> = part
        .vertices
        .iter()
        .map(|&v| Vector::<Lps>::new(v.0))
        .filter(|v| v.dot(up) < low + 1.0)
        .map(|v| [v.dot(x), v.dot(y)])
        .collect();
    let narrowest = (0..18)
        .map(|i| {
            let (sin, cos) = (std::f64::consts::PI * f64::from(i) / 18.0).sin_cos();
            let (l, h) = base
                .iter()
                .map(|p| p[0] * cos + p[1] * sin)
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
                    (l.min(v), h.max(v))
                });
            (h - l) / 2.0
        })
        .fold(f64::INFINITY, f64::min);
    narrowest + brim_mm + 0.5
}

/// Two unit vectors square to `up`, right-handed with it.
fn sideways(up: Vector<Lps>) -> (Vector<Lps>, Vector<Lps>) {
    let help = if up.0[2].abs() < 0.9 {
        [0.0, 0.0, 1.0]
    } else {
        [1.0, 0.0, 0.0]
    };
    let x = Vector::new(help).cross(up);
    let x = x.times(1.0 / x.length());
    (x, up.cross(x))
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
fn arrange(
    stands: &[&Stand],
    printer: &Printer,
    settings: &Settings,
) -> Option<Vec<Map<Bed, Bed>>> {
    let size = |s: &Stand, a: usize| s.high[a] - s.low[a];
    let apart = BETWEEN_MM + 2.0 * settings.brim_mm;
    let room = printer
        .bed_mm
        .map(|b| b - 2.0 * (BORDER_MM + settings.brim_mm));
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
            0.2,
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
        let placed = place(std::slice::from_ref(&cap), &printer(), &settings, 0.2).unwrap();
        let (low, high) = placed[0].mesh.bounds().unwrap();
        // Lying down it is 19 mm high.
        assert!(high.0[2] - low.0[2] > 40.0, "{:?}", high.0[2]);
        let (facets, up) = (facets(&cap), placed[0].to_bed.0[2]);
        let cost = |up: [f64; 3]| cost_s(&cap, &facets, Vector::new(up), &settings, 0.2);
        assert!(cost([up[0], up[1], up[2]]) < cost([0.0, 0.0, 1.0]));
    }

    #[test]
    fn two_shells_stand_side_by_side() {
        let two = [
            shapes::cap(70.0),
            shifted(&shapes::cap(60.0), [0.0, 0.0, 50.0]),
        ];
        let placed = place(&two, &printer(), &Settings::default(), 0.2).unwrap();
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
        let refused = place(&[giant], &printer(), &Settings::default(), 0.2);
        assert!(matches!(refused, Err(SliceError::TooLarge { .. })));
    }
}
