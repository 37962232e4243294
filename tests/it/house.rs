//! The house keeps its floors: a room names rooms below it, never one above or beside it.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by floor, from the ground up. A room may name rooms of lower floors, and those listed beside it.
const FLOORS: &[&[&str]] = &[
    &["space", "status"],
    &["volume", "gcode"],
    &["mesh", "head"],
    &[
        "phantom", "intake", "skull", "network", "implant", "slicer", "printer", "evaluate",
    ],
    &["design"],
    &["station", "web", "display", "update", "node"],
    &["cli"],
];

/// What people see draws from `status` alone.
const ONLY_STATUS: &[&str] = &["web", "display"];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// Names of rooms that follow `crate::` in `text`, comments left out; a group may run over several lines.
fn named(text: &str) -> Vec<String> {
    let code: String = (text.lines())
        .filter(|l| !l.trim_start().starts_with("//"))
        .flat_map(|l| [l, "\n"])
        .collect();
    let mut rooms = Vec::new();
    for part in code.split("crate::").skip(1) {
        match part.strip_prefix('{') {
            Some(group) => rooms.extend(heads(group)),
            None => rooms.push(word(part)),
        }
    }
    rooms.retain(|r| floor(r).is_some());
    rooms
}

/// First word of each item of a `use` group, from behind its brace to the brace that closes it.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut item) = (1, Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (c == ',' && depth == 1) {
            heads.push(word(item.trim()));
            item.clear();
            if depth == 0 {
                break;
            }
        } else {
            item.push(c);
        }
    }
    heads
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect()
}

#[test]
fn arrows_point_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 20, "only {} sources found", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let inside = file
            .strip_prefix(&src)
            .unwrap()
            .to_string_lossy()
            .replace('\\', "/");
        let room = word(&inside);
        let Some(own) = floor(&room) else { continue };
        for other in named(&fs::read_to_string(&file).unwrap()) {
            let below = floor(&other).is_some_and(|f| f < own);
            let allowed = !ONLY_STATUS.contains(&room.as_str()) || other == "status";
            if other != room && !(below && allowed) {
                wrong.push(format!("src/{inside} names {other}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "arrows that point up or sideways:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_arrow_test_sees_groups_and_paths() {
    let text = "use crate::{\n    mesh::{Mesh, check},\n    station,\n};\nlet x = crate::gcode::parse();\n// crate::web\n";
    assert_eq!(named(text), ["mesh", "station", "gcode"]);
    assert_eq!(
        named("use crate::{volume::Volume, space};"),
        ["volume", "space"]
    );
}
