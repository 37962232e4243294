//! Networks that answer the complete skull: their frames, the subtraction, and the way into a case.

use calvaria::implant::{self, Rules};
use calvaria::intake::nifti;
use calvaria::network::{Architecture, seeded};
use calvaria::phantom::{self, Atlas, Defect, Recipe};
use calvaria::skull::{self, Axes, Fit, Frame, FrameSpec};
use calvaria::volume::{Hu, Volume};
use candle_core::Tensor;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

/// A skull with a hole, and what was cut out.
fn cut(defect: Defect) -> (Volume<bool>, Volume<bool>) {
    let recipe = |defect| Recipe {
        seed: 3,
        defect,
        chord_mm: None,
    };
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let whole = phantom::head(&recipe(Defect::None), &Atlas::read(&models).unwrap()).unwrap();
    let skull = skull::bone(&whole.ct, Hu(150)).unwrap().mask;
    let cut = phantom::cut_mask(&skull, &recipe(defect)).unwrap();
    (cut.changed, cut.removed)
}

fn dice(a: &Volume<bool>, b: &Volume<bool>) -> f64 {
    let both = (a.data().iter().zip(b.data())).filter(|&(&a, &b)| a && b);
    2.0 * both.count() as f64 / (a.count() + b.count()) as f64
}

/// A network that is right but noisy: it answers the complete skull half a cell too thick, in CraNeXt's frame (RAS,
/// stretched over the box) and in Wu's (hung from the vertex). Subtracted, the hole is left, and nothing else.
#[test]
fn a_complete_skull_answered_in_either_frame_becomes_the_missing_bone() {
    let cranext = FrameSpec {
        size_mm: [176.0, 224.0, 144.0],
        voxel_mm: 1.0,
        axes: Axes::Ras,
        fit: Fit::Box,
        ..FrameSpec::default()
    };
    let wu = FrameSpec {
        size_mm: [224.0, 224.0, 80.0],
        voxel_mm: 2.0,
        fit: Fit::Top,
        ..FrameSpec::default()
    };
    for (name, spec, defect) in [
        ("cranext", cranext, Defect::Ftp),
        ("wu", wu, Defect::Vertex),
    ] {
        let (defective, removed) = cut(defect);
        let both = (defective.data().iter().zip(removed.data())).map(|(&a, &b)| a || b);
        let complete = defective.with(both.collect());
        let frame = Frame::fit(&defective, &spec).unwrap();
        let fractions = frame.forward(&complete).unwrap();
        let answer = fractions.map(|&f| (0.02 + f * 1.4).min(1.0));
        let probability = frame.back(&answer).unwrap();
        let rules = Rules::default();
        // Taken for missing bone as it is, the answer says nothing: bone alone may find the hole.
        if let Ok(found) = implant::missing(&probability, &defective, &rules, None) {
            let by_bone = |f: &calvaria::status::Finding| f.name == "found_by_bone";
            assert!(found.findings.iter().any(by_bone), "{:?}", found.findings);
        }
        let left = implant::subtract(&probability, &defective, &rules).unwrap();
        let missing = implant::missing(&left, &defective, &rules, None).unwrap();
        let score = dice(&missing.mask, &removed);
        println!("{name}: DSC {score:.3}");
        assert_eq!(missing.bodies.len(), 1, "{name}");
        assert!(score > 0.8, "{name}: {score}");
    }
}

/// Weights that answer by themselves, so that what the case says of them is known: native and CraNeXt see nothing
/// anywhere, Wu's autoencoder repeats the skull that it is shown.
fn simple(architecture: Architecture) -> HashMap<String, Tensor> {
    let mut tensors = seeded::tensors(architecture).unwrap();
    let mut set = |name: &str, at: Option<usize>, value: f32| {
        let tensor = &tensors[name];
        let mut values = vec![if at.is_none() { value } else { 0.0 }; tensor.elem_count()];
        if let Some(at) = at {
            values[at] = value;
        }
        let tensor = Tensor::from_vec(values, tensor.shape(), tensor.device()).unwrap();
        tensors.insert(name.into(), tensor);
    };
    match architecture {
        Architecture::CraNeXt => {
            set("final_concat.conv.weight", None, 0.0);
            set("final_concat.conv.bias", None, 1.0);
            set("final_convolution.weight", None, -1.0);
        }
        Architecture::Wu => {
            // The middle tap from the first channel to the first; nothing comes up from below.
            for name in ["c0", "e1", "u3"] {
                set(&format!("{name}.weight"), Some(13), 1.0);
                set(&format!("{name}.bias"), None, 0.0);
            }
            set("u2.weight", None, 0.0);
            set("u2.bias", None, 0.0);
            set("out.weight", Some(13), 20.0);
            set("out.bias", None, -10.0);
        }
        _ => {
            set("head.weight", None, 0.0);
            set("head.bias", None, -9.0);
        }
    }
    tensors
}

/// Any network can drive a case by its card alone. The skull is whole and these know of no hole, so the case is refused with its
/// record; had the complete skull not been subtracted, it would be refused for hundreds of millilitres.
#[test]
fn every_kind_of_network_drives_a_case_by_its_card() {
    let folder = tempfile::tempdir().unwrap();
    let (defective, removed) = cut(Defect::Vertex);
    let both = (defective.data().iter().zip(removed.data())).map(|(&a, &b)| a || b);
    let scan = folder.path().join("skull.nii.gz");
    nifti::write_mask(&scan, &defective.with(both.collect())).unwrap();
    for (architecture, grid) in [
        (Architecture::Native, [128, 112, 128]),
        (Architecture::CraNeXt, [40, 48, 36]),
        (Architecture::Wu, [112, 112, 40]),
    ] {
        let model = folder.path().join(architecture.word());
        let out = folder.path().join(format!("{architecture}-out"));
        seeded::write_folder(&model, architecture, grid, &simple(architecture)).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_calvaria"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["design", "--mask", "--model"])
            .args([&model, &scan, Path::new("--out"), &out])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{architecture}: {said}");
        let case = std::fs::read(out.join("case.json")).unwrap();
        let case: Value = serde_json::from_slice(&case).unwrap();
        assert_eq!(case["weights"]["architecture"], architecture.word());
        let findings = case["findings"].as_array().unwrap();
        let none = findings.iter().find(|f| f["name"] == "no_defect").unwrap();
        let text = none["text"].as_str().unwrap();
        // What the autoencoder's cells round up beside thin bone is no hole either.
        let nothing = text.contains("marks nothing as missing");
        assert!(nothing || architecture == Architecture::Wu, "{text}");
        assert!(!text.contains("more than any implant"), "{text}");
        let [d, h, w] = grid;
        assert_eq!(case["frame"]["cells"], serde_json::json!([w, h, d]));
        let reference = case["device"].as_str().unwrap().contains("reference");
        assert_eq!(reference, architecture != Architecture::Native);
    }
}
