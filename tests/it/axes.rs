//! The skull's own axes on heads of the atlas and on real skulls, turned by known angles: a turned affine turns a
//! skull exactly, without a new grid.

use calvaria::head::{self, Axes, Region};
use calvaria::intake::{self, Limits};
use calvaria::phantom::{self, Atlas, Defect, Recipe};
use calvaria::space::{Lps, Map, Point, Vector};
use calvaria::status::Side;
use calvaria::volume::{Hu, Volume, components};
use std::path::{Path, PathBuf};

/// A rotation of the patient about its left (chin up), back and head axes, degrees.
fn rotation([raised, lean, look]: [f64; 3]) -> Map<Lps, Lps> {
    let about = |axis: usize, degrees: f64| -> Map<Lps, Lps> {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
        let mut m = [[0.0; 4]; 3];
        m[axis][axis] = 1.0;
        (m[a][a], m[a][b], m[b][a], m[b][b]) = (cos, -sin, sin, cos);
        Map::new(m)
    };
    about(0, raised).then(&about(1, lean)).then(&about(2, look))
}

/// The skull in a turned patient. `keep_mm`: what lies farther under its highest voxel is beyond the field of view.
fn turned(skull: &Volume<bool>, by: &Map<Lps, Lps>, keep_mm: f64) -> Volume<bool> {
    let to_lps = skull.to_lps().then(by);
    let height = to_lps.0[2];
    let at = |offset: usize| {
        let index = skull.index(offset).map(|i| i as f64);
        (0..3).map(|a| height[a] * index[a]).sum::<f64>() + height[3]
    };
    let set = |offset: &usize| skull.data()[*offset];
    let top = (0..skull.data().len()).filter(set).map(at);
    let floor = top.fold(f64::NEG_INFINITY, f64::max) - keep_mm;
    let data = (0..skull.data().len()).map(|offset| set(&offset) && at(offset) >= floor);
    Volume::new(skull.shape(), data.collect(), to_lps).unwrap()
}

/// How far axes lie from others that were turned along: degrees of nod, lean and look, mm of the middle.
fn off(now: &Axes, then: &Axes, by: &Map<Lps, Lps>) -> [f64; 4] {
    let [left, back, up] = [then.left(), then.back(), then.up()].map(|v| by.turn(v));
    let angle =
        |v: Vector<Lps>, a: Vector<Lps>, b: Vector<Lps>| v.dot(b).atan2(v.dot(a)).to_degrees();
    [
        angle(now.back(), back, up),
        angle(now.left(), left, up),
        angle(now.left(), left, back),
        now.middle().minus(by.apply(then.middle())).length(),
    ]
}

fn atlas() -> Atlas {
    Atlas::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models")).unwrap()
}

#[test]
fn a_hole_of_a_turned_phantom_keeps_region_and_side() {
    let atlas = atlas();
    let kinds = [
        (Defect::Ftp, None, None),
        (Defect::Bifrontal, Some(Region::Frontal), Some(Side::Both)),
        (Defect::Occipital, None, None),
    ];
    for (seed, (defect, region, side)) in (11..).zip(kinds) {
        let recipe = Recipe {
            seed,
            defect,
            chord_mm: Some(80.0),
        };
        let made = phantom::head(&recipe, &atlas).unwrap();
        let skull = components::largest(&made.ct.map(|&hu| hu >= Hu(150)));
        let centroid = made.removed.centroid().unwrap();
        let straight = head::axes(&skull).unwrap();
        let own = straight.locate(centroid);
        let named = (Region::of(own), straight.side(&made.removed));
        assert!(
            region.is_none_or(|r| r == named.0),
            "{defect}: {named:?} at {own:?}"
        );
        assert!(
            side.is_none_or(|s| s == named.1),
            "{defect}: {named:?} at {own:?}"
        );
        for turn in [[18.0, 8.0, -10.0], [-20.0, -4.0, 8.0]] {
            let by = rotation(turn);
            let axes = head::axes(&turned(&skull, &by, 1e3)).unwrap();
            let errors = off(&axes, &straight, &by);
            println!("{defect} {turn:?}: {errors:.2?}, {named:?}");
            // Without a forehead little holds the nod of a raised head, and a phantom's vault is rounder than a real
            // one: little holds its lean.
            assert!(
                errors[0].abs() < 9.0
                    && errors[1].abs() < 8.0
                    && errors[2].abs() < 3.0
                    && errors[3] < 5.0,
                "{errors:?}"
            );
            let there = axes.locate(by.apply(centroid));
            let moved = there.minus(own).length();
            assert!(moved < 15.0, "{defect} {turn:?}: {moved} mm");
            let body = Volume::new(
                made.removed.shape(),
                made.removed.data().to_vec(),
                made.removed.to_lps().then(&by),
            );
            assert_eq!(axes.side(&body.unwrap()), named.1, "{defect} {turn:?}");
            // Where it is no matter of a few mm, the name stays.
            let clear = |p: Point<_>| {
                let near = [[15.0, 0.0, 0.0], [0.0, 15.0, 0.0], [0.0, 0.0, 15.0]];
                let all = near.iter().flat_map(|&v| [v, v.map(|x: f64| -x)]);
                all.map(Vector::new)
                    .all(|v| Region::of(p.plus(v)) == named.0)
            };
            if clear(own) {
                assert_eq!(Region::of(there), named.0, "{defect} {turn:?}");
            }
        }
    }
}

/// Real skulls of `val`: what turning, a hole and a high end of the scan do to the axes. Prints the figures.
#[test]
fn real_skulls_keep_their_axes() {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("CALVARIA_SHARED").map_or(beside, PathBuf::from);
    let data = shared.join("data/skullfix/val");
    let Ok(files) = std::fs::read_dir(&data) else {
        println!("skipped: no shared data at $CALVARIA_SHARED or ../shared");
        return;
    };
    let mut files: Vec<PathBuf> = files.map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.to_string_lossy().ends_with("_defective.nii.gz"));
    files.sort();
    // All of them take a minute: `CALVARIA_AXES=all`.
    let all = std::env::var_os("CALVARIA_AXES").is_some();
    files.truncate(if all { files.len() } else { 2 });
    assert!(!files.is_empty());
    let mut table: Vec<(&str, [f64; 4])> = Vec::new();
    for file in &files {
        let name = file.to_string_lossy().into_owned();
        let read = |path: &str| intake::read_mask(path.as_ref(), &Limits::default()).unwrap();
        let (skull, implant) = (read(&name), read(&name.replace("defective", "implant")));
        let whole = skull
            .data()
            .iter()
            .zip(implant.data())
            .map(|(&a, &b)| a || b);
        let whole = skull.with(whole.collect());
        let began = std::time::Instant::now();
        let straight = head::axes(&whole).unwrap();
        let cost = began.elapsed();
        println!(
            "{}: nod {:.1}, {:.2} s",
            file.file_name().unwrap().to_string_lossy(),
            straight.nod_deg(),
            cost.as_secs_f64()
        );
        let none = rotation([0.0; 3]);
        let mut row = |what, mask: &Volume<bool>, by: &Map<Lps, Lps>, keep_mm: f64| {
            let axes = head::axes(&turned(mask, by, keep_mm)).unwrap();
            let errors = off(&axes, &straight, by);
            println!("  {what}: {errors:.2?}");
            table.push((what, errors));
        };
        row("hole", &skull, &none, 1e3);
        for turn in [[20.0, 10.0, -10.0], [-20.0, -10.0, 10.0]] {
            row("turned", &whole, &rotation(turn), 1e3);
            row(
                "turned, hole, cut at 110 mm",
                &skull,
                &rotation(turn),
                110.0,
            );
        }
        row("cut at 100 mm", &whole, &none, 100.0);
    }
    for what in [
        "hole",
        "turned",
        "turned, hole, cut at 110 mm",
        "cut at 100 mm",
    ] {
        let own: Vec<[f64; 4]> = (table.iter())
            .filter(|r| r.0 == what)
            .map(|r| r.1)
            .collect();
        let rms = [0, 1, 2, 3]
            .map(|n| (own.iter().map(|e| e[n] * e[n]).sum::<f64>() / own.len() as f64).sqrt());
        let most = [0, 1, 2, 3].map(|n| own.iter().map(|e| e[n].abs()).fold(0.0, f64::max));
        println!(
            "{what}, n {}: rms {rms:.2?}, most {most:.2?} (nod, lean, look deg; middle mm)",
            own.len()
        );
        assert!(
            rms[0] < 4.0 && rms[1] < 2.0 && rms[2] < 2.0 && rms[3] < 6.0,
            "{what}: {rms:?}"
        );
    }
}
