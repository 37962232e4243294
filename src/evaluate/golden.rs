//! The golden vectors: 14 cases from integer solids, every measure to 1e-6. They were checked against the
//! organisers' script, brute force, MONAI and SimpleITK where those apply.

use super::*;
use crate::space::Map;
use serde_json::Value;

fn volume(case: &Value, name: &str, to_lps: Map<crate::space::Ijk, Lps>) -> Volume<bool> {
    let numbers = |v: &Value| -> Vec<i64> {
        (v.as_array().unwrap().iter())
            .map(|n| n.as_i64().unwrap())
            .collect()
    };
    let shape: Vec<usize> = numbers(&case["shape"])
        .iter()
        .map(|&n| n as usize)
        .collect();
    let shape = [shape[0], shape[1], shape[2]];
    let size = shape.iter().product();
    let mut mask = Volume::new(shape, vec![false; size], to_lps).unwrap();
    for step in case[name].as_array().unwrap() {
        let (how, kind) = (step[0].as_str().unwrap(), step[1].as_str().unwrap());
        let (a, b) = (numbers(&step[2][0]), numbers(&step[2][1]));
        for offset in 0..size {
            let index = mask.index(offset).map(|v| v as i64);
            let inside = match kind {
                "quad" => {
                    let sum: i64 = (0..3).map(|n| b[n] * (2 * index[n] - a[n]).pow(2)).sum();
                    sum <= step[2][2].as_i64().unwrap()
                }
                "box" => (0..3).all(|n| (a[n]..b[n]).contains(&index[n])),
                other => panic!("unknown solid {other}"),
            };
            let value = &mut mask.data_mut()[offset];
            *value = match how {
                "add" => *value || inside,
                "cut" => *value && !inside,
                "keep" => *value && inside,
                other => panic!("unknown operation {other}"),
            };
        }
    }
    let want = case["voxels"][name].as_u64().unwrap() as usize;
    assert_eq!(mask.count(), want, "{name} of {}", case["name"]);
    mask
}

fn upright(case: &Value) -> Map<crate::space::Ijk, Lps> {
    let s = [0, 1, 2].map(|a| case["spacing_mm"][a].as_f64().unwrap());
    Map::new([
        [s[0], 0.0, 0.0, 7.0],
        [0.0, s[1], 0.0, -90.0],
        [0.0, 0.0, s[2], 500.0],
    ])
}

fn cases() -> Vec<Value> {
    let text = include_str!("../../tests/fixtures/metrics_golden.json");
    let all: Value = serde_json::from_str(text).unwrap();
    all["cases"].as_array().unwrap().clone()
}

fn close(case: &Value, name: &str, got: Option<f64>) {
    let want = case["metrics"].get(name).and_then(Value::as_f64);
    let fine = match (got, want) {
        (Some(got), Some(want)) => (got - want).abs() < 1e-6,
        (None, None) => true,
        _ => false,
    };
    assert!(
        fine,
        "{name} of {}: {got:?} instead of {want:?}",
        case["name"]
    );
}

#[test]
fn every_measure_of_every_case() {
    let all = cases();
    assert_eq!(all.len(), 14);
    for case in &all {
        let [truth, prediction, skull] =
            ["truth", "prediction", "skull"].map(|name| volume(case, name, upright(case)));
        let scores = score(&truth, &prediction, &skull).unwrap();
        let want_in_skull = case["voxels"]["prediction_in_skull"].as_u64().unwrap();
        assert_eq!(scores.prediction_in_skull as u64, want_in_skull);
        for (name, got) in [
            ("truth_ml", Some(scores.truth_ml)),
            ("prediction_ml", Some(scores.prediction_ml)),
            ("dsc", Some(scores.dsc)),
            ("bdsc", Some(scores.bdsc)),
            ("hd", scores.hd),
            ("hd95", scores.hd95),
            ("asd_prediction_to_truth", scores.asd_prediction_to_truth),
            ("asd_truth_to_prediction", scores.asd_truth_to_prediction),
            ("assd", scores.assd),
            ("sdh", scores.sdh),
            ("ver_percent", scores.ver_percent),
            ("fpr", scores.fpr),
            ("fnr", scores.fnr),
        ] {
            close(case, name, got);
        }
        if let (Some(t), Some(p)) = (crop::bounds(&truth), crop::bounds(&prediction)) {
            let boxed = crop::hull(&t, &p);
            let seen = visible::compare(&truth, &prediction, &skull, &boxed);
            close(case, "sdh_truth_voxels", Some(seen.voxels[0] as f64));
            close(case, "sdh_prediction_voxels", Some(seen.voxels[1] as f64));
            let count = |mask| Some(surface::surface(&crop::crop(mask, &boxed)).count() as f64);
            close(case, "surface_truth", count(&truth));
            close(case, "surface_prediction", count(&prediction));
        }
    }
}

/// The same head stored with other axes first, and mirrored, has the same scores: directions come from the
/// affine.
#[test]
fn the_order_of_the_axes_does_not_matter() {
    for case in cases().iter().filter(|c| {
        [
            "too-thick-and-into-bone",
            "touches-the-grid-edge",
            "shift-one-voxel-anisotropic",
        ]
        .contains(&c["name"].as_str().unwrap())
    }) {
        let masks = ["truth", "prediction", "skull"].map(|name| volume(case, name, upright(case)));
        let want = score(&masks[0], &masks[1], &masks[2]).unwrap();
        let turned = masks.map(|mask| {
            use crate::volume::axes::{Canonical, LEFT, POSTERIOR, SUPERIOR};
            let order =
                Canonical::closest(&mask, [SUPERIOR.times(-1.0), LEFT.times(-1.0), POSTERIOR]);
            order.apply(&mask)
        });
        let got = score(&turned[0], &turned[1], &turned[2]).unwrap();
        for (a, b) in [
            (got.hd95, want.hd95),
            (got.sdh, want.sdh),
            (Some(got.bdsc), Some(want.bdsc)),
            (got.centroid_mm, want.centroid_mm),
        ] {
            assert!(
                (a.unwrap() - b.unwrap()).abs() < 1e-9,
                "{}: {a:?} {b:?}",
                case["name"]
            );
        }
    }
}

#[test]
fn outcomes_are_named() {
    let outcome = |name: &str| {
        let case = cases().into_iter().find(|c| c["name"] == name).unwrap();
        let [t, p, s] =
            ["truth", "prediction", "skull"].map(|which| volume(&case, which, upright(&case)));
        score(&t, &p, &s).unwrap().outcome
    };
    assert_eq!(outcome("identical"), Outcome::Scored);
    assert_eq!(outcome("empty-prediction"), Outcome::Miss);
    assert_eq!(outcome("both-empty"), Outcome::NoDefect);
    assert_eq!(outcome("false-alarm"), Outcome::FalseAlarm);
    assert_eq!(outcome("disjoint"), Outcome::Misplaced);
}

#[test]
fn another_grid_is_refused() {
    let case = &cases()[0];
    let truth = volume(case, "truth", upright(case));
    let mut moved = upright(case);
    moved.0[1][3] += 0.2;
    let other = volume(case, "truth", moved);
    let error = score(&truth, &other, &truth).unwrap_err();
    assert!(matches!(
        error,
        EvaluateError::Grid {
            what: "prediction",
            ..
        }
    ));
}
