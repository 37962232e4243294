//! Inventory: every tensor that an architecture needs. The network is built once on a backend that only writes down
//! what it is asked for, so that the list can not drift from the layers.

use super::architecture::Architecture;
use super::reference::reference;
use super::weights::Slot;
use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::{Init, VarBuilder};
use std::sync::{Arc, Mutex, PoisonError};

/// The tensors of `architecture` in the order of its layers.
pub(super) fn inventory(architecture: Architecture) -> Result<Vec<Slot>> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let recorder = Recorder(asked.clone());
    reference(
        architecture,
        VarBuilder::from_backend(Box::new(recorder), DType::F32, Device::Cpu),
    )?;
    let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *asked))
}

struct Recorder(Arc<Mutex<Vec<Slot>>>);

impl candle_nn::var_builder::SimpleBackend for Recorder {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, dev: &Device) -> Result<Tensor> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push(Slot {
            name: name.into(),
            shape: shape.dims().to_vec(),
        });
        Tensor::zeros(shape, dtype, dev)
    }
    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        candle_core::bail!("{name} was asked for without a shape")
    }
    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}
