//! Parts of a told density, judged by the strokes of their files alone: how much plastic lies where, that all of it hangs
//! together and holds, and what is refused.

use super::raster::{self, Drawn, Layer, Role};
use super::*;
use crate::mesh::tags::Face;
use crate::volume::Volume;
use crate::volume::components::{Connectivity, bodies};

type Density = fn([f64; 3], [f64; 2]) -> f64;

/// A field over a mesh's box, one voxel a millimetre; the function gets a place and the box's ends along X.
fn told(mesh: &Mesh<Lps>, density: Density) -> Told {
    let (low, high) = mesh.bounds().unwrap();
    let ends = [low.0[0], high.0[0]];
    let shape = [0, 1, 2].map(|a| (high.0[a] - low.0[a]).ceil() as usize + 1);
    let to_lps = Map::new([0, 1, 2].map(|a| {
        let mut row = [0.0; 4];
        (row[a], row[3]) = (1.0, low.0[a]);
        row
    }));
    let count = shape.iter().product();
    let empty = Volume::new(shape, vec![0.0_f32; count], to_lps).unwrap();
    let value = |o: usize| density(empty.centre(empty.index(o)).0, ends) as f32;
    Told {
        faces: None,
        density: Some(empty.with((0..count).map(value).collect())),
    }
}

fn constant(_: [f64; 3], _: [f64; 2]) -> f64 {
    0.3
}

/// 0.2 to 1 along X.
fn ramp(place: [f64; 3], ends: [f64; 2]) -> f64 {
    0.2 + 0.8 * ((place[0] - ends[0]) / (ends[1] - ends[0])).clamp(0.0, 1.0)
}

fn made(mesh: &Mesh<Lps>, told: &Told) -> Sliced {
    slice_told(mesh, told, &printer(), &material(), &bare(), &mut |_| {}).unwrap()
}

/// Three times as thick and as round as an implant, so that there is an inside to look at.
fn dome() -> Mesh<Lps> {
    shapes::cap(24.0).mapped(&Map::<Lps, Lps>::new([
        [3.0, 0.0, 0.0, 0.0],
        [0.0, 3.0, 0.0, 0.0],
        [0.0, 0.0, 3.0, -250.0],
    ]))
}

fn length(line: &Drawn) -> f64 {
    (line.to[0] - line.from[0]).hypot(line.to[1] - line.from[1])
}

fn of_part(layer: &Layer) -> impl Iterator<Item = &Drawn> + '_ {
    let other = [Role::Travel, Role::Support, Role::Brim];
    layer.lines.iter().filter(move |l| !other.contains(&l.role))
}

/// Plastic whose middle lies at `inside`, mm3, by the number that it gives.
fn plastic(
    gcode: &str,
    map: &Map<Bed, Lps>,
    count: usize,
    inside: &dyn Fn([f64; 3]) -> Option<usize>,
) -> Vec<f64> {
    let mut found = vec![0.0; count];
    for layer in raster::layers(gcode) {
        let h = layer.height_mm;
        for line in of_part(&layer) {
            let section = h * (line.width - h * (1.0 - std::f64::consts::FRAC_PI_4));
            let steps = (length(line) / 0.1).ceil().max(1.0);
            for step in 0..steps as usize {
                let t = (step as f64 + 0.5) / steps;
                let [x, y] = [0, 1].map(|a| line.from[a] + (line.to[a] - line.from[a]) * t);
                let place = map.apply(crate::space::Point::new([x, y, layer.middle_mm]));
                if let Some(n) = inside(place.0) {
                    found[n] += section * length(line) / steps;
                }
            }
        }
    }
    found
}

/// What the field wants there, mm3, in cells of 0.25 mm.
fn wanted(
    mesh: &Mesh<Lps>,
    density: Density,
    count: usize,
    inside: &dyn Fn([f64; 3]) -> Option<usize>,
) -> Vec<f64> {
    const CELL: f64 = 0.25;
    let (low, high) = mesh.bounds().unwrap();
    let steps = [0, 1, 2].map(|a| ((high.0[a] - low.0[a]) / CELL).ceil() as usize);
    let mut sums = vec![0.0; count];
    for k in 0..steps[2] {
        for j in 0..steps[1] {
            for i in 0..steps[0] {
                let place = [0, 1, 2].map(|a| low.0[a] + CELL * ([i, j, k][a] as f64 + 0.5));
                if let Some(n) = inside(place) {
                    sums[n] += density(place, [low.0[0], high.0[0]]) * CELL.powi(3);
                }
            }
        }
    }
    sums
}

#[test]
fn plastic_follows_the_field_from_place_to_place() {
    const THIRDS: usize = 3;
    let block = shapes::cuboid::<Lps>([48.0, 24.0, 16.0]);
    // Away from walls, bottom and top.
    let in_block = |[x, y, z]: [f64; 3]| {
        let inside = (2.0..46.0).contains(&x) && (2.0..22.0).contains(&y);
        (inside && (2.0..14.0).contains(&z)).then(|| ((x - 2.0) / 44.0 * 3.0) as usize)
    };
    let dome = dome();
    let in_dome = |[x, y, z]: [f64; 3]| {
        let radius = (x * x + y * y + (z + 250.0).powi(2)).sqrt();
        let out = x.hypot(y);
        let inside = (258.0..267.0).contains(&radius) && out < 24.0;
        inside.then(|| ((x + 24.0) / 16.0) as usize)
    };
    type Inside<'a> = &'a dyn Fn([f64; 3]) -> Option<usize>;
    let shapes: [(&str, &Mesh<Lps>, Inside<'_>); 2] =
        [("block", &block, &in_block), ("dome", &dome, &in_dome)];
    for (name, mesh, inside) in shapes {
        for (kind, density) in [("0.3", constant as Density), ("ramp", ramp)] {
            let result = made(mesh, &told(mesh, density));
            let back = result.plan.parts[0].map().inverse().unwrap();
            let found = plastic(&result.gcode, &back, THIRDS, inside);
            let asked = wanted(mesh, density, THIRDS, inside);
            let shares: Vec<f64> = found.iter().zip(&asked).map(|(f, a)| f / a).collect();
            println!("{name}, {kind}: {shares:.3?} of {asked:.0?} mm3");
            for share in shares {
                assert!((share - 1.0).abs() < 0.03, "{name}, {kind}: {share}");
            }
            let printed = result.plan.density.unwrap();
            assert!(
                printed.mass_g < printed.solid_g * 0.85,
                "{name}: {printed:?}"
            );
            assert!((printed.solid_mm3 / mesh.volume_mm3() - 1.0).abs() < 1e-9);
            assert!(result.plan.checked.sealed);
        }
    }
}

/// Every layer's plastic against what field, walls and skins want, where the field is by far the most.
#[test]
fn each_layer_gets_what_the_field_wants() {
    let block = shapes::cuboid::<Lps>([48.0, 24.0, 8.0]);
    for density in [constant as Density, ramp] {
        let result = made(&block, &told(&block, density));
        let back = result.plan.parts[0].map().inverse().unwrap();
        let layer = |[x, y, z]: [f64; 3]| {
            let inside = (2.0..46.0).contains(&x) && (2.0..22.0).contains(&y);
            (inside && (1.2..6.8).contains(&z)).then(|| ((z - 1.2) / 0.2) as usize)
        };
        let found = plastic(&result.gcode, &back, 28, &layer);
        let want = 44.0 * 20.0 * 0.2 * density([24.0, 0.0, 0.0], [0.0, 48.0]);
        let shares = found.iter().map(|f| f / want);
        let (least, most) = shares.fold((f64::INFINITY, 0.0_f64), |(l, m), s| (l.min(s), m.max(s)));
        println!("layers between {least:.3} and {most:.3}");
        assert!(least > 0.95 && most < 1.05, "{least} {most}");
    }
}

/// Cells of 0.1 mm and one layer, set where plastic lies; the mesh lies on the bed at its own place.
fn cells(gcode: &str, low: [f64; 2], size: [f64; 2]) -> Volume<bool> {
    let layers = raster::layers(gcode);
    let count = size.map(|mm| (mm / 0.1).round() as usize);
    let mut data = vec![false; count[0] * count[1] * layers.len()];
    for (k, layer) in layers.iter().enumerate() {
        for line in of_part(layer) {
            let steps = (length(line) / 0.05).ceil().max(1.0);
            let r = line.width / 2.0;
            for step in 0..=steps as usize {
                let at = [0, 1].map(|a| {
                    line.from[a] + (line.to[a] - line.from[a]) * step as f64 / steps - low[a]
                });
                let span = |a: usize| {
                    let from = ((at[a] - r) / 0.1 - 0.5).ceil().max(0.0) as usize;
                    let to = (((at[a] + r) / 0.1 - 0.5).floor() + 1.0).max(0.0) as usize;
                    from..to.min(count[a])
                };
                for j in span(1) {
                    for i in span(0) {
                        let d = [i, j].map(|n| (n as f64 + 0.5) * 0.1);
                        if (d[0] - at[0]).hypot(d[1] - at[1]) <= r {
                            data[(k * count[1] + j) * count[0] + i] = true;
                        }
                    }
                }
            }
        }
    }
    let to_lps = Map::new([
        [0.1, 0.0, 0.0, 0.0],
        [0.0, 0.1, 0.0, 0.0],
        [0.0, 0.0, 0.2, 0.0],
    ]);
    Volume::new([count[0], count[1], layers.len()], data, to_lps).unwrap()
}

#[test]
fn all_of_it_hangs_together_holds_and_stays_inside() {
    let block = shapes::cuboid::<Lps>([24.0, 16.0, 8.0]);
    for (kind, density) in [("0.3", constant as Density), ("ramp", ramp)] {
        let result = made(&block, &told(&block, density));
        let part = &result.plan.parts[0];
        let low = [part.low_mm[0] - 1.0, part.low_mm[1] - 1.0];
        let cells = cells(&result.gcode, low, [26.0, 18.0]);
        let found = bodies(&cells, Connectivity::Face);
        let all = cells.count() as f64;
        let largest = found.iter().map(|b| b.voxels).max().unwrap() as f64;
        println!(
            "{kind}: {} bodies, the largest has {:.5} of all",
            found.len(),
            largest / all
        );
        assert_eq!(found.len(), 1, "{kind}");
        // Held by the layer below: no cell further than 0.6 mm from plastic there, and few further than 0.2.
        let [ni, nj, nk] = cells.shape();
        let mut over = [0.0; 2];
        for k in 1..nk {
            let set = |k: usize| -> Volume<bool> {
                let data = cells.data()[k * ni * nj..(k + 1) * ni * nj].to_vec();
                Volume::new([ni, nj, 1], data, cells.to_lps()).unwrap()
            };
            let far = crate::volume::distance::distance_mm(&set(k - 1));
            let here = set(k);
            for (n, limit) in [0.2, 0.6].into_iter().enumerate() {
                let beyond = here.data().iter().zip(far.data());
                over[n] += beyond.filter(|(h, f)| **h && **f > limit).count() as f64;
            }
        }
        println!(
            "{kind}: {:.4} of the plastic stands out by more than 0.2 mm, {:.4} by more than 0.6",
            over[0] / all,
            over[1] / all
        );
        assert!(
            over[0] / all < 0.12 && over[1] / all < 0.02,
            "{kind}: {over:?} of {all}"
        );
        // Within the block: nothing in the border of 1 mm round it.
        let outside = |o: usize| {
            let [i, j, _] = cells.index(o);
            i < 9 || j < 9 || i > 250 || j > 170
        };
        let out = (0..cells.data().len()).filter(|&o| cells.data()[o] && outside(o));
        assert_eq!(out.count(), 0, "{kind}");
    }
}

#[test]
fn a_field_of_one_changes_no_byte() {
    let cap = shapes::cap::<Lps>(30.0);
    let plain = sliced(&cap, &bare());
    let solid = made(&cap, &told(&cap, |_, _| 1.0));
    assert!(plain.gcode == solid.gcode);
    let printed = solid.plan.density.unwrap();
    assert!((printed.asked_mm3 / solid.plan.parts[0].volume_mm3 - 1.0).abs() < 0.01);
    assert_eq!(printed.period_mm, 0.0);
    assert!(plain.plan.density.is_none());
}

#[test]
fn lines_left_out_of_the_walls_are_seen() {
    let block = shapes::cuboid::<Lps>([24.0, 16.0, 6.0]);
    let result = made(&block, &told(&block, constant));
    let lines: Vec<&str> = result.gcode.lines().collect();
    let body = &lines[..lines.len() - 1];
    let sparse = body
        .iter()
        .rposition(|l| *l == ";TYPE:Internal infill")
        .unwrap();
    let gone = (sparse..).find(|&n| body[n].contains(" E")).unwrap();
    let kept = body.iter().enumerate();
    let drawn = |n: usize| (gone..gone + 12).contains(&n) && body[n].starts_with("G1 X");
    let text: String = kept
        .filter(|(n, _)| !drawn(*n))
        .flat_map(|(_, l)| [l, "\n"])
        .collect();
    // The next E makes up for what was left out: in one line, and that is seen.
    let sealed = format!("{text}{}", seal(&text));
    let violations = check(sealed.as_bytes(), &printer()).unwrap_err();
    let told = ["line_width", "layer_filament", "over_extrusion"];
    assert!(
        violations.iter().any(|v| told.contains(&v.limit.as_str())),
        "{violations:?}"
    );
}

#[test]
fn what_can_not_be_followed_is_refused() {
    let block = shapes::cuboid::<Lps>([20.0, 16.0, 6.0]);
    let good = told(&block, constant);
    let try_with = |told: &Told, material: &Material, settings: &Settings| {
        let result = slice_told(&block, told, &printer(), material, settings, &mut |_| {});
        match result.map(|_| ()) {
            Err(SliceError::Told(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let refused = |told: &Told| try_with(told, &material(), &bare());
    let with = |value: f32| {
        let mut told = good.clone();
        told.density.as_mut().unwrap().data_mut()[100] = value;
        told
    };
    for value in [f32::NAN, 0.0, -0.3, 1.001, f32::INFINITY] {
        assert!(matches!(refused(&with(value)), ToldError::Value { .. }));
    }
    assert!(matches!(refused(&with(0.04)), ToldError::Low { .. }));
    // Of another case: beside the part, and half beside it.
    let density = good.density.as_ref().unwrap();
    let moved = |by: f64| {
        let mut rows = density.to_lps().0;
        rows[0][3] += by;
        let volume = Volume::new(density.shape(), density.data().to_vec(), Map::new(rows));
        Told {
            faces: None,
            density: Some(volume.unwrap()),
        }
    };
    assert!(matches!(refused(&moved(300.0)), ToldError::Apart));
    assert!(matches!(
        refused(&moved(8.0)),
        ToldError::Outside { voxels } if voxels == 7 * 17 * 7
    ));
    let light = Settings {
        infill: 0.2,
        ..bare()
    };
    assert!(matches!(
        try_with(&good, &material(), &light),
        ToldError::Infill
    ));
    let implantable = Material {
        implantable: "Kranio Werk, MD-4711, 2026-02-28".into(),
        ..material()
    };
    let error = try_with(&good, &implantable, &bare());
    assert!(error.to_string().contains("can not be sterilised"));
    let solid = told(&block, |_, _| 1.0);
    assert!(
        slice_told(
            &block,
            &solid,
            &printer(),
            &implantable,
            &bare(),
            &mut |_| {}
        )
        .is_ok()
    );
    let faces = Told {
        faces: Some(vec![Face::Rim; 11]),
        density: None,
    };
    assert!(matches!(
        refused(&faces),
        ToldError::Faces {
            told: 11,
            triangles: 12
        }
    ));
}

#[test]
fn a_pose_is_chosen_by_the_faces_that_are_told() {
    let cap = shapes::cap::<Lps>(40.0);
    let stood = |face: Option<Face>| {
        let told = Told {
            faces: face.map(|face| vec![face; cap.triangles.len()]),
            density: None,
        };
        let settings = Settings::default();
        let result = slice_told(&cap, &told, &printer(), &material(), &settings, &mut |_| {});
        let plan = result.unwrap().plan;
        plan.findings
            .iter()
            .find(|f| f.name == "pose")
            .unwrap()
            .text
            .clone()
    };
    // What hangs over is the face that it was called, in the chosen pose and in those that lost.
    let inner = stood(Some(Face::Inner));
    assert_eq!(
        inner.matches("0 of the outer face, 0 of the rim").count(),
        3
    );
    let outer = stood(Some(Face::Outer));
    assert_eq!(
        outer.matches("supported: 0 mm² of the inner face").count(),
        3
    );
    assert_ne!(inner, stood(None));
}

/// Draws layers to look at: `cargo test --lib lattice::pictures -- --ignored`, then `target/slicer/field-*.png`.
#[test]
#[ignore = "draws pictures for people"]
fn pictures_of_fields() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/slicer");
    std::fs::create_dir_all(&folder).unwrap();
    let block = shapes::cuboid::<Lps>([48.0, 24.0, 8.0]);
    for (name, density) in [("constant", constant as Density), ("ramp", ramp)] {
        let result = made(&block, &told(&block, density));
        let part = &result.plan.parts[0];
        let (low, high) = (part.low_mm, part.high_mm);
        for (index, layer) in raster::layers(&result.gcode)
            .iter()
            .enumerate()
            .skip(12)
            .take(12)
            .step_by(3)
        {
            let path = folder.join(format!("field-{name}-{index:03}.png"));
            let (low, high) = ([low[0] - 1.0, low[1] - 1.0], [high[0] + 1.0, high[1] + 1.0]);
            raster::picture(layer, low, high, 16.0, &path);
        }
    }
}

/// The benchmark's cap: `cargo test --lib figures_of_fields -- --ignored --nocapture`.
#[test]
#[ignore = "figures for people"]
fn figures_of_fields() {
    for (name, mesh) in [("lying", shapes::cap(100.0)), ("edge", on_edge(100.0))] {
        let none = Told::default();
        let cases = [
            ("solid", none),
            ("0.3", told(&mesh, constant)),
            ("ramp", told(&mesh, ramp)),
        ];
        for (kind, told) in cases {
            let begun = std::time::Instant::now();
            let plan = made(&mesh, &told).plan;
            println!(
                "{name}, {kind}: {:.2} s to slice, {} lines, {}, {:.2} of the mesh, asked {:.2}",
                begun.elapsed().as_secs_f64(),
                plan.lines,
                duration::for_viewers(plan.time_s),
                plan.part_mm3 / mesh.volume_mm3(),
                plan.density.map_or(1.0, |d| d.asked_mm3 / d.solid_mm3)
            );
        }
    }
}

#[test]
fn a_cell_is_as_the_page_says() {
    let cell = Cell::new(0.4, 0.2);
    assert!((cell.period_mm - 4.37).abs() < 0.005, "{cell:?}");
    assert!((cell.wall_mm(0.5) - 0.707).abs() < 0.001);
    // Coarser for less, and not finer than for 0.4.
    assert!((Cell::new(0.4, 0.1).period_mm / cell.period_mm - 2.0).abs() < 1e-9);
    assert_eq!(Cell::new(0.4, 0.9), Cell::new(0.4, 0.4));
    assert_eq!(Cell::printed(0.5), 0.5);
    assert_eq!(Cell::printed(0.98), 1.0);
}
