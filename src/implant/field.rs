//! Field: volumes as functions of a point in the patient, by trilinear interpolation. Of a mask that is the share
//! of bone around the point, so its level 0.5 is smoother than its voxels.

use crate::space::{Ijk, Lps, Map, Point};
use crate::volume::Volume;

/// A volume with its inverse map at hand, and what it counts as beyond its grid.
pub(super) struct Sampled<'a, T> {
    volume: &'a Volume<T>,
    to_ijk: Map<Lps, Ijk>,
    beyond: f32,
}

impl<'a, T: Copy + Sync> Sampled<'a, T> {
    pub(super) fn new(volume: &'a Volume<T>, beyond: f32) -> Self {
        Self {
            volume,
            to_ijk: volume.to_ijk(),
            beyond,
        }
    }

    /// The interpolated value at a point.
    #[inline]
    pub(super) fn at(&self, point: Point<Lps>, value: impl Fn(T) -> f32) -> f32 {
        let at = self.to_ijk.apply(point).0;
        let shape = self.volume.shape();
        let data = self.volume.data();
        let low = at.map(f64::floor);
        let part = [0, 1, 2].map(|a| (at[a] - low[a]) as f32);
        let inside = |n: usize, x: f64| x >= 0.0 && x + 1.0 < shape[n] as f64;
        if inside(0, low[0]) && inside(1, low[1]) && inside(2, low[2]) {
            let o = self.volume.offset(low.map(|x| x as usize));
            let (j, k) = (shape[0], shape[0] * shape[1]);
            let mix = |o: usize| {
                let (a, b) = (value(data[o]), value(data[o + 1]));
                a + (b - a) * part[0]
            };
            let near = mix(o) + (mix(o + j) - mix(o)) * part[1];
            let far = mix(o + k) + (mix(o + j + k) - mix(o + k)) * part[1];
            return near + (far - near) * part[2];
        }
        // At the grid's edge, voxel by voxel.
        let mut sum = 0.0;
        for corner in 0..8usize {
            let step = [corner & 1, corner >> 1 & 1, corner >> 2];
            let weight: f32 = (0..3)
                .map(|a| if step[a] == 1 { part[a] } else { 1.0 - part[a] })
                .product();
            let there = [0, 1, 2].map(|a| low[a] as i64 + step[a] as i64);
            sum += weight * self.volume.get(there).map_or(self.beyond, |&v| value(v));
        }
        sum
    }
}
