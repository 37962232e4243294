//! The network at the borders of a machine: no memory, a device that is not there, a model folder that is no good. Each
//! is a sentence and an exit code, never an abort.

use crate::room::calvaria;
use calvaria::network::{Architecture, seeded};
use std::path::Path;
use std::process::{Command, Output};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Full size wants 440 MiB in one piece; the process may have 400 in all.
#[test]
fn memory_that_is_not_there_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let tensors = seeded::tensors(Architecture::V3).unwrap();
    seeded::write_folder(folder.path(), Architecture::V3, [240, 200, 240], &tensors).unwrap();
    let input = folder.path().join("x.f32");
    std::fs::write(&input, vec![0u8; 4 * 240 * 200 * 240]).unwrap();
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 400000 && exec \"$0\" forward \"$@\""])
        .arg(env!("CARGO_BIN_EXE_calvaria"))
        .args([&folder.path().join("v3.safetensors"), &input])
        // Threads and allocators reserve address space that they do not use; here it would count.
        .env("RAYON_NUM_THREADS", "1")
        .env("MALLOC_ARENA_MAX", "1")
        .output()
        .unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("MiB that are not there"), "{said}");
}

fn predict(model: &Path, extra: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    calvaria()
        .args(["predict", "absent.nii.gz", "--out"])
        .arg(folder.path().join("missing.nii.gz"))
        .arg("--model")
        .arg(model)
        .args(extra)
        .output()
        .unwrap()
}

/// The model is looked at before the scan, so none is needed here.
#[test]
fn a_model_that_is_no_good_is_named_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let tensors = seeded::tensors(Architecture::Wu).unwrap();
    let write = |card| seeded::write_folder(dir, card, [112, 112, 40], &tensors).unwrap();
    write(Architecture::Wu);
    let weights = dir.join("wu.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    let refused = |what: &str, word: &str| {
        let output = predict(dir, &[]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        assert!(said.contains(word), "{what}: {said}");
    };

    std::fs::write(&weights, &whole[..whole.len() - 100]).unwrap();
    refused("truncated", "not those of their card");
    let mut changed = whole.clone();
    changed[whole.len() - 3] ^= 0x40;
    std::fs::write(&weights, &changed).unwrap();
    refused("tampered", "not those of their card");
    std::fs::remove_file(&weights).unwrap();
    refused("missing", "are not beside their card");
    std::fs::write(&weights, &whole).unwrap();

    let card = std::fs::read_to_string(dir.join("wu.toml")).unwrap();
    for (what, from, to, word) in [
        (
            "another architecture",
            "\"wu\"",
            "\"cranext\"",
            "init_stage.0.weight",
        ),
        ("no such architecture", "\"wu\"", "\"wo\"", "wo"),
        (
            "a grid it can not halve",
            "80]\ngrid = [112, 112, 40]",
            "88]\ngrid = [112, 112, 44]",
            "`grid`",
        ),
        (
            "another size",
            "voxel_mm = 2.0",
            "voxel_mm = 1.0",
            "`frame`",
        ),
        ("not TOML", "architecture", "[architecture", "is wrong"),
    ] {
        let changed = card.replacen(from, to, 1);
        assert_ne!(card, changed, "{what}");
        std::fs::write(dir.join("wu.toml"), changed).unwrap();
        refused(what, word);
    }
    std::fs::remove_file(dir.join("wu.toml")).unwrap();
    refused("no card", "no model");
}
