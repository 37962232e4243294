//! `calvaria slice --tags FILE --density FILE` as a user types it: the files of `docs/lightening.md`.

use crate::room::run as calvaria;
use crate::slice::block_of;
use calvaria::design::sha256_file;
use calvaria::intake::nifti::write_f32;
use calvaria::mesh::tags::{Face, Tags};
use calvaria::space::Map;
use calvaria::volume::Volume;
use std::path::Path;

/// 0.3 in a block of 24 x 16 x 8 mm, one voxel a millimetre.
fn density(path: &Path, moved_mm: f64) {
    let to_lps = Map::new([
        [1.0, 0.0, 0.0, moved_mm],
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0],
    ]);
    let shape = [25, 17, 9];
    let volume = Volume::new(shape, vec![0.3_f32; shape.iter().product()], to_lps).unwrap();
    write_f32(path, &volume).unwrap();
}

fn tags(mesh: &Path, path: &Path) {
    let mut file = std::fs::File::create(path).unwrap();
    let tags = Tags {
        faces: vec![Face::Inner; 12],
    };
    let sha256 = sha256_file(mesh).unwrap();
    tags.write("implant.stl", &sha256, &mut file).unwrap();
}

#[test]
fn a_block_is_printed_as_its_files_tell() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (mesh, gcode) = (at("implant.stl"), at("implant.gcode"));
    block_of([24.0, 16.0, 8.0], &mesh);
    tags(&mesh, &at("implant.tags.json"));
    density(&at("implant.density.nii.gz"), 0.0);
    let text = |name: &str| at(name).to_str().unwrap().to_owned();
    let base = ["slice", &text("implant.stl"), "-o", &text("implant.gcode")].map(str::to_owned);
    let run = |more: &[&str]| {
        let all: Vec<&str> = base
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect();
        calvaria(&all)
    };
    let told = [
        "--tags",
        &text("implant.tags.json"),
        "--density",
        &text("implant.density.nii.gz"),
    ];
    let made = run(&told);
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "{said}");
    assert!(said.contains("The part is filled to"), "{said}");
    let gcode_text = std::fs::read_to_string(&gcode).unwrap();
    assert!(gcode_text.contains("solid=0"));
    assert!(
        calvaria(&["check", &text("implant.gcode")])
            .status
            .success()
    );
    let plan: serde_json::Value =
        serde_json::from_slice(&std::fs::read(at("implant.plan.json")).unwrap()).unwrap();
    let share =
        plan["density"]["mass_g"].as_f64().unwrap() / plan["density"]["solid_g"].as_f64().unwrap();
    assert!((0.4..0.75).contains(&share), "{share}");
    let percent = (1000.0 * share).round() / 10.0;
    assert!(gcode_text.contains(&format!("; fill_density = {percent}%")));

    // What belongs to another mesh or place.
    density(&at("moved.nii.gz"), 90.0);
    let refused = run(&["--density", &text("moved.nii.gz")]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("does not cover the part"));
    block_of([24.0, 16.0, 8.5], &mesh);
    let refused = run(&told[..2]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("belong to another mesh"));
    let both = run(&[
        "--infill",
        "30",
        "--density",
        &text("implant.density.nii.gz"),
    ]);
    assert_eq!(both.status.code(), Some(2));
}
