//! Which way a skull faces, by its form: real skulls, cut CTs and phantoms under every wrong order of axes, and right
//! ones with holes, cropped and nodded. A turned affine turns a skull exactly, without a new grid.
//!
//! `CALVARIA_FACING=all` takes ten skulls; else three of them stand for all.

use crate::room;
use calvaria::head::{Atlas, FACING, Facing};
use calvaria::intake::{self, Limits, nifti};
use calvaria::phantom::{self, Defect, Recipe};
use calvaria::skull;
use calvaria::space::{Lps, Map};
use calvaria::volume::{Hu, Volume, crop};
use std::io::Read as _;
use std::path::{Path, PathBuf};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

fn atlas() -> Atlas {
    Atlas::from_bytes(&std::fs::read(models().join(FACING)).unwrap()).unwrap()
}

fn shared() -> PathBuf {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    std::env::var_os("CALVARIA_SHARED").map_or(beside, PathBuf::from)
}

/// The 46 orders of axes that are neither right nor a mere mirror image of left and right.
fn wrong_orders() -> Vec<Map<Lps, Lps>> {
    let mut all = Vec::new();
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        for signs in 0..8u32 {
            if order == [0, 1, 2] && signs < 2 {
                continue;
            }
            let mut rows = [[0.0; 4]; 3];
            for a in 0..3 {
                rows[a][order[a]] = if signs >> a & 1 == 1 { -1.0 } else { 1.0 };
            }
            all.push(Map::new(rows));
        }
    }
    assert_eq!(all.len(), 46);
    all
}

fn nod(degrees: f64) -> Map<Lps, Lps> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    Map::new([
        [1.0, 0.0, 0.0, 0.0],
        [0.0, cos, -sin, 0.0],
        [0.0, sin, cos, 0.0],
    ])
}

/// The same voxels where `by` takes them.
fn turned<T: Copy>(volume: &Volume<T>, by: &Map<Lps, Lps>) -> Volume<T> {
    let to_lps = volume.to_lps().then(by);
    Volume::new(volume.shape(), volume.data().to_vec(), to_lps).unwrap()
}

/// Without that share of the skull's height, at its lower or its upper end, by the axis that is nearest to up.
fn cropped(skull: &Volume<bool>, share: f64, lower: bool) -> Volume<bool> {
    let up = [0, 1, 2].map(|a| skull.to_lps().column(a).unit().unwrap().0[2]);
    let axis = (0..3)
        .max_by(|&a, &b| up[a].abs().total_cmp(&up[b].abs()))
        .unwrap();
    let bone = crop::bounds(skull).unwrap()[axis].clone();
    let cut = (bone.len() as f64 * share) as usize;
    let mut keep = skull.shape().map(|n| 0..n);
    keep[axis] = if (up[axis] > 0.0) == lower {
        bone.start + cut..skull.shape()[axis]
    } else {
        0..bone.end - cut
    };
    crop::crop(skull, &keep)
}

/// A skull of the shared data, `None` where there is none.
fn val(case: &str) -> Option<Volume<bool>> {
    let path = shared().join(format!("data/skullfix/val/{case}_defective.nii.gz"));
    let there = path.exists();
    there.then(|| nifti::read_mask(&path, &Limits::default()).unwrap())
}

fn bone_of(ct: &Volume<Hu>) -> Volume<bool> {
    skull::bone(ct, Hu(150)).unwrap().mask
}

fn cut_ct(name: &str) -> Option<Volume<bool>> {
    let path = shared().join("data").join(name).join("dicom");
    let there = path.exists();
    there.then(|| bone_of(&intake::read(&path, &Limits::default()).unwrap().ct))
}

fn phantom(seed: u64, defect: Defect) -> Volume<bool> {
    let heads = phantom::Atlas::read(&models()).unwrap();
    let recipe = Recipe {
        seed,
        defect,
        chord_mm: None,
    };
    bone_of(&phantom::head(&recipe, &heads).unwrap().ct)
}

/// What came of views of skulls that lie otherwise or as their file says.
#[derive(Debug, Default)]
struct Count {
    all: usize,
    as_said: usize,
    otherwise: usize,
    unclear: usize,
}

impl Count {
    fn add(&mut self, what: &str, facing: Facing) {
        self.all += 1;
        match facing {
            Facing::AsSaid => self.as_said += 1,
            Facing::Otherwise(_) => self.otherwise += 1,
            Facing::Unclear => self.unclear += 1,
        }
        println!("{what}: {facing:?}");
    }
}

/// Wrong orders: at least 95 % refused. Right ones, as they are, nodded, cropped: none refused, at most 5 % not told.
#[test]
fn a_wrong_order_of_axes_is_told_from_the_skulls_form() {
    let all = std::env::var("CALVARIA_FACING").is_ok_and(|what| what == "all");
    let atlas = atlas();
    let some: Vec<(&str, Option<Volume<bool>>)> = if all {
        vec![
            ("030", val("030")),
            ("039", val("039")),
            ("043", val("043")),
            ("063", val("063")),
            ("071", val("071")),
            ("088", val("088")),
            ("patient", cut_ct("ct_defect_patient")),
            ("hollow", cut_ct("ct_defect_phantom")),
            ("phantom 3", Some(phantom(3, Defect::Ftp))),
            ("phantom 8", Some(phantom(8, Defect::Bifrontal))),
        ]
    } else {
        vec![
            ("030", val("030")),
            ("hollow", cut_ct("ct_defect_phantom")),
            ("phantom 3", Some(phantom(3, Defect::Ftp))),
        ]
    };
    let (mut wrong, mut right) = (Count::default(), Count::default());
    for (name, skull) in some {
        let Some(skull) = skull else {
            println!("skipped {name}: no shared data at $CALVARIA_SHARED or ../shared");
            continue;
        };
        for by in &wrong_orders() {
            let said = format!("{name} {:?}", by.0.map(|row| [row[0], row[1], row[2]]));
            wrong.add(&said, atlas.facing(&turned(&skull, by)));
        }
        right.add(name, atlas.facing(&skull));
        for degrees in [25.0, -25.0] {
            let nodded = turned(&skull, &nod(degrees));
            right.add(&format!("{name} nod {degrees}"), atlas.facing(&nodded));
        }
        for (share, lower) in [(0.3, true), (0.15, false)] {
            let part = cropped(&skull, share, lower);
            right.add(&format!("{name} without {share}"), atlas.facing(&part));
        }
    }
    println!("wrong {wrong:?}\nright {right:?}");
    assert!(
        wrong.all > 0 && wrong.otherwise * 100 >= wrong.all * 95,
        "{wrong:?}"
    );
    assert_eq!(right.otherwise, 0, "{right:?}");
    assert!(right.unclear * 100 <= right.all * 5, "{right:?}");
}

/// No real scan that is here is taken for one with wrong axes, couch, tilt and coarse pixels or not.
#[test]
fn no_real_scan_is_told_to_lie_otherwise() {
    let atlas = atlas();
    let scans = [
        "ct_defect_patient/dicom",
        "ct_defect_phantom/dicom",
        "ct_intact/patient_head.nii.gz",
        "dicom_base",
        "dicom_prone",
        "dicom_sagittal",
        "dicom_oblique",
        "dicom_enhanced",
        "dicom_tilt",
    ];
    for scan in scans {
        let path = shared().join("data").join(scan);
        if !path.exists() {
            println!("skipped {scan}: no shared data at $CALVARIA_SHARED or ../shared");
            continue;
        }
        let study = intake::read(&path, &Limits::default()).unwrap();
        let facing = atlas.facing(&bone_of(&study.ct));
        assert_eq!(facing, Facing::AsSaid, "{scan}");
    }
}

/// What the commands say of a scan whose affine is wrong: what the file says, what the form says, what to do.
#[test]
fn a_turned_scan_is_refused_in_these_words() {
    let dir = tempfile::tempdir().unwrap();
    let heads = phantom::Atlas::read(&models()).unwrap();
    let recipe = Recipe {
        seed: 4,
        defect: Defect::Vertex,
        chord_mm: None,
    };
    let ct = phantom::head(&recipe, &heads).unwrap().ct;
    let skull = bone_of(&ct);
    // It faces the back, lies on its head, and is turned by a quarter.
    let half_yaw = Map::new([
        [-1.0, 0.0, 0.0, 0.0],
        [0.0, -1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0],
    ]);
    let on_its_head = Map::new([
        [1.0, 0.0, 0.0, 0.0],
        [0.0, -1.0, 0.0, 0.0],
        [0.0, 0.0, -1.0, 0.0],
    ]);
    let quarter = Map::new([
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0],
        [0.0, -1.0, 0.0, 0.0],
    ]);
    for (by, front, top) in [
        (half_yaw, "back", "top"),
        (on_its_head, "back", "feet"),
        (quarter, "top", "back"),
    ] {
        let (mask, scan) = (dir.path().join("mask.nii.gz"), dir.path().join("ct.nii.gz"));
        nifti::write_mask(&mask, &turned(&skull, &by)).unwrap();
        nifti::write_hu(&scan, &turned(&ct, &by)).unwrap();
        let out = dir.path().join("missing.nii.gz");
        for input in [
            &["--mask", mask.to_str().unwrap()][..],
            &[scan.to_str().unwrap()],
        ] {
            let mut arguments = vec!["predict", "--out", out.to_str().unwrap()];
            arguments.extend(input);
            let output = room::run(&arguments);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(3), "{arguments:?}: {said}");
            let words = format!("face looks to the {front} and its top lies at the {top}");
            assert!(said.contains(&words), "{input:?}: {said}");
            assert!(!out.exists());
        }
    }
}

/// A file that does not say where left is: refused, until a person says it; then scored like one that says it. What a
/// person says is held against the skull's form too.
#[test]
fn an_orientation_given_by_hand_goes_from_prediction_to_score() {
    let dir = tempfile::tempdir().unwrap();
    let heads = phantom::Atlas::read(&models()).unwrap();
    let recipe = Recipe {
        seed: 6,
        defect: Defect::Ftp,
        chord_mm: Some(80.0),
    };
    let made = phantom::head(&recipe, &heads).unwrap();
    let skull = bone_of(&made.ct);
    let axes = skull.to_lps();
    assert!(
        (0..3).all(|a| axes.column(a).0[a] > 0.0),
        "the phantom's axes are LPS"
    );
    let silent = |name: &str, mask: &Volume<bool>| {
        let path = dir.path().join(name);
        nifti::write_mask(&path, mask).unwrap();
        let mut raw = Vec::new();
        let file = std::fs::File::open(&path).unwrap();
        flate2::read::MultiGzDecoder::new(file)
            .read_to_end(&mut raw)
            .unwrap();
        // qform_code and sform_code.
        raw[252..256].fill(0);
        std::fs::write(&path, raw).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let defective = silent("k_defective.nii", &skull);
    let truth = silent("k_implant.nii", &made.removed);
    let answer = dir.path().join("k_answer.nii.gz");
    let answer = answer.to_str().unwrap();
    let predict = |more: &[&str]| {
        let mut arguments = vec!["predict", "--mask", &defective, "--out", answer];
        arguments.extend(more);
        let output = room::run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), said)
    };
    let (code, said) = predict(&[]);
    assert!(code == 3 && said.contains("without orientation"), "{said}");
    let (code, said) = predict(&["--orientation", "LPX"]);
    assert!(code == 2 && said.contains("no orientation"), "{said}");
    let (code, said) = predict(&["--orientation", "LAI"]);
    assert!(code == 3 && said.contains("contradicts the file"), "{said}");
    let (code, said) = predict(&["--orientation", "LPS"]);
    assert_eq!(code, 0, "{said}");
    let evaluate = |more: &[&str]| {
        let mut arguments = vec!["evaluate", "--json", "--truth", &truth];
        arguments.extend(["--prediction", answer, "--defective", &defective]);
        arguments.extend(more);
        room::run(&arguments)
    };
    let refused = evaluate(&[]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let scored = evaluate(&["--orientation", "LPS"]);
    assert!(scored.status.success(), "{scored:?}");
    let report: serde_json::Value = serde_json::from_slice(&scored.stdout).unwrap();
    let dsc = report["rows"][0]["dsc"].as_f64().unwrap();
    assert!(dsc > 0.6, "{dsc}");
}
