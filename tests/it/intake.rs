//! The intake against the shared oddities: every row of `expected.tsv` and `expected_files.tsv` of the data folder
//! (`$CALVARIA_SHARED`, else `../shared`). Without the folder the tests say so and pass.

use calvaria::intake::{self, Limits, Study, dicom};
use calvaria::volume::{Hu, Volume};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn data() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("CALVARIA_SHARED").map_or(beside, PathBuf::from);
    let data = shared.join("data");
    if !data.join("expected.tsv").exists() {
        println!("skipped: no shared data at $CALVARIA_SHARED or ../shared");
        return None;
    }
    Some(data)
}

/// Rows of a table as maps from column to cell.
fn table(path: &std::path::Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split('\t').collect();
    lines
        .map(|line| {
            let cells = line.split('\t').map(str::to_owned);
            names.iter().map(|n| n.to_string()).zip(cells).collect()
        })
        .collect()
}

fn sha(values: impl Iterator<Item = i16>) -> String {
    let bytes: Vec<u8> = values.flat_map(i16::to_le_bytes).collect();
    let digest = Sha256::digest(&bytes);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// As section 7 of the data's README: slices ascending along the normal, rows, columns.
fn volume_sha(ct: &Volume<Hu>) -> String {
    sha(ct.data().iter().map(|hu| hu.0))
}

#[test]
fn probe() {
    let Some(data) = data() else { return };
    for row in table(&data.join("expected.tsv")) {
        let path = data.join(&row["folder"]);
        let start = std::time::Instant::now();
        let read = intake::read(&path, &Limits::default());
        let ms = start.elapsed().as_millis();
        match read {
            Ok(study) => {
                let same = volume_sha(&study.ct) == row["sha"];
                println!(
                    "{}: loads, sha {same}, {:?}, {ms} ms",
                    row["folder"], study.facts
                );
                for f in &study.findings {
                    println!("     {:?} {}: {}", f.severity, f.name, f.text);
                }
            }
            Err(e) => println!("{}: {} [{}], {ms} ms", row["folder"], e, e.code()),
        }
        println!("     WANTED {}", row["expected"]);
    }
    for row in table(&data.join("expected_files.tsv")) {
        let bytes = std::fs::read(data.join(&row["file"])).unwrap();
        let column = row.keys().find(|k| k.starts_with("sha256")).unwrap();
        match dicom::door(&bytes, &Limits::default()) {
            Ok(slice) => println!(
                "{}: decodes {}",
                row["file"],
                sha(slice.hu.iter().copied()) == row[column]
            ),
            Err(e) => println!("{}: {e}", row["file"]),
        }
        println!("     WANTED {}", row["expected"]);
    }
    let _: Option<Study> = None;
}
