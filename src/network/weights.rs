//! Weights: a safetensors file is read into memory once, proved, and handed to candle.
//!
//! candle's `VarBuilder` converts and finds tensors but ignores extra ones and knows no hash, so the proof is ours:
//! hash against the card, then names and shapes in the order of the layers (the first mismatch is named), then
//! every value finite.

use super::card::Card;
use candle_core::DType;
use candle_nn::VarBuilder;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::path::Path;

/// Largest file that is read: far above any network here (50 MB), far below what would hurt.
const LIMIT_BYTES: u64 = 512 << 20;

/// One tensor that an architecture needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Name as in the file, e.g. `down1.0.weight`.
    pub(super) name: String,
    /// Its shape.
    pub(super) shape: Vec<usize>,
}

/// Why weights are refused.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file that the card names is not there.
    #[error("the weights `{file}` are not beside their card. Copy the whole model folder again.")]
    Missing {
        /// The file's name.
        file: String,
    },
    /// The file can not be read.
    #[error("the weights `{file}` could not be read. Copy the model folder again.")]
    Read {
        /// The file's name.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// Larger than any network here.
    #[error("the weights `{file}` are {mib} MiB; at most {} MiB are read. This is not one of our networks.", LIMIT_BYTES >> 20)]
    TooLarge {
        /// The file's name.
        file: String,
        /// Its size.
        mib: u64,
    },
    /// The file's hash is not the card's.
    #[error(
        "the weights `{file}` are not those of their card (sha256 {have}, the card says {want}). Copy the whole model folder again."
    )]
    Hash {
        /// The file's name.
        file: String,
        /// SHA-256 of the bytes.
        have: String,
        /// SHA-256 in the card.
        want: String,
    },
    /// Not a safetensors file.
    #[error("the weights are not a safetensors file: {0}")]
    Format(safetensors::SafeTensorError),
    /// A tensor that the architecture needs is not there.
    #[error(
        "the weights hold no tensor `{name}` {shape:?}. They belong to another architecture than the card says."
    )]
    Absent {
        /// The tensor.
        name: String,
        /// The shape it should have.
        shape: Vec<usize>,
    },
    /// A tensor has another shape.
    #[error(
        "tensor `{name}` is {have:?}, the architecture needs {want:?}. The weights belong to another architecture."
    )]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape in the file.
        have: Vec<usize>,
        /// The shape it should have.
        want: Vec<usize>,
    },
    /// Stored as something else than F32 or F16.
    #[error("tensor `{name}` is stored as {dtype}; only F32 and F16 are read.")]
    Kind {
        /// The tensor.
        name: String,
        /// How it is stored.
        dtype: String,
    },
    /// A tensor that the architecture does not know.
    #[error(
        "the weights hold `{name}`, which the architecture does not know. They belong to another one."
    )]
    Extra {
        /// The tensor.
        name: String,
    },
    /// NaN or infinity.
    #[error(
        "tensor `{name}` holds a value that is not finite at {at}. The training broke; these weights can not be used."
    )]
    NotFinite {
        /// The tensor.
        name: String,
        /// Flat index of the first.
        at: usize,
    },
    /// candle would not take them.
    #[error("the weights could not be taken: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// The weights that `card` names, proved against `slots`, as f32.
pub(super) fn load(
    dir: &Path,
    card: &Card,
    slots: &[Slot],
) -> Result<VarBuilder<'static>, WeightsError> {
    let bytes = read(&dir.join(&card.file), &card.file)?;
    let have = hex(&Sha256::digest(&bytes));
    if have != card.sha256 {
        return Err(WeightsError::Hash {
            file: card.file.clone(),
            have,
            want: card.sha256.clone(),
        });
    }
    proved(bytes, slots)
}

/// The weights in `path`, of unknown origin, proved against `slots`, as f32.
pub(super) fn load_any(path: &Path, slots: &[Slot]) -> Result<VarBuilder<'static>, WeightsError> {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    proved(read(path, &file)?, slots)
}

fn proved(bytes: Vec<u8>, slots: &[Slot]) -> Result<VarBuilder<'static>, WeightsError> {
    prove(&bytes, slots)?;
    Ok(VarBuilder::from_buffered_safetensors(
        bytes,
        DType::F32,
        &candle_core::Device::Cpu,
    )?)
}

fn read(path: &Path, file: &str) -> Result<Vec<u8>, WeightsError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => WeightsError::Missing { file: file.into() },
        _ => WeightsError::Read {
            file: file.into(),
            source,
        },
    };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > LIMIT_BYTES {
        return Err(WeightsError::TooLarge {
            file: file.into(),
            mib: size >> 20,
        });
    }
    std::fs::read(path).map_err(failed)
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Names, shapes, storage and values, in the order of the layers.
fn prove(bytes: &[u8], slots: &[Slot]) -> Result<(), WeightsError> {
    let file = SafeTensors::deserialize(bytes).map_err(WeightsError::Format)?;
    for Slot { name, shape } in slots {
        let Ok(view) = file.tensor(name) else {
            return Err(WeightsError::Absent {
                name: name.clone(),
                shape: shape.clone(),
            });
        };
        if view.shape() != shape {
            return Err(WeightsError::Shape {
                name: name.clone(),
                have: view.shape().to_vec(),
                want: shape.clone(),
            });
        }
        let unfinished = match view.dtype() {
            // All exponent bits set: infinity or NaN.
            Dtype::F32 => view
                .data()
                .chunks_exact(4)
                .position(|b| b[3] & 0x7f == 0x7f && b[2] & 0x80 != 0),
            Dtype::F16 => view
                .data()
                .chunks_exact(2)
                .position(|b| b[1] & 0x7c == 0x7c),
            other => {
                return Err(WeightsError::Kind {
                    name: name.clone(),
                    dtype: format!("{other:?}"),
                });
            }
        };
        if let Some(at) = unfinished {
            return Err(WeightsError::NotFinite {
                name: name.clone(),
                at,
            });
        }
    }
    let known: HashSet<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
    let mut extra: Vec<&str> = file
        .names()
        .into_iter()
        .filter(|name| !known.contains(name))
        .collect();
    extra.sort_unstable();
    match extra.first() {
        Some(name) => Err(WeightsError::Extra {
            name: (*name).into(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Tensor};
    use std::collections::HashMap;

    fn slots() -> Vec<Slot> {
        [("a.weight", vec![2, 3]), ("a.bias", vec![2])]
            .map(|(name, shape)| Slot {
                name: name.into(),
                shape,
            })
            .into()
    }

    fn bytes(change: impl Fn(&mut HashMap<String, Tensor>)) -> Vec<u8> {
        let ones = |shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
        let mut tensors: HashMap<String, Tensor> = slots()
            .iter()
            .map(|s| (s.name.clone(), ones(&s.shape)))
            .collect();
        change(&mut tensors);
        safetensors::serialize(&tensors, None).unwrap()
    }

    #[test]
    fn the_right_tensors_pass_as_f32_and_as_f16() {
        prove(&bytes(|_| ()), &slots()).unwrap();
        let half = bytes(|t| {
            for value in t.values_mut() {
                *value = value.to_dtype(DType::F16).unwrap();
            }
        });
        prove(&half, &slots()).unwrap();
    }

    #[test]
    fn an_absent_tensor_is_named() {
        let error = prove(&bytes(|t| drop(t.remove("a.bias"))), &slots()).unwrap_err();
        assert!(matches!(error, WeightsError::Absent { name, .. } if name == "a.bias"));
    }

    #[test]
    fn a_wrong_shape_is_named_with_both_shapes() {
        let wrong = bytes(|t| {
            let turned = t["a.weight"].t().unwrap().contiguous().unwrap();
            t.insert("a.weight".into(), turned);
        });
        let text = prove(&wrong, &slots()).unwrap_err().to_string();
        assert!(
            text.contains("a.weight") && text.contains("[3, 2]") && text.contains("[2, 3]"),
            "{text}"
        );
    }

    #[test]
    fn an_extra_tensor_is_named() {
        let extra = bytes(|t| {
            let copy = t["a.bias"].clone();
            t.insert("b.bias".into(), copy);
        });
        assert!(
            matches!(prove(&extra, &slots()), Err(WeightsError::Extra { name }) if name == "b.bias")
        );
    }

    #[test]
    fn nan_and_infinity_are_refused_and_large_numbers_are_not() {
        for (value, fine) in [
            (f32::NAN, false),
            (f32::NEG_INFINITY, false),
            (f32::MAX, true),
            (-0.0, true),
        ] {
            let made = bytes(|t| {
                let v = Tensor::new(&[1.0, value], &Device::Cpu).unwrap();
                t.insert("a.bias".into(), v);
            });
            match prove(&made, &slots()) {
                Ok(()) => assert!(fine, "{value}"),
                Err(WeightsError::NotFinite { name, at }) => {
                    assert!(!fine && name == "a.bias" && at == 1, "{value}");
                }
                Err(other) => panic!("{value}: {other}"),
            }
        }
        let half = bytes(|t| {
            let v = Tensor::new(&[1.0, f32::NAN], &Device::Cpu)
                .unwrap()
                .to_dtype(DType::F16)
                .unwrap();
            t.insert("a.bias".into(), v);
        });
        assert!(matches!(
            prove(&half, &slots()),
            Err(WeightsError::NotFinite { at: 1, .. })
        ));
    }

    #[test]
    fn integers_and_garbage_are_refused() {
        let integers = bytes(|t| {
            let v = t["a.bias"].to_dtype(DType::U32).unwrap();
            t.insert("a.bias".into(), v);
        });
        assert!(matches!(
            prove(&integers, &slots()),
            Err(WeightsError::Kind { .. })
        ));
        assert!(matches!(
            prove(b"not a file", &slots()),
            Err(WeightsError::Format(_))
        ));
        let cut = &bytes(|_| ())[..60];
        assert!(matches!(prove(cut, &slots()), Err(WeightsError::Format(_))));
    }
}
