//! The plane of symmetry of real skulls with holes, held against that of the whole skulls by a brute-force registration
//! that shares no code (`benches/symmetry.py`; its table lies beside it).
//!
//! Without the shared data it is skipped. `CALVARIA_PLANES=FOLDER` takes the masks `SKULL-*_defective.nii.gz` of a folder
//! instead of two given holes of `val`, and prints a row for each: degrees, mm, and the doubt that was stated.

use calvaria::head;
use calvaria::intake::{self, Limits};
use calvaria::space::{Lps, Point, Vector};
use std::collections::HashMap;
use std::path::PathBuf;

/// A whole skull's plane: normal, offset, and the place where offsets are compared.
struct Reference {
    normal: Vector<Lps>,
    offset_mm: f64,
    middle: Point<Lps>,
}

fn references() -> HashMap<String, Reference> {
    let table = include_str!("../../benches/symmetry.tsv");
    let rows = table.lines().filter(|l| !l.starts_with('#')).skip(1);
    rows.map(|row| {
        let fields: Vec<&str> = row.split('\t').collect();
        let number = |n: usize| fields[n].parse::<f64>().unwrap();
        let reference = Reference {
            normal: Vector::new([2, 3, 4].map(number)),
            offset_mm: number(5),
            middle: Point::new([6, 7, 8].map(number)),
        };
        (fields[1].to_owned(), reference)
    })
    .collect()
}

#[test]
fn the_plane_of_a_skull_with_a_hole_is_that_of_the_whole_skull() {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("CALVARIA_SHARED").map_or(beside, PathBuf::from);
    let asked = std::env::var_os("CALVARIA_PLANES").map(PathBuf::from);
    let folder = asked.clone().unwrap_or(shared.join("data/skullfix/val"));
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("skipped: no shared data at $CALVARIA_SHARED or ../shared");
        return;
    };
    let mut files: Vec<PathBuf> = files.map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.to_string_lossy().ends_with("_defective.nii.gz"));
    files.sort();
    files.truncate(if asked.is_some() { files.len() } else { 2 });
    assert!(!files.is_empty(), "no masks in {}", folder.display());
    let (references, mut within, mut rows) = (references(), 0usize, 0usize);
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let skull = name.split(['-', '_']).next().unwrap();
        let Some(whole) = references.get(skull) else {
            continue;
        };
        let mask = intake::read_mask(file, &Limits::default()).unwrap();
        let look = head::look(&mask).unwrap();
        let degrees = look
            .plane
            .normal
            .dot(whole.normal)
            .min(1.0)
            .acos()
            .to_degrees();
        let middle = whole.middle.minus(Point::new([0.0; 3]));
        let beyond = |normal: Vector<Lps>, offset_mm: f64| normal.dot(middle) - offset_mm;
        let mm =
            beyond(look.plane.normal, look.plane.offset_mm) - beyond(whole.normal, whole.offset_mm);
        let good = degrees <= 2.0 && mm.abs() <= 1.5;
        println!(
            "{name}\t{degrees:.2}\t{mm:.2}\t{:.2}\t{:.2}\t{}",
            look.doubt.sd_deg,
            look.doubt.sd_mm,
            if good { "" } else { "off" }
        );
        within += usize::from(good);
        rows += 1;
    }
    println!("within 2 degrees and 1.5 mm: {within} of {rows}");
    assert!(within * 100 >= rows * 95, "{within} of {rows}");
}
