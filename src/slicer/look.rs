//! Look: what a person should know about a part before it is printed.
//!
//! In:    solids as they were drawn, and as they stand on the bed.
//! Out:   [`Finding`]s: features that no line of plastic can show, bodies that touch and are printed apart.
//! Never: refuses or changes a part.

use super::place::Placed;
use super::plane::Um;
use super::settings::Recipe;
use super::thin;
use crate::gcode::Material;
use crate::mesh::Mesh;
use crate::mesh::rays::{Rays, Sample, samples};
use crate::space::{Bed, Lps, Point};
use crate::status::Finding;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Distance of the places that are looked at, mm.
const APART_MM: f64 = 0.7;
/// Most places on a part; a large part is looked at more coarsely.
const PLACES: f64 = 150_000.0;
/// Two faces are a feature's when they look away from each other within about 16 degrees; the two sides of a sharp edge do
/// not, and lose little.
const OPPOSITE: f64 = 0.96;
/// Features of which less is lost than this are not worth a word, mm2 of one side.
const FEATURE_MIN_MM2: f64 = 1.0;
/// Features that are named.
const NAMED: usize = 5;
/// Bodies nearer than this touch, mm.
const TOUCH_MM: f64 = 0.02;
/// So far before its face a ray begins, mm, since faces that lie in one another meet by rounding or not.
const START_MM: f64 = 0.001;

/// A feature that is not printed.
struct Lost {
    area_mm2: f64,
    thin_mm: f64,
    low: [f64; 3],
    high: [f64; 3],
}

/// Features of a part that fall between lines or layers, the largest first.
pub(super) fn lost(placed: &Placed, recipe: &Recipe) -> Vec<Finding> {
    let mesh = &placed.mesh;
    let surface_mm2: f64 = (mesh.triangles.iter())
        .map(|&t| mesh.area_vector(t).length() / 2.0)
        .sum();
    let apart_mm = (surface_mm2 / PLACES).sqrt().max(APART_MM);
    let rays = Rays::new(mesh);
    let thin: Vec<(Sample<Bed>, f64)> = samples(mesh, apart_mm)
        .into_par_iter()
        .filter_map(|sample| {
            let thin_mm = thickness_mm(&rays, &sample, recipe)?;
            is_lost(&sample, thin_mm, recipe).then_some((sample, thin_mm))
        })
        .collect();
    let Some(back) = placed.to_bed.inverse() else {
        return Vec::new();
    };
    let mut features: Vec<Lost> = (groups(&thin, 2.0 * apart_mm).iter())
        .map(|group| feature(group, |p| back.apply(p)))
        .filter(|f| f.area_mm2 > FEATURE_MIN_MM2)
        .collect();
    features.sort_by(|a, b| b.area_mm2.total_cmp(&a.area_mm2));
    let more = features.len().saturating_sub(NAMED);
    let mut found: Vec<Finding> = features.iter().take(NAMED).map(Lost::finding).collect();
    if more > 0 {
        let text = format!("{more} more features of the part are too thin to be printed.");
        found.push(Finding::warn("thin_feature", text));
    }
    found
}

/// How thick the part is behind a place, mm, where that is near what can be lost.
fn thickness_mm(rays: &Rays<'_, Bed>, sample: &Sample<Bed>, recipe: &Recipe) -> Option<f64> {
    let reach_mm = recipe.layer.mm().max(thin::narrowest(recipe.line(0)).mm());
    let inwards = sample.normal.times(-1.0);
    let from = sample.place.plus(inwards.times(START_MM));
    let hit = rays.first(from, inwards, reach_mm, |hit| hit.cosine > 0.0)?;
    (hit.cosine > OPPOSITE).then_some(hit.far_mm + START_MM)
}

/// Standing features are lost when they are narrower than a line can be; lying ones when no layer is cut through them.
fn is_lost(sample: &Sample<Bed>, thin_mm: f64, recipe: &Recipe) -> bool {
    let rise = sample.normal.0[2];
    let level = (1.0 - rise * rise).max(0.0).sqrt();
    if level > rise.abs() {
        return thin_mm / level < thin::narrowest(recipe.line(1)).mm();
    }
    let top = sample.place.0[2];
    let bottom = top - rise * thin_mm;
    let layer = recipe.layers(Um::from_mm(top.min(bottom)));
    recipe.middle(layer).mm() > top.max(bottom)
}

/// Places that lie near each other.
fn groups(thin: &[(Sample<Bed>, f64)], near_mm: f64) -> Vec<Vec<&(Sample<Bed>, f64)>> {
    let mut cells: BTreeMap<[i32; 3], Vec<&(Sample<Bed>, f64)>> = BTreeMap::new();
    for one in thin {
        let cell = one.0.place.0.map(|x| (x / near_mm).floor() as i32);
        cells.entry(cell).or_default().push(one);
    }
    let mut found = Vec::new();
    while let Some((cell, first)) = cells.pop_first() {
        let (mut group, mut open) = (first, vec![cell]);
        while let Some([i, j, k]) = open.pop() {
            for n in 0..27 {
                let next = [i - 1 + n % 3, j - 1 + n / 3 % 3, k - 1 + n / 9];
                if let Some(more) = cells.remove(&next) {
                    group.extend(more);
                    open.push(next);
                }
            }
        }
        found.push(group);
    }
    found
}

fn feature(group: &[&(Sample<Bed>, f64)], back: impl Fn(Point<Bed>) -> Point<Lps>) -> Lost {
    let mut lost = Lost {
        area_mm2: 0.0,
        thin_mm: f64::INFINITY,
        low: [f64::INFINITY; 3],
        high: [f64::NEG_INFINITY; 3],
    };
    for (sample, thin_mm) in group {
        // Both sides of it were looked at.
        lost.area_mm2 += sample.area_mm2 / 2.0;
        lost.thin_mm = lost.thin_mm.min(*thin_mm);
        let at = back(sample.place).0;
        for axis in 0..3 {
            lost.low[axis] = lost.low[axis].min(at[axis]);
            lost.high[axis] = lost.high[axis].max(at[axis]);
        }
    }
    lost
}

impl Lost {
    fn finding(&self) -> Finding {
        let [x, y, z] = [0, 1, 2].map(|a| (self.low[a] + self.high[a]) / 2.0);
        let text = format!(
            "A feature of {:.0} mm², {:.2} mm thick, round ({x:.1}, {y:.1}, {z:.1}) mm of the mesh is too thin to be \
             printed and is left out. Make it thicker where it matters.",
            self.area_mm2, self.thin_mm
        );
        Finding::warn("thin_feature", text)
    }
}

/// What the material asks of people, before and after.
pub(super) fn care(material: &Material) -> impl Iterator<Item = Finding> {
    let rows = [
        ("drying", "Before the print", &material.drying),
        ("annealing", "After the print", &material.annealing),
    ];
    rows.into_iter().filter_map(|(name, when, text)| {
        let text = text.as_deref()?;
        Some(Finding::info(name, format!("{when}: {text}")))
    })
}

/// Says when bodies touch: they are printed apart, whatever was meant.
pub(super) fn touching(solids: &[Mesh<Lps>]) -> Option<Finding> {
    let pairs = (solids.iter().enumerate())
        .flat_map(|(n, one)| solids[n + 1..].iter().map(move |other| (one, other)))
        .filter(|(one, other)| near(one, other))
        .filter(|(one, other)| touch(one, other) || touch(other, one))
        .count();
    (pairs > 0).then(|| {
        let text = format!(
            "Bodies of the mesh touch in {pairs} place(s); each is printed apart from the others. Unite them when they \
             are one part."
        );
        Finding::warn("touching_bodies", text)
    })
}

fn near(one: &Mesh<Lps>, other: &Mesh<Lps>) -> bool {
    let (Some((a, b)), Some((c, d))) = (one.bounds(), other.bounds()) else {
        return false;
    };
    (0..3).all(|x| a.0[x] < d.0[x] + TOUCH_MM && c.0[x] < b.0[x] + TOUCH_MM)
}

/// Does a face of `one` lie against a face of `other`?
fn touch(one: &Mesh<Lps>, other: &Mesh<Lps>) -> bool {
    let Some((low, high)) = other.bounds() else {
        return false;
    };
    let rays = Rays::new(other);
    samples(one, APART_MM).par_iter().any(|sample| {
        let by = |a: usize| sample.place.0[a];
        (0..3).all(|a| by(a) > low.0[a] - TOUCH_MM && by(a) < high.0[a] + TOUCH_MM) && {
            let from = sample.place.plus(sample.normal.times(-TOUCH_MM));
            (rays.first(from, sample.normal, 2.0 * TOUCH_MM, |hit| {
                hit.cosine < -OPPOSITE
            }))
            .is_some()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::super::{Orientation, Sliced, shapes, slice};
    use super::*;
    use crate::gcode::{Material, Printer};
    use crate::mesh::testing::shifted;
    use crate::space::Map;
    use proptest::prelude::*;

    /// A profile along Z: points of a closed outline, counter-clockwise, as high as `high_mm`.
    fn prism(outline: &[[f64; 2]], triangles: &[[u32; 3]], high_mm: f64) -> Mesh<Lps> {
        let count = outline.len() as u32;
        let mut mesh = Mesh {
            vertices: Vec::new(),
            triangles: Vec::new(),
        };
        for z in [0.0, high_mm] {
            let floor = outline.iter().map(|p| Point::new([p[0], p[1], z]));
            mesh.vertices.extend(floor);
        }
        for &[a, b, c] in triangles {
            mesh.triangles.push([c, b, a]);
            mesh.triangles.push([a, b, c].map(|v| v + count));
        }
        for a in 0..count {
            let b = (a + 1) % count;
            mesh.triangles.push([a, b, b + count]);
            mesh.triangles.push([a, b + count, a + count]);
        }
        mesh
    }

    /// A block of 20 x 16 mm with a fin of 14 mm on its side, `thin_mm` thick; 5 mm high.
    fn finned(thin_mm: f64) -> Mesh<Lps> {
        let (a, b) = (8.0, 8.0 + thin_mm);
        let outline = [
            [0.0, 0.0],
            [20.0, 0.0],
            [20.0, a],
            [34.0, a],
            [34.0, b],
            [20.0, b],
            [20.0, 16.0],
            [0.0, 16.0],
        ];
        let inside = [
            [0, 1, 2],
            [2, 3, 4],
            [2, 4, 5],
            [0, 2, 5],
            [0, 5, 7],
            [5, 6, 7],
        ];
        prism(&outline, &inside, 5.0)
    }

    fn sliced(mesh: &Mesh<Lps>) -> Sliced {
        let settings = Settings {
            orientation: Orientation::AsIs,
            brim_mm: 0.0,
            support: false,
            ..Settings::default()
        };
        let printer = Printer::load("virtual").unwrap();
        let material = Material::load("pla").unwrap();
        slice(mesh, &printer, &material, &settings, &mut |_| {}).unwrap()
    }

    /// Furthest X that plastic reaches beside the part's left side, mm.
    fn reach(made: &Sliced) -> f64 {
        made.plan.checked.high_mm[0] - made.plan.parts[0].low_mm[0]
    }

    #[test]
    fn a_fin_too_thin_for_a_line_is_named_with_place_and_size() {
        let made = sliced(&finned(0.1));
        let [one] = &made.plan.findings[..] else {
            panic!("{:?}", made.plan.findings);
        };
        let text = &one.text;
        assert!(
            text.contains("of 70 mm²") && text.contains("0.10 mm thick"),
            "{text}"
        );
        let place = text.split(['(', ')']).nth(1).unwrap();
        let place: Vec<f64> = place.split(", ").map(|n| n.parse().unwrap()).collect();
        let far = [27.0, 8.0, 2.5]
            .iter()
            .zip(place)
            .map(|(a, b)| (a - b).abs());
        assert!(
            far.fold(0.0, f64::max) < 0.5 && reach(&made) < 20.5,
            "{text}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        /// What is said to be lost is lost, and nothing else is lost.
        #[test]
        fn a_fin_is_named_when_it_is_not_drawn(thin_um in 40u32..400) {
            // At the border between the two, rounding decides.
            prop_assume!(!(104..124).contains(&thin_um));
            let made = sliced(&finned(f64::from(thin_um) / 1000.0));
            prop_assert_eq!(made.plan.findings.is_empty(), reach(&made) > 33.0);
        }
    }

    #[test]
    fn a_lying_plate_is_named_when_it_falls_between_two_layers() {
        // Layers are cut at 0.1, 0.3, 0.5 ... mm.
        for (low, lost) in [(2.12, true), (2.25, false)] {
            let plate = shifted(&shapes::cuboid([12.0, 8.0, 0.15]), [20.0, 0.0, low]);
            let mut mesh = shapes::cuboid([20.0, 8.0, 5.0]);
            let base = mesh.vertices.len() as u32;
            mesh.vertices.extend(plate.vertices);
            let faces = plate.triangles.iter().map(|t| t.map(|v| v + base));
            mesh.triangles.extend(faces);
            let to_bed = Map::new([
                [1.0, 0.0, 0.0, 0.0],
                [0.0, 1.0, 0.0, 0.0],
                [0.0, 0.0, 1.0, 0.0],
            ]);
            let mesh = mesh.mapped(&to_bed);
            let placed = Placed {
                mesh,
                to_bed,
                findings: Vec::new(),
                brim_mm: 0.0,
                brim_layers: 0,
            };
            let printer = Printer::load("virtual").unwrap();
            let material = Material::load("pla").unwrap();
            let recipe = Recipe::new(&printer, &material, &Settings::default()).unwrap();
            assert_eq!(
                super::lost(&placed, &recipe).len(),
                usize::from(lost),
                "{low}"
            );
        }
    }

    #[test]
    fn sharp_edges_and_curved_shells_are_no_lost_features() {
        let wedge = prism(&[[0.0, 0.0], [30.0, 0.0], [0.0, 12.0]], &[[0, 1, 2]], 10.0);
        assert_eq!(sliced(&wedge).plan.findings, []);
        assert_eq!(sliced(&shapes::cap(30.0)).plan.findings, []);
    }

    #[test]
    fn bodies_that_touch_are_said() {
        let one = shapes::cuboid::<Lps>([20.0, 16.0, 8.0]);
        for (by, touches) in [
            ([20.0, 3.0, 0.0], true),
            ([0.0, 0.0, 8.0], true),
            ([20.2, 0.0, 0.0], false),
            ([20.0, 17.0, 0.0], false),
        ] {
            let pair = [one.clone(), shifted(&one, by)];
            assert_eq!(touching(&pair).is_some(), touches, "{by:?}");
        }
    }
}
