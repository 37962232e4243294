//! Support, judged by the strokes of the file alone: where it begins, what it carries, and what it keeps off.

use super::raster::{Drawn, Layer, Role, layers};
use super::*;
use proptest::prelude::*;

/// Support as asked for by an angle, the part as it is.
fn from(overhang_deg: f64) -> Settings {
    Settings {
        support: true,
        overhang_deg,
        ..bare()
    }
}

/// Spots along the middle of a stroke, at most 0.2 mm apart, and the length that each stands for.
fn spots(line: &Drawn) -> impl Iterator<Item = ([f64; 2], f64)> + '_ {
    let length = (line.to[0] - line.from[0]).hypot(line.to[1] - line.from[1]);
    let count = (length / 0.2).ceil().max(1.0);
    (0..count as usize).map(move |k| {
        let t = (k as f64 + 0.5) / count;
        let spot = [0, 1].map(|a| line.from[a] + (line.to[a] - line.from[a]) * t);
        (spot, length / count)
    })
}

/// Distance of a spot from the edge of the nearest stroke; negative on it.
fn beside<'a>(lines: impl Iterator<Item = &'a Drawn>, spot: [f64; 2]) -> f64 {
    let far = |line: &Drawn| {
        let d = [line.to[0] - line.from[0], line.to[1] - line.from[1]];
        let v = [spot[0] - line.from[0], spot[1] - line.from[1]];
        let t = ((v[0] * d[0] + v[1] * d[1]) / (d[0] * d[0] + d[1] * d[1])).clamp(0.0, 1.0);
        (v[0] - t * d[0]).hypot(v[1] - t * d[1]) - line.width / 2.0
    };
    lines.map(far).fold(f64::INFINITY, f64::min)
}

fn of_part(layer: &Layer) -> impl Iterator<Item = &Drawn> + '_ {
    let other = [Role::Travel, Role::Support, Role::Brim];
    layer.lines.iter().filter(move |l| !other.contains(&l.role))
}

fn of_support(layer: &Layer) -> impl Iterator<Item = &Drawn> + '_ {
    layer.lines.iter().filter(|l| l.role == Role::Support)
}

/// Share of the outer walls' length whose middle is over air, further out than `ledge_mm` allows, and has no support one
/// or two layers further down. The second layer lies on the bed, one layer below it.
fn over_air(gcode: &str, ledge_mm: f64) -> f64 {
    let layers = layers(gcode);
    let (mut all, mut air) = (0.0, 0.0);
    for (below, layer) in layers.iter().enumerate().skip(2).map(|(n, l)| (n - 1, l)) {
        let roofs = &layers[below.saturating_sub(2)..below];
        for line in layer.lines.iter().filter(|l| l.role == Role::External) {
            for (spot, length) in spots(line) {
                all += length;
                // Walls below may leave a seam: only what has its middle over air stands out.
                let out = beside(of_part(&layers[below]), spot);
                let most = (ledge_mm - line.width / 2.0).max(0.03);
                let held = roofs
                    .iter()
                    .any(|roof| beside(of_support(roof), spot) <= 0.0);
                if out > most && !held {
                    air += length;
                }
            }
        }
    }
    air / all
}

/// How far a layer may stand out, and the roughness of the cut.
fn ledge_mm(overhang_deg: f64) -> f64 {
    0.2 * overhang_deg.to_radians().tan() + 0.03
}

#[test]
fn support_begins_at_the_setting() {
    for setting in [35.0, 50.0, 65.0] {
        for lean in [-15.0, -4.0, -1.0] {
            let result = sliced(&shapes::leaning(setting + lean, 10.0), &from(setting));
            assert_eq!(result.plan.support_mm3, 0.0, "{setting}{lean}");
        }
        for lean in [1.5, 4.0, 15.0] {
            let plate = shapes::leaning(setting + lean, 10.0);
            let result = sliced(&plate, &from(setting));
            // A prism under the plate, as wide as it, of which a fifth or more is plastic.
            let [x, z] = [
                (setting + lean).to_radians().sin(),
                (setting + lean).to_radians().cos(),
            ];
            let least = 0.1 * 10.0 * 450.0 * x * z;
            assert!(
                result.plan.support_mm3 > least,
                "{setting}+{lean}: {} of {least}",
                result.plan.support_mm3
            );
        }
    }
}

#[test]
fn the_outer_walls_of_caps_and_a_bracket_lie_on_support() {
    let ledge = ledge_mm(50.0);
    for (name, mesh) in [
        ("dome", shapes::cap(40.0)),
        ("edge", on_edge(40.0)),
        ("bracket", shapes::bracket()),
    ] {
        let with = over_air(&sliced(&mesh, &from(50.0)).gcode, ledge);
        let without = over_air(&sliced(&mesh, &bare()).gcode, ledge);
        println!("{name}: {with:.4} over air, {without:.4} without support");
        assert!(with < 0.005, "{name}: {with}");
        assert!(without > 0.008, "{name}: {without}");
    }
}

#[test]
fn support_keeps_its_gaps() {
    for (name, mesh) in [
        ("dome", shapes::cap(40.0)),
        ("edge", on_edge(40.0)),
        ("bracket", shapes::bracket()),
        ("plate", shapes::leaning(75.0, 10.0)),
    ] {
        let layers = layers(&sliced(&mesh, &from(50.0)).gcode);
        let mut held = 0;
        for (n, layer) in layers.iter().enumerate() {
            for line in of_support(layer) {
                held += 1;
                for (spot, _) in spots(line) {
                    // Single strokes in wedges end outside the section that they fill.
                    let clear = |other: &Layer| {
                        let part = of_part(other).filter(|l| l.role != Role::Thin);
                        beside(part, spot) - line.width / 2.0
                    };
                    let aside = clear(layer);
                    assert!(aside > 0.2, "{name}, layer {n}: {aside} mm beside the part");
                    for other in [n.wrapping_sub(1), n + 1] {
                        // Edges may stand one over the other; plastic may not.
                        let over = layers.get(other).map_or(1.0, clear);
                        assert!(
                            over > -0.06,
                            "{name}, layer {n} in {other}: {over} mm at {spot:?} of {line:?}"
                        );
                    }
                }
            }
        }
        assert!(held > 100, "{name}: {held}");
    }
}

/// A part that its brim carries: no support stands in the brim near it, and what hangs over the brim lies right on it.
#[test]
fn a_brim_carries_the_part_itself() {
    let of_brim = |layer: &Layer| layer.lines.iter().any(|l| l.role == Role::Brim);
    let carried = (1..=12).find_map(|pose| {
        let settings = Settings {
            orientation: Orientation::Pose(pose),
            ..Settings::default()
        };
        let result = sliced(&shapes::cap(60.0), &settings);
        let layers = layers(&result.gcode);
        let high = layers.iter().take_while(|l| of_brim(l)).count();
        (high > 1).then_some((result.plan.settings.brim_mm, layers, high))
    });
    let (brim_mm, layers, high) = carried.expect("some pose of a cap has no stand of its own");
    for (n, layer) in layers[..high].iter().enumerate() {
        for spot in of_support(layer).flat_map(spots).map(|(spot, _)| spot) {
            let out = beside(of_part(&layers[0]), spot);
            assert!(out > brim_mm - 2.0, "layer {n}: {out} mm from the part");
        }
    }
    for n in 1..=high {
        let below: Vec<&Drawn> = layers[n - 1]
            .lines
            .iter()
            .filter(|l| l.role != Role::Travel)
            .collect();
        for line in layers[n].lines.iter().filter(|l| l.role == Role::External) {
            for (spot, _) in spots(line) {
                let out = beside(below.iter().copied(), spot);
                assert!(out < 0.1, "layer {n}: {out} mm over air at {spot:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever the angle and the setting, what stands out too far stands on something.
    #[test]
    fn every_outer_wall_of_a_leaning_plate_stands_on_something(
        setting in 30.0..65.0_f64,
        lean in 51.0..86.0_f64,
        wide in 4.0..14.0_f64,
    ) {
        let result = sliced(&shapes::leaning(lean, wide), &from(setting));
        let air = over_air(&result.gcode, ledge_mm(setting));
        prop_assert!(air < 0.005, "{air}");
        if lean > setting + 3.0 {
            let none = over_air(&sliced(&shapes::leaning(lean, wide), &bare()).gcode, ledge_mm(setting));
            prop_assert!(none > 0.1, "{none} without support");
        }
    }
}

/// A plate that stands upright, 24 mm wide and high and 5 mm thick, with a round hole through it.
fn drilled(diameter_mm: f64) -> Mesh<Lps> {
    use crate::space::{Ijk, Map, Point, Vector};
    let step = 0.4;
    let shape = [70, 22, 70];
    let axes = [0, 1, 2].map(|a| {
        let mut axis = [0.0; 3];
        axis[a] = step;
        Vector::new(axis)
    });
    let map = Map::<Ijk, Lps>::from_columns(axes, Point::new([-14.03, -4.21, -14.03]));
    let grid = crate::volume::Volume::new(shape, vec![(); shape.iter().product()], map).unwrap();
    let field = (0..grid.data().len()).map(|n| {
        let [x, y, z] = grid.centre(grid.index(n)).0;
        let plate = (x.abs() - 12.0).max(y.abs() - 2.5).max(z.abs() - 12.0);
        plate.max(diameter_mm / 2.0 - x.hypot(z)) as f32
    });
    crate::mesh::cubes::extract(&grid.with(field.collect()), 0.0)
}

/// What spans a perforation would have to be picked out of each; what spans a wider hole sags without it.
#[test]
fn a_perforation_spans_itself_and_a_wide_hole_is_supported() {
    let supported = |diameter_mm: f64| {
        let layers = layers(&sliced(&drilled(diameter_mm), &from(50.0)).gcode);
        let length = |l: &Drawn| (l.to[0] - l.from[0]).hypot(l.to[1] - l.from[1]);
        layers.iter().flat_map(of_support).map(length).sum::<f64>()
    };
    // Its lower edges are cut off by marching cubes, and lie on something.
    let whole = supported(0.0);
    assert_eq!(supported(2.0), whole);
    assert_eq!(supported(4.0), whole);
    let wide = supported(9.0);
    assert!(wide > whole + 100.0, "{wide} {whole}");
}
