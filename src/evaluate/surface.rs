//! Surface: distances between the surfaces of two masks, both ways.

use crate::volume::crop::{self, IndexBox};
use crate::volume::{Volume, distance};

/// Distances between two surfaces, mm.
pub(super) struct Surfaces {
    pub(super) hd: f64,
    pub(super) hd95: f64,
    pub(super) asd_prediction_to_truth: f64,
    pub(super) asd_truth_to_prediction: f64,
}

/// Compares two masks that are not empty; `boxed` holds both. The nearest surface voxel of the other mask lies
/// in the box too, so nothing beyond it is looked at.
pub(super) fn compare(
    truth: &Volume<bool>,
    prediction: &Volume<bool>,
    boxed: &IndexBox,
) -> Surfaces {
    let t = surface(&crop::crop(truth, boxed));
    let p = surface(&crop::crop(prediction, boxed));
    let to_truth = directed(&p, &t);
    let to_prediction = directed(&t, &p);
    let mean = |d: &[f64]| d.iter().sum::<f64>() / d.len() as f64;
    let (asd_prediction_to_truth, asd_truth_to_prediction) =
        (mean(&to_truth), mean(&to_prediction));
    let mut pooled = to_truth;
    pooled.extend(to_prediction);
    pooled.sort_unstable_by(f64::total_cmp);
    Surfaces {
        hd: percentile(&pooled, 1.0),
        hd95: percentile(&pooled, 0.95),
        asd_prediction_to_truth,
        asd_truth_to_prediction,
    }
}

/// Set voxels with at least one of six face neighbours not set; beyond the grid counts as not set. The box
/// around both masks keeps that: beyond it nothing is set either.
pub(super) fn surface(mask: &Volume<bool>) -> Volume<bool> {
    let [ni, nj, nk] = mask.shape();
    let data = mask.data();
    let step = [1, ni, ni * nj];
    let mut out = vec![false; data.len()];
    for k in 0..nk {
        for j in 0..nj {
            for i in 0..ni {
                let at = mask.offset([i, j, k]);
                if !data[at] {
                    continue;
                }
                let edge = i == 0 || i + 1 == ni || j == 0 || j + 1 == nj || k == 0 || k + 1 == nk;
                out[at] = edge || step.iter().any(|&s| !data[at - s] || !data[at + s]);
            }
        }
    }
    mask.with(out)
}

/// For each voxel of `from`: distance to the nearest voxel of `to`, mm.
pub(super) fn directed(from: &Volume<bool>, to: &Volume<bool>) -> Vec<f64> {
    let d = distance::squared_mm2_f64(to);
    (from.data().iter().zip(d.data()))
        .filter(|&(&on, _)| on)
        .map(|(_, d2)| d2.sqrt())
        .collect()
}

/// Percentile of sorted values, linear between them; `share` 0 to 1. Not-a-number for no values.
pub(super) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let h = share * last as f64;
    let low = h.floor() as usize;
    let high = (low + 1).min(last);
    sorted[low] + (h - low as f64) * (sorted[high] - sorted[low])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::testing::boxed;

    #[test]
    fn a_voxel_at_the_grids_edge_is_surface() {
        let full = boxed([4, 4, 4], [1.0; 3], [0..4, 0..4, 0..4]);
        assert_eq!(surface(&full).count(), 64 - 8);
    }

    #[test]
    fn percentiles_are_linear_between_values() {
        let values = [0.0, 1.0, 2.0, 10.0];
        assert_eq!(percentile(&values, 0.5), 1.5);
        assert!((percentile(&values, 0.95) - 8.8).abs() < 1e-12);
        assert_eq!(percentile(&values, 1.0), 10.0);
        assert!(percentile(&[], 0.5).is_nan());
    }
}
