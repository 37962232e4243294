//! Weights from a hash: any language makes the same bits, so networks can be compared without passing weights
//! around. They know nothing of skulls. Used by the parity tests, and by tests that hand the whole line a model
//! that answers nonsense.

use super::architecture::Architecture;
use super::inventory::inventory;
use super::weights::hex;
use candle_core::{Device, Tensor};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::Path;

/// FNV-1a, 64 bit.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| {
        (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// `count` numbers in [-1, 1), multiples of 1/32768: the top 16 bits of splitmix64 seeded with the hash of `key`.
pub fn units(key: &str, count: usize) -> Vec<f32> {
    let h = fnv1a(key);
    let unit = |i: u64| {
        let z = h.wrapping_add((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        ((z >> 48) as i32 - 32768) as f32 / 32768.0
    };
    (0..count as u64).map(unit).collect()
}

/// One tensor. Kernels are scaled by a power of two near 1/sqrt(fan in), norms lie around 1, biases around 0; no
/// value is rounded.
fn weight(architecture: &str, name: &str, shape: &[usize]) -> Vec<f32> {
    let mut values = units(&format!("{architecture}/{name}"), shape.iter().product());
    let fan: usize = shape[1..].iter().product();
    let (scale, shift) = match shape.len() {
        1 if name.ends_with(".weight") => (0.25, 1.0),
        1 => (0.25, 0.0),
        // CraNeXt's response norm.
        4 if name.ends_with(".gamma") || name.ends_with(".beta") => (0.25, 0.0),
        _ => (0.5f32.powi((fan.ilog2() / 2) as i32), 0.0),
    };
    for v in &mut values {
        *v = *v * scale + shift;
    }
    values
}

/// All tensors of an architecture by name.
///
/// # Errors
/// Only when memory runs out.
pub fn tensors(architecture: Architecture) -> candle_core::Result<HashMap<String, Tensor>> {
    let name = architecture.word();
    inventory(architecture)?
        .into_iter()
        .map(|slot| {
            let values = weight(name, &slot.name, &slot.shape);
            let tensor = Tensor::from_vec(values, slot.shape, &Device::Cpu)?;
            Ok((slot.name, tensor))
        })
        .collect()
}

/// Writes a model folder (card and weights) with `tensors` for a frame of `grid` cells of 2 mm.
///
/// # Errors
/// When the folder can not be written.
pub fn write_folder(
    dir: &Path,
    architecture: Architecture,
    grid: [usize; 3],
    tensors: &HashMap<String, Tensor>,
) -> std::io::Result<()> {
    let bytes = safetensors::serialize(tensors, None).map_err(std::io::Error::other)?;
    let sha256 = hex(&Sha256::digest(&bytes));
    let name = architecture.word();
    let frame = grid.map(|n| 2 * n);
    let (target, axes, fit) = match architecture {
        Architecture::CraNeXt => ("skull", "RAS", "box"),
        Architecture::Wu => ("skull", "PLS", "top"),
        _ => ("fraction", "PLS", "middle"),
    };
    let card = format!(
        "architecture = \"{name}\"\nframe = {frame:?}\ngrid = {grid:?}\nvoxel_mm = 2.0\nhu_threshold = 150\n\
         resample = \"box\"\ninput = \"fraction\"\ntarget = \"{target}\"\naxes = \"{axes}\"\nfit = \"{fit}\"\nthreshold = 0.5\n\
         file = \"{name}.safetensors\"\nsha256 = \"{sha256}\"\ndata = \"none: weights from a hash\"\n\
         licence = \"none\"\nstatus = \"for tests\"\n"
    );
    std::fs::create_dir_all(dir)?;
    std::fs::write(dir.join(format!("{name}.safetensors")), bytes)?;
    std::fs::write(dir.join(format!("{name}.toml")), card)
}
