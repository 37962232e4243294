//! Parity with PyTorch on weights from a hash, and everything that must be refused.
//!
//! The fixtures of `tests/fixtures/parity` were written by `make.py` there (PyTorch, f32, one thread).

use super::answers::engine_of;
use super::engine::Engine;
use super::unet::{Level, unet};
use super::*;
use crate::space::Map;
use candle_core::{DType, Device as Candle};
use candle_nn::VarBuilder;
use serde_json::Value;
use std::collections::HashMap;
use std::path::PathBuf;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity")
}

fn parity() -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixtures().join("parity.json")).unwrap()).unwrap()
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::E1 => "e1",
        Level::E2 => "e2",
        Level::E3 => "e3",
        Level::E4 => "e4",
        Level::Mid => "mid",
        Level::D4 => "d4",
        Level::D3 => "d3",
        Level::D2 => "d2",
        Level::D1 => "d1",
        Level::Logit => "logit",
    }
}

/// Mean and population standard deviation.
fn moments(t: &Tensor) -> (f64, f64) {
    let v: Vec<f32> = t.flatten_all().unwrap().to_vec1().unwrap();
    let n = v.len() as f64;
    let mean = v.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let var = v
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / n;
    (mean, var.sqrt())
}

fn seeded_unet(architecture: Architecture) -> super::unet::UNet {
    let tensors = seeded::tensors(architecture).unwrap();
    let vb = VarBuilder::from_tensors(tensors, DType::F32, &Candle::Cpu);
    unet(&architecture.unet().unwrap(), vb).unwrap()
}

/// The engine's bar in the relatives whose blocks run at full resolution: over the fixtures' 2e-5. Why:
/// [`the_relatives_against_the_same_network_in_f64_say_who_rounds`].
const RELATIVES: f64 = 5e-5;

/// Probability within `bar` everywhere, the engine's too (within [`RELATIVES`] for V1 and V2); every level's mean and
/// deviation within 1e-4.
fn compare(file: &str, architecture: Architecture, bar: f64, levels_bar: f64) {
    let path = fixtures().join(format!("{file}.safetensors"));
    let stored = candle_core::safetensors::load(path, &Candle::Cpu).unwrap();
    let want_levels = parity()["cases"][file]["levels"].clone();
    let x = stored["input"]
        .to_dtype(DType::F32)
        .unwrap()
        .unsqueeze(0)
        .unwrap();

    let mut seen = 0;
    let logit = seeded_unet(architecture)
        .forward(&x, &mut |level, t| {
            let want = &want_levels[level_name(level)];
            let (mean, std) = moments(t);
            let (want_mean, want_std) = (
                want["mean"].as_f64().unwrap(),
                want["std"].as_f64().unwrap(),
            );
            let shape: Vec<u64> = t.dims().iter().map(|&n| n as u64).collect();
            let want_shape: Vec<u64> = want["shape"].as_array().unwrap()[1..]
                .iter()
                .map(|n| n.as_u64().unwrap())
                .collect();
            assert_eq!(shape, want_shape, "{file} {level:?}");
            // Means near zero are held against the deviation.
            let off = ((mean - want_mean) / want_std)
                .abs()
                .max((std / want_std - 1.0).abs());
            assert!(
                off < levels_bar,
                "{file} {level:?}: mean {mean} {want_mean}, SD {std} {want_std}"
            );
            seen += 1;
        })
        .unwrap();
    assert_eq!(seen, 10);

    let want = probability(&stored["logit"]).unwrap();
    within(
        &format!("{file}, reference"),
        &probability(&logit).unwrap(),
        &want,
        bar,
    );
    let size = stored["input"].dims3().unwrap();
    let x: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
    for isa in isas() {
        let engine = seeded_engine(architecture, isa);
        let have = engine.forward(&x, size.into(), &mut |_| ()).unwrap();
        let bar = match architecture {
            Architecture::V1 | Architecture::V2 => RELATIVES,
            _ => bar,
        };
        within(&format!("{file}, {isa}"), &have, &want, bar);
    }
}

/// The instruction sets of this machine; says which are not tested here.
fn isas() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| {
        if !isa.is_here() {
            println!("{isa} is not on this machine: not tested here");
        }
        isa.is_here()
    })
}

fn seeded_engine(architecture: Architecture, isa: Isa) -> Engine {
    let tensors = seeded::tensors(architecture).unwrap();
    let vb = VarBuilder::from_tensors(tensors, DType::F32, &Candle::Cpu);
    engine_of(&architecture.unet().unwrap(), isa, &vb).unwrap()
}

/// No probability further than `bar` from what it should be.
fn within(what: &str, have: &[f32], want: &[f32], bar: f64) {
    assert_eq!(have.len(), want.len());
    let worst = have
        .iter()
        .zip(want)
        .map(|(a, b)| f64::from((a - b).abs()))
        .fold(0.0, f64::max);
    println!("{what}: worst difference {worst:.2e}");
    let sane = have.iter().all(|p| p.is_finite());
    assert!(sane && worst <= bar, "{what}: {worst}");
}

#[test]
fn the_generator_of_weights_gives_the_reference_bits() {
    let tensors = seeded::tensors(Architecture::V3).unwrap();
    let sum = |t: &Tensor| -> f64 {
        t.flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
            .iter()
            .map(|&v| f64::from(v))
            .sum()
    };
    let parity = parity();
    let want = parity["weights"].as_object().unwrap();
    for (name, want) in want.iter().filter(|(_, want)| want.is_object()) {
        let values: Vec<f32> = tensors[name].flatten_all().unwrap().to_vec1().unwrap();
        for (i, first) in want["first4"].as_array().unwrap().iter().enumerate() {
            // All values are exact in f32; the JSON reader may be one bit off in f64.
            assert_eq!(values[i], first.as_f64().unwrap() as f32, "{name} {i}");
        }
        assert!(
            (sum(&tensors[name]) - want["sum_f64"].as_f64().unwrap()).abs() < 1e-9,
            "{name}"
        );
    }
    let mut names: Vec<&String> = tensors.keys().collect();
    names.sort();
    let all: f64 = names.into_iter().map(|name| sum(&tensors[name])).sum();
    assert!((all - want["all_v3_sum_f64"].as_f64().unwrap()).abs() < 1e-6);
}

#[test]
fn every_network_has_its_tensors_and_parameters() {
    let want = [
        (Architecture::V3, 124, 12_628_009),
        (Architecture::Native, 134, 12_723_489),
        (Architecture::V1, 174, 12_873_601),
        (Architecture::V2, 154, 12_802_865),
        (Architecture::CraNeXt, 191, 11_594_080),
        (Architecture::Wu, 24, 8_269),
    ];
    assert_eq!(want.map(|w| w.0), Architecture::ALL);
    for (architecture, tensors, parameters) in want {
        let slots = inventory(architecture).unwrap();
        let count: usize = slots
            .iter()
            .map(|slot| slot.shape.iter().product::<usize>())
            .sum();
        assert_eq!(
            (slots.len(), count),
            (tensors, parameters),
            "{architecture:?}"
        );
    }
}

#[test]
fn v3_equals_pytorch_on_a_hollow_head() {
    compare("v3-shell-48x40x48", Architecture::V3, 2e-5, 1e-4);
}

#[test]
fn v3_equals_pytorch_where_every_axis_is_odd() {
    compare("v3-odd-45x37x51", Architecture::V3, 2e-5, 1e-4);
}

#[test]
fn v3_equals_pytorch_at_its_least_size() {
    // A norm over two voxels is ill-conditioned: PyTorch's own f32 is 1.4e-4 from its f64 here.
    compare("v3-least-32x16x16", Architecture::V3, 1e-3, 1e-3);
}

#[test]
fn the_relatives_equal_pytorch_too() {
    compare("native-40x36x44", Architecture::Native, 2e-5, 1e-4);
    compare("v1-40x36x44", Architecture::V1, 2e-5, 1e-4);
    compare("v2-40x36x44", Architecture::V2, 2e-5, 1e-4);
}

/// Who rounds where a relative misses the fixture's bar of 2e-5: the engine. The fixtures are PyTorch in f32, whose own
/// distance to f64 `parity.json` records; our reference path in f64 meets that distance to the last digits, so it is
/// the truth for all. For V1 PyTorch is 1.2e-5 off, the reference path 1.1e-5, the engine 2.3e-5 (scalar 3.3e-5): its
/// Winograd transforms round once more a layer, V1 has ten layers more than V3 and all of them at the first two levels,
/// and norms over the 8 voxels that this small input leaves at the deepest level make much of little. Masks do not feel
/// it; at full size V3 is 2e-6 off.
#[test]
fn the_relatives_against_the_same_network_in_f64_say_who_rounds() {
    for architecture in [Architecture::Native, Architecture::V1, Architecture::V2] {
        let file = format!("{architecture}-40x36x44");
        let path = fixtures().join(format!("{file}.safetensors"));
        let stored = candle_core::safetensors::load(path, &Candle::Cpu).unwrap();
        let tensors = seeded::tensors(architecture).unwrap();
        let vb = VarBuilder::from_tensors(tensors, DType::F64, &Candle::Cpu);
        let exact = unet(&architecture.unet().unwrap(), vb).unwrap();
        let x = stored["input"].unsqueeze(0).unwrap();
        let logit = exact
            .forward(&x.to_dtype(DType::F64).unwrap(), &mut |_, _| ())
            .unwrap();
        let exact: Vec<f64> = candle_nn::ops::sigmoid(&logit)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        let worst = |what: &str, have: &[f32]| {
            let off = |(&a, b): (&f32, &f64)| (f64::from(a) - b).abs();
            let worst = have.iter().zip(&exact).map(off).fold(0.0, f64::max);
            println!("{file}, {what} against f64: worst difference {worst:.2e}");
            worst
        };
        let fixture = worst("PyTorch f32", &probability(&stored["logit"]).unwrap());
        let recorded = parity()["cases"][&file]["float32_against_float64_max_abs"].clone();
        assert!(
            (fixture - recorded.as_f64().unwrap()).abs() < 2e-7,
            "{recorded}"
        );

        let x = x.to_dtype(DType::F32).unwrap();
        let reference = seeded_unet(architecture)
            .forward(&x, &mut |_, _| ())
            .unwrap();
        let reference = worst("reference", &probability(&reference).unwrap());
        assert!(reference <= 2e-5, "{architecture} reference: {reference}");
        let size = stored["input"].dims3().unwrap();
        let x: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
        for isa in isas() {
            let engine = seeded_engine(architecture, isa);
            let have = engine.forward(&x, size.into(), &mut |_| ()).unwrap();
            let engine = worst(&format!("{isa}"), &have);
            assert!(engine <= RELATIVES, "{architecture} {isa}: {engine}");
        }
    }
}

/// The two that answer probabilities alone, against the fixtures' bar.
fn compare_reference(file: &str, architecture: Architecture, bar: f64) {
    let path = fixtures().join(format!("{file}.safetensors"));
    let stored = candle_core::safetensors::load(path, &Candle::Cpu).unwrap();
    let vb = VarBuilder::from_tensors(
        seeded::tensors(architecture).unwrap(),
        DType::F32,
        &Candle::Cpu,
    );
    let answers = Answers::new(architecture, Compute::Reference, &vb).unwrap();
    let input = stored["input"].to_dtype(DType::F32).unwrap();
    let x: Vec<f32> = input.flatten_all().unwrap().to_vec1().unwrap();
    let mut heard = vec![0.0];
    let size = stored["input"].dims3().unwrap();
    let have = answers
        .forward(&x, size.into(), &mut |f| heard.push(f))
        .unwrap();
    let want: Vec<f32> = stored["probability"]
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap();
    within(file, &have, &want, bar);
    let above = have.iter().filter(|&&p| p > 0.5).count() as u64;
    assert_eq!(parity()["cases"][file]["voxels_above_half"], above);
    assert!(heard.is_sorted() && heard.last() == Some(&1.0), "{heard:?}");
}

#[test]
fn cranext_equals_pytorch_with_its_response_norm_by_slice() {
    compare_reference("cranext-40x48x36", Architecture::CraNeXt, 2e-5);
}

#[test]
fn wus_autoencoder_equals_pytorch() {
    compare_reference("wu-32x32x24", Architecture::Wu, 2e-5);
}

/// A model folder with `tensors`, and a frame volume with a few bone cells on its grid.
fn folder(tensors: &HashMap<String, Tensor>) -> (tempfile::TempDir, Volume<f32>) {
    let dir = tempfile::tempdir().unwrap();
    let grid = [48, 32, 40];
    seeded::write_folder(dir.path(), Architecture::V3, grid, tensors).unwrap();
    let [d, h, w] = grid;
    let to_lps = Map::new([
        [0.0, 2.0, 0.0, 0.0],
        [0.0, 0.0, 2.0, 0.0],
        [2.0, 0.0, 0.0, 0.0],
    ]);
    let data = seeded::units("input", d * h * w)
        .iter()
        .map(|u| u.abs())
        .collect();
    (dir, Volume::new([w, h, d], data, to_lps).unwrap())
}

#[test]
fn a_model_folder_answers_on_the_frame_with_growing_progress() {
    let (dir, frame) = folder(&seeded::tensors(Architecture::V3).unwrap());
    let network = Network::load(dir.path(), Device::Cpu).unwrap();
    assert_eq!(network.card().grid, [48, 32, 40]);
    let mut heard = vec![0.0];
    let answer = network.predict(&frame, &mut |f| heard.push(f)).unwrap();
    assert_eq!(answer.shape(), frame.shape());
    assert_eq!(answer.to_lps(), frame.to_lps());
    assert!(answer.data().iter().all(|p| (0.0..=1.0).contains(p)));
    assert!(
        heard.is_sorted() && heard.last() == Some(&1.0) && heard.len() == 11,
        "{heard:?}"
    );
    // The memory order of the frame volume is the tensor's.
    let x = Tensor::from_slice(frame.data(), (1, 48, 32, 40), &Candle::Cpu).unwrap();
    let direct = seeded_unet(Architecture::V3)
        .forward(&x, &mut |_, _| ())
        .unwrap();
    let want = probability(&direct).unwrap();
    within("engine", answer.data(), &want, 2e-5);
    // The reference path is the same code, so the same bits.
    let reference = Network::load_with(dir.path(), Device::Cpu, Compute::Reference).unwrap();
    assert_eq!(reference.answers.compute(), Compute::Reference);
    let answer = reference.predict(&frame, &mut |_| ()).unwrap();
    assert_eq!(answer.data(), want);
}

#[test]
fn half_precision_weights_are_read_and_answer_nearly_the_same() {
    let full = seeded::tensors(Architecture::V3).unwrap();
    let half = full
        .iter()
        .map(|(k, t)| (k.clone(), t.to_dtype(DType::F16).unwrap()))
        .collect();
    let ((a, frame), (b, _)) = (folder(&full), folder(&half));
    let answers = [a, b].map(|dir| {
        Network::load(dir.path(), Device::Cpu)
            .unwrap()
            .predict(&frame, &mut |_| ())
            .unwrap()
    });
    let pairs = || answers[0].data().iter().zip(answers[1].data());
    let worst = pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst > 0.0 && worst < 0.02, "{worst}");
}

#[test]
fn the_same_bits_whatever_the_thread_count() {
    let (dir, frame) = folder(&seeded::tensors(Architecture::V3).unwrap());
    for compute in isas().map(Compute::Engine).chain([Compute::Reference]) {
        let network = Network::load_with(dir.path(), Device::Cpu, compute).unwrap();
        same_bits(&network, &frame);
    }
}

fn same_bits(network: &Network, frame: &Volume<f32>) {
    let answer = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| network.predict(frame, &mut |_| ()).unwrap())
    };
    let bits = |v: &Volume<f32>| v.data().iter().map(|p| p.to_bits()).collect::<Vec<_>>();
    let one = bits(&answer(1));
    for threads in [2, 3, 7] {
        assert_eq!(
            one,
            bits(&answer(threads)),
            "{} on {threads}",
            network.answers.compute()
        );
    }
}

#[test]
fn missing_tampered_and_mismatched_weights_are_refused() {
    let mut tensors = seeded::tensors(Architecture::V3).unwrap();
    let (dir, _) = folder(&tensors);
    let file = dir.path().join("v3.safetensors");

    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let tampered = Network::load(dir.path(), Device::Cpu).unwrap_err();
    assert!(
        matches!(tampered, NetworkError::Weights(WeightsError::Hash { .. })),
        "{tampered}"
    );

    std::fs::remove_file(&file).unwrap();
    let missing = Network::load(dir.path(), Device::Cpu).unwrap_err();
    assert!(
        matches!(missing, NetworkError::Weights(WeightsError::Missing { .. })),
        "{missing}"
    );

    // The right hash, but another network's weights: the first wrong layer is named.
    let (other, _) = folder(&seeded::tensors(Architecture::Native).unwrap());
    let text = Network::load(other.path(), Device::Cpu)
        .unwrap_err()
        .to_string();
    assert!(text.contains("down1.0.weight"), "{text}");

    let broken = Tensor::full(f32::NAN, 1, &Candle::Cpu).unwrap();
    tensors.insert("head.bias".into(), broken);
    let (nan, _) = folder(&tensors);
    let error = Network::load(nan.path(), Device::Cpu).unwrap_err();
    assert!(
        matches!(error, NetworkError::Weights(WeightsError::NotFinite { .. })),
        "{error}"
    );
}

/// A model folder is swapped as a whole, by rename. Who loads meanwhile gets a card and weights that belong together; who
/// has loaded keeps what it has.
#[test]
fn a_folder_swapped_by_rename_harms_neither_the_running_case_nor_the_next() {
    let root = tempfile::tempdir().unwrap();
    let (live, other) = (root.path().join("live"), root.path().join("other"));
    let mut tensors = seeded::tensors(Architecture::Wu).unwrap();
    seeded::write_folder(&live, Architecture::Wu, [32, 32, 24], &tensors).unwrap();
    let bias = Tensor::full(0.5f32, 1, &Candle::Cpu).unwrap();
    tensors.insert("out.bias".into(), bias);
    seeded::write_folder(&other, Architecture::Wu, [32, 32, 24], &tensors).unwrap();
    let cards = [&live, &other].map(|dir| Card::read(dir).unwrap());
    assert_ne!(cards[0].sha256, cards[1].sha256);
    let frame = Volume::new(
        [24, 32, 32],
        seeded::units("input", 24 * 32 * 32)
            .iter()
            .map(|u| u.abs())
            .collect(),
        Map::new([[2., 0., 0., 0.], [0., 2., 0., 0.], [0., 0., 2., 0.]]),
    )
    .unwrap();
    let answer = |network: &Network| network.predict(&frame, &mut |_| ()).unwrap();
    let swap = || {
        let aside = root.path().join("aside");
        std::fs::rename(&live, &aside).unwrap();
        std::fs::rename(&other, &live).unwrap();
        std::fs::rename(&aside, &other).unwrap();
    };

    let running = Network::load(&live, Device::Cpu).unwrap();
    let before = answer(&running);
    swap();
    assert_eq!(answer(&running), before, "the running case keeps its own");
    let next = Network::load(&live, Device::Cpu).unwrap();
    assert_eq!(next.card(), &cards[1]);
    assert_ne!(answer(&next), before);

    // Swapped back between the reading of the card and that of the weights: the next model, whole.
    let swapped = std::cell::Cell::new(false);
    let between = |architecture| {
        if !swapped.replace(true) {
            swap();
        }
        Ok(Compute::best(architecture))
    };
    let next = Network::of(&live, Device::Cpu, between).unwrap();
    assert!(swapped.get());
    assert_eq!(next.card(), &cards[0]);
    assert_eq!(answer(&next), before);
}

#[test]
fn a_card_of_another_architecture_names_the_first_tensor_that_does_not_fit() {
    for (card, weights, named) in [
        // Their first layers differ in width.
        (Architecture::Native, Architecture::V3, "down1.0.weight"),
        // V2 has one block more ahead of the first stride than native has.
        (
            Architecture::V2,
            Architecture::Native,
            "pre1.0.body.0.weight",
        ),
        (
            Architecture::CraNeXt,
            Architecture::Wu,
            "init_stage.0.weight",
        ),
        (Architecture::Wu, Architecture::CraNeXt, "c0.weight"),
    ] {
        let tensors = seeded::tensors(weights).unwrap();
        let dir = tempfile::tempdir().unwrap();
        seeded::write_folder(dir.path(), card, [48, 48, 48], &tensors).unwrap();
        let error = Network::load(dir.path(), Device::Cpu).unwrap_err();
        assert!(
            error.to_string().contains(named),
            "{card} with {weights}: {error}"
        );
    }
    // V1 holds everything that V2 needs, and more.
    let dir = tempfile::tempdir().unwrap();
    let tensors = seeded::tensors(Architecture::V1).unwrap();
    seeded::write_folder(dir.path(), Architecture::V2, [48, 48, 48], &tensors).unwrap();
    let error = Network::load(dir.path(), Device::Cpu).unwrap_err();
    assert!(
        matches!(&error, NetworkError::Weights(WeightsError::Extra { name }) if name == "pre1.1.body.0.bias"),
        "{error}"
    );
}

#[test]
fn an_engine_that_a_network_does_not_have_and_a_size_that_it_can_not_take_are_refused() {
    for (architecture, good, bad) in [
        (Architecture::CraNeXt, [32, 32, 32], [32, 31, 32]),
        (Architecture::Wu, [16, 16, 8], [16, 16, 12]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let tensors = seeded::tensors(architecture).unwrap();
        seeded::write_folder(dir.path(), architecture, good, &tensors).unwrap();
        let load = |compute| Network::load_with(dir.path(), Device::Cpu, compute);
        let text = load(Compute::best(Architecture::V3))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains(architecture.word()) && text.contains("reference"),
            "{text}"
        );
        let network = Network::load(dir.path(), Device::Cpu).unwrap();
        assert_eq!(network.answers.compute(), Compute::Reference);

        let file = dir.path().join(format!("{architecture}.safetensors"));
        let bare = Bare::load(&file, architecture, Device::Cpu, Compute::Reference).unwrap();
        let error = bare
            .forward(&vec![0.0; bad.iter().product()], bad)
            .unwrap_err();
        assert!(matches!(error, NetworkError::Size { .. }), "{error}");
        let error = bare.forward(&[0.0; 7], good).unwrap_err();
        assert!(matches!(error, NetworkError::Length { .. }), "{error}");

        seeded::write_folder(dir.path(), architecture, bad, &tensors).unwrap();
        let error = Network::load(dir.path(), Device::Cpu).unwrap_err();
        assert!(
            matches!(
                error,
                NetworkError::Card(CardError::Value { key: "grid", .. })
            ),
            "{error}"
        );
    }
}

#[test]
fn the_reference_path_of_every_network_gives_the_same_bits_on_any_number_of_threads() {
    for (architecture, grid) in [
        (Architecture::CraNeXt, [40, 48, 36]),
        (Architecture::Wu, [32, 32, 24]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let tensors = seeded::tensors(architecture).unwrap();
        seeded::write_folder(dir.path(), architecture, grid, &tensors).unwrap();
        let network = Network::load(dir.path(), Device::Cpu).unwrap();
        let [d, h, w] = grid;
        let data = seeded::units("input", d * h * w)
            .iter()
            .map(|u| u.abs())
            .collect();
        let to_lps = Map::new([[2., 0., 0., 0.], [0., 2., 0., 0.], [0., 0., 2., 0.]]);
        same_bits(&network, &Volume::new([w, h, d], data, to_lps).unwrap());
    }
}

#[test]
fn a_wrong_shape_and_wrong_values_are_refused() {
    let (dir, frame) = folder(&seeded::tensors(Architecture::V3).unwrap());
    let network = Network::load(dir.path(), Device::Cpu).unwrap();
    let [w, h, d] = frame.shape();
    // The same number of cells in another order is as wrong as another number.
    let turned = Volume::new([d, h, w], frame.data().to_vec(), frame.to_lps()).unwrap();
    assert!(matches!(
        network.predict(&turned, &mut |_| ()),
        Err(NetworkError::Shape { .. })
    ));
    for value in [f32::NAN, f32::INFINITY, -0.5, 1.5] {
        let mut bad = frame.clone();
        bad.data_mut()[77] = value;
        let error = network.predict(&bad, &mut |_| ()).unwrap_err();
        assert!(
            matches!(error, NetworkError::Value { at: 77, .. }),
            "{error}"
        );
    }
}

#[test]
fn weights_that_overflow_give_an_error_and_no_answer() {
    let mut tensors = seeded::tensors(Architecture::V3).unwrap();
    // Sums of such taps are infinite, and an infinite mean normalises to NaN.
    let huge = Tensor::full(f32::MAX, (16, 16, 4, 4, 4), &Candle::Cpu).unwrap();
    tensors.insert("up1.0.weight".into(), huge);
    let (dir, frame) = folder(&tensors);
    for compute in isas().map(Compute::Engine).chain([Compute::Reference]) {
        let network = Network::load_with(dir.path(), Device::Cpu, compute).unwrap();
        let error = network.predict(&frame, &mut |_| ()).unwrap_err();
        assert!(
            matches!(error, NetworkError::Answer { count } if count > 0),
            "{compute}: {error}"
        );
    }
}

#[test]
fn weights_without_a_card_run_over_any_size_and_broken_files_are_refused() {
    let (dir, frame) = folder(&seeded::tensors(Architecture::V3).unwrap());
    let file = dir.path().join("v3.safetensors");
    let compute = Compute::best(Architecture::V3);
    let load = |file: &Path| Bare::load(file, Architecture::V3, Device::Cpu, compute);
    let network = load(&file).unwrap();
    let carded = Network::load(dir.path(), Device::Cpu).unwrap();
    let want = carded.predict(&frame, &mut |_| ()).unwrap();
    assert_eq!(
        network.forward(frame.data(), [48, 32, 40]).unwrap(),
        want.data()
    );
    let small = network.forward(&[0.0; 16 * 16 * 32], [16, 16, 32]).unwrap();
    assert!(small.iter().all(|p| (0.0..=1.0).contains(p)));
    let wrong = network.forward(&[0.0; 15], [15, 1, 1]).unwrap_err();
    assert!(
        matches!(wrong, NetworkError::Engine(EngineError::Size { .. })),
        "{wrong}"
    );

    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let cut = load(&file).unwrap_err();
    assert!(
        matches!(cut, NetworkError::Weights(WeightsError::Format(_))),
        "{cut}"
    );
    std::fs::remove_file(&file).unwrap();
    let absent = load(&file).unwrap_err();
    assert!(
        matches!(absent, NetworkError::Weights(WeightsError::Missing { .. })),
        "{absent}"
    );
}
