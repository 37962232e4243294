//! Nearest-neighbour resizing of `[C, D, H, W]`, as PyTorch's `interpolate(mode = "nearest")`: target voxel i takes
//! source voxel floor(i * from / to).

use candle_core::{Result, Tensor};
use std::ops::Range;

/// `x` at `size`.
pub(super) fn nearest(x: &Tensor, size: [usize; 3]) -> Result<Tensor> {
    nearest_planes(x, size, 0..size[0])
}

/// Planes `planes` of `x` at `size`.
pub(super) fn nearest_planes(x: &Tensor, size: [usize; 3], planes: Range<usize>) -> Result<Tensor> {
    let mut x = x.clone();
    for (axis, range) in [planes, 0..size[1], 0..size[2]].into_iter().enumerate() {
        let (from, to) = (x.dim(axis + 1)?, size[axis]);
        let index: Vec<u32> = range.map(|i| (i * from / to) as u32).collect();
        x = x.index_select(&Tensor::new(index, x.device())?, axis + 1)?;
    }
    Ok(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn doubling_repeats_and_odd_sizes_round_down() {
        let x = Tensor::arange(0f32, 12.0, &Device::Cpu)
            .unwrap()
            .reshape((1, 2, 2, 3))
            .unwrap();
        let y = nearest(&x, [5, 2, 6]).unwrap();
        let values: Vec<f32> = y.flatten_all().unwrap().to_vec1().unwrap();
        let plane = |z: f32| {
            let row = move |r: f32| [0.0, 0.0, 1.0, 1.0, 2.0, 2.0].map(|v| v + 3.0 * r + 6.0 * z);
            [row(0.0), row(1.0)].concat()
        };
        // floor(i * 2 / 5) for i = 0..5.
        let want: Vec<f32> = [0.0, 0.0, 0.0, 1.0, 1.0]
            .into_iter()
            .flat_map(plane)
            .collect();
        assert_eq!(values, want);
        let part = nearest_planes(&x, [5, 2, 6], 2..4).unwrap();
        let part: Vec<f32> = part.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(part, want[2 * 12..4 * 12]);
    }
}
