//! The engine as a whole: sizes that are no networks', memory, and that a second answer owes nothing to the first.
//! Parity with PyTorch and with the reference path is in `network/tests.rs`.

use super::super::seeded;
use super::*;

fn engine(isa: Isa) -> Engine {
    let get = |name: &str, shape: &[usize]| -> Result<Vec<f32>, EngineError> {
        let mut values = seeded::units(name, shape.iter().product());
        let fan: usize = shape[1..].iter().product();
        let (scale, shift) = match (shape.len(), name.ends_with("weight")) {
            (1, true) => (0.25, 1.0),
            (1, false) => (0.25, 0.0),
            _ => (0.5f32.powi(fan.ilog2() as i32 / 2), 0.0),
        };
        for v in &mut values {
            *v = *v * scale + shift;
        }
        Ok(values)
    };
    Engine::new(&Config::v3(), isa, get).unwrap()
}

#[test]
fn sizes_that_no_network_takes_are_refused() {
    let engine = engine(Isa::Scalar);
    for (size, count) in [
        ([16, 16, 16], 4096),
        ([15, 32, 32], 15 * 32 * 32),
        ([32, 32, 32], 32 * 32 * 32 - 1),
        ([0, 0, 0], 0),
        ([usize::MAX, 2, 2], 4),
    ] {
        let x = vec![0.0; count];
        let error = engine.forward(&x, size, &mut |_| ()).unwrap_err();
        assert!(
            matches!(error, EngineError::Size { .. }),
            "{size:?}: {error}"
        );
    }
}

#[test]
fn missing_memory_is_a_sentence_and_no_abort() {
    let error: EngineError = kernel::Lines::zeroed(1 << 52).unwrap_err().into();
    assert!(error.to_string().contains("MiB"), "{error}");
}

#[test]
fn a_full_size_forward_stays_within_half_a_gib_on_two_threads() {
    for isa in [Isa::Scalar, Isa::Avx2, Isa::Avx512, Isa::Neon] {
        // Only shapes are asked for, so the instructions need not be here.
        let mut engine = engine(Isa::Scalar);
        engine.isa = isa;
        let mib = engine.memory([240, 200, 240], 2) >> 20;
        assert!(mib <= 512, "{isa}: {mib} MiB");
    }
}

#[test]
fn an_answer_owes_nothing_to_the_one_before() {
    let engine = engine(Isa::best());
    let size = [33, 18, 37];
    let inputs = ["a", "b"].map(|key| seeded::units(key, size.iter().product()));
    let answer = |x: &Vec<f32>| engine.forward(x, size, &mut |_| ()).unwrap();
    let first = answer(&inputs[0]);
    assert_ne!(first, answer(&inputs[1]));
    assert_eq!(first, answer(&inputs[0]));
}
