//! Sample: values between voxel centres. Interpolate fields (HU, probability, distance), never labels.

use super::Volume;
use crate::space::{Ijk, Point};

/// The trilinear value at a point; voxels beyond the grid count as 0. Not-a-number points give 0.
pub fn trilinear(volume: &Volume<f32>, at: Point<Ijk>) -> f32 {
    let shape = volume.shape();
    let inside = |axis: usize| at.0[axis] > -1.0 && at.0[axis] < shape[axis] as f64;
    if !(inside(0) && inside(1) && inside(2)) {
        return 0.0;
    }
    let low = at.0.map(|x| x.floor() as i64);
    let part = [0, 1, 2].map(|a| at.0[a] - low[a] as f64);
    let mut sum = 0.0;
    for corner in 0..8usize {
        let step = [corner & 1, corner >> 1 & 1, corner >> 2];
        let weight: f64 = (0..3)
            .map(|a| if step[a] == 1 { part[a] } else { 1.0 - part[a] })
            .product();
        if weight > 0.0 {
            let there = [0, 1, 2].map(|a| low[a] + step[a] as i64);
            sum += weight * f64::from(volume.get(there).copied().unwrap_or(0.0));
        }
    }
    sum as f32
}

/// The value of the voxel whose centre is nearest (halves go up); `None` beyond the outer faces.
pub fn nearest<T: Copy>(volume: &Volume<T>, at: Point<Ijk>) -> Option<T> {
    if at.0.iter().any(|x| !x.is_finite()) {
        return None;
    }
    volume.get(at.0.map(|x| (x + 0.5).floor() as i64)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::testing::boxed;

    fn ramp() -> Volume<f32> {
        let grid = boxed([4, 3, 5], [1.0, 2.0, 0.5], [0..0, 0..0, 0..0]);
        let values = (0..grid.data().len()).map(|o| {
            let [i, j, k] = grid.index(o);
            i as f32 + 10.0 * j as f32 + 100.0 * k as f32
        });
        grid.with(values.collect())
    }

    #[test]
    fn a_linear_field_comes_back_exactly() {
        let volume = ramp();
        let at = Point::new([1.25, 0.5, 3.75]);
        assert!((trilinear(&volume, at) - 381.25).abs() < 1e-4);
        assert_eq!(trilinear(&volume, Point::new([3.0, 2.0, 4.0])), 423.0);
    }

    #[test]
    fn beyond_the_grid_is_nothing() {
        let volume = ramp();
        assert_eq!(trilinear(&volume, Point::new([-1.0, 0.0, 0.0])), 0.0);
        assert_eq!(trilinear(&volume, Point::new([3.5, 0.0, 0.0])), 1.5);
        assert_eq!(trilinear(&volume, Point::new([f64::NAN, 0.0, 0.0])), 0.0);
        assert_eq!(nearest(&volume, Point::new([3.49, 0.0, 0.0])), Some(3.0));
        assert_eq!(nearest(&volume, Point::new([3.5, 0.0, 0.0])), None);
        assert_eq!(nearest(&volume, Point::new([0.5, 0.0, 0.0])), Some(1.0));
    }
}
